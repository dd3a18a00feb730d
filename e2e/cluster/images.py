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
SUITE = "bookworm"

Tell = Callable[[str], None]


class ImageFailed(Exception):
    """A build's last words."""


@dataclass(frozen=True)
class Recipe:
    """An image of one of the project's Dockerfiles.

    Attributes:
      name: its reference in the cluster.
      dockerfile: in the checkout.
      sources: files and folders that decide what is in it.
      base: what the Dockerfile's BASE is.
      arguments: of the Dockerfile, besides BASE.
    """

    name: str
    dockerfile: str
    sources: tuple[str, ...]
    base: Base | Recipe
    arguments: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Base:
    """A minimal Debian with packages; `site` names a folder of Python packages that Pods mount.

    Other images take PyTorch from their base; here the base takes it from the machine, because one
    copy of its five gigabytes is enough.
    """

    name: str
    packages: str
    site: str = ""


PLAIN = Base("localhost/population-base:e2e", "python3,python3-venv,ca-certificates")
SITE = "/opt/site-packages"
WITH_TORCH = Base(
    "localhost/population-torch:e2e", "python3,python3-pip,ca-certificates", site=SITE
)
OPERATOR = Recipe(
    "localhost/population-operator:e2e",
    "operator/Dockerfile",
    (
        "operator/population_operator",
        "worker-image/population_worker",
        "pyproject.toml",
        "constraints.txt",
        "README.md",
        "LICENSE",
        ".dockerignore",
    ),
    PLAIN,
)
WORKER = Recipe(
    "localhost/population-worker:e2e",
    "worker-image/Dockerfile",
    ("worker-image/population_worker", "constraints.txt", ".dockerignore"),
    WITH_TORCH,
)


def example(name: str) -> Recipe:
    """The image of `examples/NAME`."""
    return Recipe(
        f"localhost/population-example-{name}:e2e",
        "examples/Dockerfile",
        (f"examples/{name}",),
        WORKER,
        {"EXAMPLE": name},
    )


def cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "population-operator" / "images"


def pause(tell: Tell) -> Path:
    """What holds a Pod's network: anything that sleeps."""
    text = f'FROM {PLAIN.name}\nUSER 65535:65535\nCMD ["sleep", "infinity"]\n'
    base = build(PLAIN, tell)

    def make(target: Path) -> None:
        _load(base, PLAIN.name)
        _inline(text, PAUSE, target)

    return _made("pause", text.encode() + base.name.encode(), make, tell)


def build(image: Base | Recipe, tell: Tell) -> Path:
    """The archive of an image, built where it is not cached; what it stands on is built before."""
    short = image.name.split("/")[-1].split(":")[0]
    if isinstance(image, Base):
        content = (SUITE + repr(image)).encode()
        return _made(short, content, lambda target: _bootstrap(image, target, tell), tell)
    below = build(image.base, tell)
    digest = hashlib.sha256((below.name + repr(sorted(image.arguments.items()))).encode())
    for path in files((CHECKOUT / image.dockerfile, *(CHECKOUT / one for one in image.sources))):
        digest.update(str(path.relative_to(CHECKOUT)).encode() + b"\0" + path.read_bytes())

    def make(target: Path) -> None:
        _load(below, image.base.name)
        _bud(image, target)

    return _made(short, digest.digest(), make, tell)


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


def _bootstrap(base: Base, target: Path, tell: Tell) -> None:
    tell(f"  a Debian {SUITE} with {base.packages}: about a minute")
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        root = Path(scratch) / "root.tar"
        options = ["--variant=minbase", f"--include={base.packages}", "--quiet"]
        _run(["mmdebstrap", *options, SUITE, root, *indexes.apt_sources()])
        text = f"FROM scratch\nADD {root.name} /\nENV LANG=C.UTF-8\n"
        if base.site:
            (Path(scratch) / "site.pth").write_text(f"{base.site}\n")
            text += "ADD site.pth /usr/lib/python3/dist-packages/\n"
        _inline(text, base.name, target, Path(scratch))


def _inline(text: str, name: str, target: Path, context: Path | None = None) -> None:
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        dockerfile = Path(scratch) / "Dockerfile"
        dockerfile.write_text(text)
        _buildah("bud", "-t", name, "-f", dockerfile, context or scratch)
    _buildah("push", name, f"docker-archive:{target}:{name}")


def _bud(recipe: Recipe, target: Path) -> None:
    options: list[str | Path] = ["--build-arg", f"BASE={recipe.base.name}"]
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
