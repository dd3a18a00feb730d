"""The layout of a run's folder."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from population_operator.adapters.local import leftovers
from population_operator.adapters.local.journal import JournalInUseError
from population_operator.adapters.worker.credentials import MASTER_BYTES, Credentials, derive
from population_operator.adapters.worker.environment import CHECKPOINTS


@dataclass(frozen=True)
class RunFolder:
    """Everything that one run of the embedded runtime leaves behind."""

    root: Path

    def absolute(self) -> RunFolder:
        """The same folder under a name that means it everywhere, without links in it."""
        return RunFolder(self.root.resolve())

    def claim(self, uid: str) -> None:
        """End what an earlier run of this folder left; only with its journal locked.

        Raises:
          JournalInUseError: something of it does not end.
        """
        checkpoints = self.absolute().checkpoints(uid)
        if left := leftovers.end({CHECKPOINTS: str(checkpoints)}):
            raise JournalInUseError(
                f"{self.root}: process {left[0]} of an earlier run of this folder does not end: "
                "end it, or use another folder"
            )

    @property
    def journal(self) -> Path:
        return self.root / "journal.jsonl"

    @property
    def result(self) -> Path:
        return self.root / "result.json"

    @property
    def report(self) -> Path:
        return self.root / "report.html"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    def log(self, worker: str, incarnation: int) -> Path:
        """What one incarnation printed."""
        return self.logs / f"{worker}-{incarnation}.log"

    def checkpoints(self, uid: str) -> Path:
        """The checkpoints of the experiment with this uid."""
        return self.root / "checkpoints" / uid

    @property
    def credentials(self) -> Path:
        return self.root / ".credentials"

    def prepare(self, uid: str) -> Credentials:
        """Make the folders and the credentials' files. Doing it again changes nothing."""
        for folder in (self.logs, self.checkpoints(uid)):
            folder.mkdir(parents=True, exist_ok=True)
        self.credentials.mkdir(mode=0o700, exist_ok=True)
        master = self.credentials / "master"
        if not master.exists() or master.stat().st_size < MASTER_BYTES:
            _write(master, secrets.token_bytes(MASTER_BYTES))
        credentials = derive(master.read_bytes(), uid)
        _write(self.credentials / "token", credentials.token.encode())
        _write(self.credentials / "tls.crt", credentials.certificate_pem)
        _write(self.credentials / "tls.key", credentials.key_pem)
        return credentials


def _write(path: Path, data: bytes) -> None:
    temporary = path.with_name(f".{path.name}.new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
    temporary.replace(path)
