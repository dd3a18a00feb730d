"""The base of everything that is written to a journal."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Record(BaseModel):
    """A frozen value with a JSON form.

    Unknown fields are refused: a journal of a newer version is not read as if nothing were missing.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
