"""Images from the project's own Dockerfiles over a Debian base made here, without any registry.

Each image is an archive in a cache outside the checkout, named by the content it was made of.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from e2e.cluster import indexes
from e2e.cluster.configuration import PAUSE

CHECKOUT = Path(__file__).resolve().parents[2]
BASE = "localhost/population-base:e2e"
PACKAGES = "python3,python3-venv,ca-certificates"
SUITE = "bookworm"

Tell = Callable[[str], None]


class ImageFailed(Exception):
    """A build's last words."""


@dataclass(frozen=True)
class Recipe:
    """An image.

    Attributes:
      name: its reference in the cluster.
      dockerfile: in the checkout.
      sources: files and folders that decide what is in it.
      arguments: of the Dockerfile.
      after: an image that must be built before, as its base.
    """

    name: str
    dockerfile: Path
    sources: tuple[Path, ...]
    arguments: Mapping[str, str] = field(default_factory=dict)


def cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "population-operator" / "images"


def base(tell: Tell) -> Path:
    """The archive of a minimal Debian with Python."""
    return _made(
        "base",
        (SUITE + PACKAGES).encode(),
        lambda target: _bootstrap(target, tell),
        tell,
    )


def pause(tell: Tell) -> Path:
    """What holds a Pod's network: anything that sleeps."""
    text = f'FROM {BASE}\nUSER 65535:65535\nCMD ["sleep", "infinity"]\n'
    _load(base(tell), BASE)
    return _made("pause", text.encode(), lambda target: _inline(text, PAUSE, target), tell)


def build(recipe: Recipe, tell: Tell) -> Path:
    """The archive of a recipe, built where it is not cached."""
    digest = hashlib.sha256(repr(sorted(recipe.arguments.items())).encode())
    for path in files((CHECKOUT / recipe.dockerfile, *(CHECKOUT / one for one in recipe.sources))):
        digest.update(str(path.relative_to(CHECKOUT)).encode() + b"\0" + path.read_bytes())
    short = recipe.name.split("/")[-1].split(":")[0]
    return _made(short, digest.digest(), lambda target: _bud(recipe, target), tell)


def files(paths: Iterable[Path]) -> list[Path]:
    """What git would carry: no caches, no compiled files."""
    found: set[Path] = set()
    for path in paths:
        inside = path.rglob("*") if path.is_dir() else [path]
        found |= {one for one in inside if one.is_file() and "__pycache__" not in one.parts}
    return sorted(found)


def _made(name: str, content: bytes, make: Callable[[Path], None], tell: Tell) -> Path:
    digest = hashlib.sha256(content).hexdigest()[:16]
    archive = cache() / f"{name}-{digest}.tar"
    if archive.exists():
        return archive
    tell(f"Building the image {name}")
    archive.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=archive.parent) as scratch:
        fresh = Path(scratch) / "image.tar"
        make(fresh)
        for old in archive.parent.glob(f"{name}-????????????????.tar"):
            old.unlink()
        fresh.rename(archive)
    return archive


def _bootstrap(target: Path, tell: Tell) -> None:
    tell(f"  a Debian {SUITE} with {PACKAGES}: about a minute")
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        root = Path(scratch) / "root.tar"
        options = ["--variant=minbase", f"--include={PACKAGES}", "--quiet"]
        _run(["mmdebstrap", *options, SUITE, root, *indexes.apt_sources()])
        text = f"FROM scratch\nADD {root.name} /\nENV LANG=C.UTF-8\n"
        _inline(text, BASE, target, Path(scratch))


def _inline(text: str, name: str, target: Path, context: Path | None = None) -> None:
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        dockerfile = Path(scratch) / "Dockerfile"
        dockerfile.write_text(text)
        _buildah("bud", "-t", name, "-f", dockerfile, context or scratch)
    _buildah("push", name, f"docker-archive:{target}:{name}")


def _bud(recipe: Recipe, target: Path) -> None:
    options: list[str | Path] = []
    for name, value in recipe.arguments.items():
        options += ["--build-arg", f"{name}={value}"]
    with indexes.for_builds() as inside:
        _buildah(
            "bud",
            *options,
            *inside,
            "-t",
            recipe.name,
            "-f",
            CHECKOUT / recipe.dockerfile,
            CHECKOUT,
        )
    _buildah("push", recipe.name, f"docker-archive:{target}:{recipe.name}")


def _load(archive: Path, name: str) -> None:
    """Into buildah's storage, where a cached archive is all there is."""
    known = _buildah("images", "-q", name, check=False)
    if not known.strip():
        _buildah("pull", f"docker-archive:{archive}")


def _buildah(*arguments: str | Path, check: bool = True) -> str:
    # chroot and vfs: neither needs a namespace or a file system that a container may lack.
    environment = os.environ | {"BUILDAH_ISOLATION": "chroot", "STORAGE_DRIVER": "vfs"}
    return _run(["buildah", *arguments], environment, check)


def _run(
    command: Sequence[str | Path], environment: Mapping[str, str] | None = None, check: bool = True
) -> str:
    done = subprocess.run(
        [str(part) for part in command],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    if done.returncode and check:
        words = " ".join(str(part) for part in command[:3])
        raise ImageFailed(f"{words} failed:\n{(done.stdout + done.stderr).strip()[-3000:]}")
    return done.stdout
