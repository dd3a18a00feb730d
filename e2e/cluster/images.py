"""Builds the project's own Dockerfiles over bases made here, without any registry.

Each image is an archive in a cache outside the checkout, named by the content it was made of, and
so is its tag in buildah's storage: checkouts side by side do not take each other's.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from e2e.cluster import indexes, packages, recipes
from e2e.cluster.access import Tell
from e2e.cluster.recipes import CHECKOUT, SUITE, Base, Image, digest

KEPT = 3
"""Archives of each image, the last used ones: about as many checkouts as work side by side."""


class ImageFailed(Exception):
    """A build's last words."""


def cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "population-operator" / "images"


def build_all(images: Sequence[Image], tell: Tell) -> list[Path]:
    """The archive of each; side by side, as they wait for a network most of the time.

    Raises:
      CannotRun: a program is missing that we cannot install.
      ImageFailed: a build failed.
    """
    packages.install(packages.FOR_IMAGES, tell)
    with ThreadPoolExecutor() as pool:
        # First what many stand on: more threads than that would only wait for them.
        list(pool.map(lambda base: build(base, tell), _bases(images)))
        return list(pool.map(lambda image: build(image, tell), images))


def build(image: Image, tell: Tell) -> Path:
    """The archive of an image, built where it is not cached; what it stands on is built before."""
    for one in recipes.bases(image).values():
        build(one, tell)
    archive = cache() / f"{image.name}-{digest(image)}.tar"
    with _locked(image.name, archive.parent):
        if not archive.exists():
            tell(f"Building the image {image.name}")
            with tempfile.TemporaryDirectory(dir=archive.parent) as scratch:
                fresh = Path(scratch) / "image.tar"
                _make(image, Path(scratch))
                _buildah("push", _tag(image), f"docker-archive:{fresh}:{recipes.local(image)}")
                fresh.rename(archive)
        archive.touch()
        _trim(image)
    return archive


def push_all(images: Sequence[Image], tell: Tell) -> None:
    """To E2E_REGISTRY; buildah's own settings say how (`buildah login`, registries.conf)."""
    build_all(images, tell)
    for image in images:
        _load(image)
        tell(f"Pushing {recipes.reference(image)}")
        _buildah("push", _tag(image), f"docker://{recipes.reference(image)}")


def _bases(images: Sequence[Image]) -> set[Base]:
    found: set[Base] = set()
    for image in images:
        found |= {image} if isinstance(image, Base) else _bases([*recipes.bases(image).values()])
    return found


def _make(image: Image, scratch: Path) -> None:
    """Into buildah's storage, under `_tag`."""
    if isinstance(image, Base):
        _bootstrap(image, scratch)
        return
    options: list[str | Path] = []
    for argument, below in recipes.bases(image).items():
        _load(below)
        options += ["--build-arg", f"{argument}={_tag(below)}"]
    for argument, value in image.arguments.items():
        options += ["--build-arg", f"{argument}={value}"]
    dockerfile = CHECKOUT / image.dockerfile
    with indexes.for_builds() as inside:
        _buildah("bud", *options, *inside, "-t", _tag(image), "-f", dockerfile, CHECKOUT)


def _bootstrap(base: Base, scratch: Path) -> None:
    options = [f"--variant={base.variant}", f"--include={','.join(base.packages)}", "--quiet"]
    # Without installing there is nothing to customize, and mmdebstrap passes such hooks over.
    when = "extract" if base.variant == "extract" else "customize"
    options += [f"--{when}-hook={hook}" for hook in base.hooks]
    _run(["mmdebstrap", *options, SUITE, scratch / "root.tar", *indexes.apt_sources()])
    (scratch / "Dockerfile").write_text(f"FROM scratch\nADD root.tar /\n{base.more}")
    _buildah("bud", "-t", _tag(base), scratch)


def _tag(image: Image) -> str:
    """In buildah's storage, which all checkouts share."""
    return recipes.local(image, digest(image))


def _load(image: Image) -> None:
    """Into buildah's storage, where a cached archive is all there is."""
    if not _buildah("images", "-q", _tag(image), check=False).strip():
        archive = cache() / f"{image.name}-{digest(image)}.tar"
        found = _buildah("pull", f"docker-archive:{archive}").split()[-1]
        _buildah("tag", found, _tag(image))


def _trim(image: Image) -> None:
    """Deletes the archives that were not used for longest, and their tags."""
    archives = cache().glob(f"{image.name}-????????????????.tar")
    for old in sorted(archives, key=lambda path: path.stat().st_mtime, reverse=True)[KEPT:]:
        old.unlink()
        gone = old.stem.removeprefix(f"{image.name}-")
        _buildah("rmi", recipes.local(image, gone), check=False)


@contextmanager
def _locked(name: str, folder: Path) -> Iterator[None]:
    """One builder of an image at a time, among threads and checkouts."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _buildah(*arguments: str | Path, check: bool = True) -> str:
    # chroot needs no namespace that a container may lack; layers stay, so that a change of the code
    # does not install the dependencies again.
    environment = os.environ | {
        "BUILDAH_ISOLATION": "chroot",
        "BUILDAH_LAYERS": "true",
        "STORAGE_DRIVER": os.environ.get("STORAGE_DRIVER", "overlay"),
    }
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
