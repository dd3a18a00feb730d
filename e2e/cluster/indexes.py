"""Where this machine gets its packages from, handed on to what builds inside images.

A machine may have an index, a proxy or a certificate authority of its own; a build gets the same,
and none of it stays in an image.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PIP_FILES = (Path("/etc/pip.conf"), Path.home() / ".config/pip/pip.conf")
AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")


def apt_sources() -> list[str]:
    """The machine's own lines for apt, for mmdebstrap."""
    found = [Path("/etc/apt/sources.list"), *sorted(Path("/etc/apt/sources.list.d").glob("*"))]
    return [str(one) for one in found if one.suffix in (".list", ".sources") and one.is_file()]


@contextmanager
def for_builds() -> Iterator[list[str]]:
    """Options of `buildah bud`."""
    with tempfile.TemporaryDirectory() as scratch:
        merged = Path(scratch) / "pip.conf"
        merged.write_text("".join(f"{one.read_text()}\n" for one in PIP_FILES if one.is_file()))
        merged.chmod(0o644)
        options = ["--secret", f"id=pip,src={merged}"]
        if AUTHORITIES.is_file():
            options += ["--volume", f"{AUTHORITIES}:{AUTHORITIES}:ro"]
        for name, value in os.environ.items():
            if name == "PIP_FIND_LINKS" and Path(value).is_dir():
                options += ["--volume", f"{value}:{value}:ro"]
        yield options
