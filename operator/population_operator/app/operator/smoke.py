"""`population-operator smoke`: does an experiment that is applied here come to its end?"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from population_operator.adapters.kubernetes.client import ApiError, Client, Object
from population_operator.adapters.kubernetes.names import path
from population_operator.app.operator.lifecycle import PLURAL

POLL = 1.0


class SmokeError(Exception):
    """It did not work; the message says what was seen last."""


@dataclass
class Smoke:
    """Submits one experiment and waits for its end."""

    client: Client
    namespace: str
    seconds: float

    async def run(self, body: Object) -> Object:
        """The status at its end. The experiment is deleted whatever comes out.

        Raises:
          SmokeError: it failed, or did not end in time.
        """
        where = path(PLURAL, self.namespace, body["metadata"]["name"])
        deadline = time.monotonic() + self.seconds
        await self._gone(where, deadline)
        await self.client.create(path(PLURAL, self.namespace), body)
        try:
            return await self._ended(where, deadline)
        finally:
            await self.client.delete(where)

    async def _gone(self, where: str, deadline: float) -> None:
        """Until nothing is left of a run before this one."""
        while True:
            try:
                await self.client.get(where)
            except ApiError as error:
                if error.status == 404:
                    return
                raise
            await self.client.delete(where)
            await self._pause(deadline, "an earlier run is still being deleted")

    async def _ended(self, where: str, deadline: float) -> Object:
        while True:
            status: Object = (await self.client.get(where)).get("status", {})
            phase = status.get("phase", "no phase yet: is the operator running?")
            if phase == "Complete":
                return status
            if phase == "Failed":
                raise SmokeError(f"the experiment failed: {conditions(status)}")
            await self._pause(deadline, f"{phase}; {conditions(status)}")

    async def _pause(self, deadline: float, seen: str) -> None:
        if time.monotonic() > deadline:
            raise SmokeError(f"not at its end after {self.seconds:.0f} s: {seen}")
        await asyncio.sleep(POLL)


def conditions(status: Object) -> str:
    """The conditions in one line."""
    return "; ".join(
        f"{one['type']}={one['status']} {one.get('reason', '')}: {one.get('message', '')}"
        for one in status.get("conditions", ())
    )
