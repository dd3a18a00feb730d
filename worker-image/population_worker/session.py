"""A worker's session: what a training program wraps itself in."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType

from population_worker.control import serve_control
from population_worker.directive import Directive
from population_worker.environment import Environment, InvalidEnvironment, read_environment
from population_worker.janitor import Janitor
from population_worker.mailbox import Refused
from population_worker.member import Member
from population_worker.metrics import serve_metrics
from population_worker.runtime import Runtime, assemble
from population_worker.seeding import seed_everything
from population_worker.serving import Server
from population_worker.standalone import Standalone
from population_worker.wire import Value, plain


class Session:
    """Serves the operator while the program trains; with no operator, trains alone.

    The arguments are for running alone: train from step 0, or from the newest checkpoint in
    `checkpoints`, to `max_steps`, and report every `interval` steps. An operator's directives
    replace them. Raises `InvalidEnvironment` (a ValueError) for a bad POPULATION_* variable, and
    TypeError for a hyperparameter that no checkpoint's manifest could hold.

    Use it in the main thread, once in a process: SIGTERM is handled while it is open.
    """

    def __init__(
        self,
        *,
        hyperparameters: Mapping[str, Value] | None = None,
        interval: int = 100,
        max_steps: int = 1000,
        checkpoints: str | os.PathLike[str] = "runs/alone",
        seed: int = 0,
        environment: Environment | None = None,
    ) -> None:
        self._environment = environment or read_environment(os.environ)
        alone = None
        if self._environment.control is None:
            values = {
                name: plain(value, f"hyperparameters: {name}")
                for name, value in (hyperparameters or {}).items()
            }
            alone = Standalone(values, interval, max_steps, seed)
        self._runtime: Runtime = assemble(
            experiment=self._environment.experiment,
            incarnation=self._environment.incarnation,
            # The program may change the folder that it works in.
            checkpoints=(self._environment.checkpoints or Path(checkpoints)).absolute(),
            save_retry_seconds=self._environment.save_retry_seconds,
            standalone=alone,
        )
        self._servers: dict[str, Server] = {}

    @property
    def is_alone(self) -> bool:
        """Whether no operator is there."""
        return self._runtime.standalone is not None

    @property
    def ports(self) -> Mapping[str, int]:
        """The ports that are listened on, by name: control, metrics."""
        return {name: server.port for name, server in self._servers.items()}

    def __enter__(self) -> Session:
        """Listen, and hold the first directive. Raises OSError where a port is taken."""
        self._put_first()
        try:
            self._listen()
        except BaseException:
            self._close()
            raise
        Janitor(self._runtime.store, self._runtime.mailbox).start()
        self._runtime.termination.install()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop to listen; a reader that waits for events gets the last ones."""
        self._close()

    def members(self) -> Iterator[Member]:
        """Yield the members to train, until the worker is to stop.

        The generators of Python, NumPy and PyTorch are seeded before each, so that building a
        model is reproducible. The same member comes again where it has to be built again.
        """
        runtime, after = self._runtime, -1
        following: Directive | None = None
        while True:
            with runtime.termination.shielded():
                directive = following or runtime.take(after)
                if directive is None or runtime.termination.arrived:
                    return
                runtime.activities.turn_to(directive.member)
                runtime.activities.switch("restore")
                seed_everything(directive.seed)
            member = Member(runtime, directive)
            yield member
            following, after = member.following, member.directive.id
            if self.is_alone and not member.ended:
                return  # left by the program: nobody is there to say what comes next

    def stop(self) -> None:
        """End the loops at the next wait, as SIGTERM does; may be called from any thread."""
        self._runtime.mailbox.stop()

    def _put_first(self) -> None:
        """Hold the directive to begin with: the environment's, or alone our own."""
        runtime = self._runtime
        first = self._environment.directive
        if runtime.standalone is not None:
            first = runtime.standalone.first(runtime.store)
            if first is None:
                runtime.mailbox.stop()
        if first is not None:
            try:
                runtime.mailbox.put(first)
            except Refused as error:
                raise InvalidEnvironment(f"POPULATION_DIRECTIVE: incarnation: {error}") from error

    def _listen(self) -> None:
        environment, runtime = self._environment, self._runtime
        if environment.control is not None:
            self._servers["control"] = serve_control(
                environment.control, environment.worker, runtime.mailbox
            )
        if environment.metrics_port is not None:
            self._servers["metrics"] = serve_metrics(
                environment.host, environment.metrics_port, runtime.telemetry
            )

    def _close(self) -> None:
        self._runtime.termination.uninstall()
        self._runtime.mailbox.close()
        for server in self._servers.values():
            server.close()
