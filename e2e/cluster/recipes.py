"""What images there are, and what each is made of."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from e2e.cluster import settings

CHECKOUT = Path(__file__).resolve().parents[2]
SUITE = "bookworm"
SITE = "/opt/site-packages"
"""Where Pods mount a folder of Python packages: see `FULL`."""


@dataclass(frozen=True)
class Base:
    """A Debian with a few packages, made here.

    Attributes:
      name: short.
      packages: names of Debian's.
      variant: mmdebstrap's. `minbase` can install more; `extract` has these files and nothing else,
        not even a shell.
      hooks: shell commands that complete it; its root is `$1`.
      more: lines of its Dockerfile.
    """

    name: str
    packages: tuple[str, ...]
    variant: str
    hooks: tuple[str, ...] = ()
    more: str = ""


@dataclass(frozen=True)
class Recipe:
    """An image of one of the project's Dockerfiles.

    Attributes:
      name: short.
      dockerfile: in the checkout.
      sources: files and folders that decide what is in it.
      bases: for each ARG of the Dockerfile that names an image, which.
      arguments: its other ARGs.
    """

    name: str
    dockerfile: str
    sources: tuple[str, ...]
    bases: Mapping[str, Base | Recipe]
    arguments: Mapping[str, str] = field(default_factory=dict)


Image = Base | Recipe

FULL = Base(
    "population-full",
    ("python3", "python3-venv", "python3-pip", "ca-certificates"),
    "minbase",
    # PyTorch from the machine: one copy of its five gigabytes is enough for all images here.
    (f'echo {SITE} > "$1/usr/lib/python3/dist-packages/site.pth"',),
    "ENV LANG=C.UTF-8\n",
)
"""For workers, and to build the operator in."""
SLIM = Base(
    "population-slim",
    ("python3.11-minimal", "libpython3.11-stdlib", "libssl3", "libstdc++6"),
    "extract",
    (
        'ln -sf python3.11 "$1/usr/bin/python3"',
        "echo 'root:x:0:0::/root:/sbin/nologin' > \"$1/etc/passwd\"",
    ),
    "ENV LANG=C.UTF-8 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n",
)
"""Python 3.11 of the same Debian as `FULL`, its libraries, and nothing else."""
PAUSE = Base(
    "population-pause",
    ("busybox-static",),
    "extract",
    more='USER 65535:65535\nENTRYPOINT ["/bin/busybox", "sleep", "infinity"]\n',
)
"""What holds a Pod's network: anything that sleeps."""

OPERATOR = Recipe(
    "population-operator",
    "operator/Dockerfile",
    (
        "operator/population_operator",
        "operator/check.py",
        "worker-image/population_worker",
        "pyproject.toml",
        "constraints.txt",
        "README.md",
        "LICENSE",
        ".dockerignore",
    ),
    {"BUILD_BASE": FULL, "BASE": SLIM},
)
WORKER = Recipe(
    "population-worker",
    "worker-image/Dockerfile",
    ("worker-image/population_worker", "constraints.txt", ".dockerignore"),
    {"BASE": FULL},
)
EXAMPLES = ("triangle", "digits")


def example(name: str) -> Recipe:
    """The image of `examples/NAME`."""
    return Recipe(
        f"population-example-{name}",
        "examples/Dockerfile",
        (f"examples/{name}",),
        {"BASE": WORKER},
        {"EXAMPLE": name},
    )


def needed() -> list[Image]:
    """What Pods of the suite run."""
    return [PAUSE, OPERATOR, *(example(name) for name in EXAMPLES)]


def local(image: Image, tag: str = "e2e") -> str:
    """Its name where no registry is."""
    return f"localhost/{image.name}:{tag}"


def reference(image: Image) -> str:
    """Its name in the cluster."""
    registry = settings.registry()
    return f"{registry}/{image.name}:{digest(image)}" if registry else local(image)


def bases(image: Image) -> Mapping[str, Image]:
    """What it stands on that is built here."""
    if isinstance(image, Base):
        return {}
    return {
        argument: below
        for argument, below in image.bases.items()
        if isinstance(below, Recipe) or not settings.are_published()
    }


def digest(image: Image) -> str:
    """Of all that decides what is in it."""
    if isinstance(image, Base):
        return hashlib.sha256(f"{SUITE} {image}".encode()).hexdigest()[:16]
    found = hashlib.sha256(repr(sorted(image.arguments.items())).encode())
    for argument, below in sorted(bases(image).items()):
        found.update(f"{argument}={digest(below)}".encode())
    for path in contents(image):
        found.update(str(path.relative_to(CHECKOUT)).encode() + b"\0" + path.read_bytes())
    return found.hexdigest()[:16]


def contents(recipe: Recipe) -> Iterator[Path]:
    """The files that it is made of, in a fixed order: no caches, no compiled files."""
    found: set[Path] = set()
    for path in (CHECKOUT / one for one in (recipe.dockerfile, *recipe.sources)):
        inside = path.rglob("*") if path.is_dir() else [path]
        found |= {one for one in inside if one.is_file() and "__pycache__" not in one.parts}
    yield from sorted(found)
