"""A fault hook inside the workers' containers: a `sitecustomize` module by way of a ConfigMap.

The SDK has none of its own, and none is needed: Python imports this before the training program.
It obeys files in the root of the shared volume.

    slow         every fsync takes SLOW_SECONDS longer, as on a file server that is overloaded
    eat-WORKER   that worker takes memory until the kernel kills it, then the file is gone
"""

from __future__ import annotations

from typing import Any

NAME = "faults"
FOLDER = "/opt/faults"
SLOW = "slow"
SLOW_SECONDS = 1.0
MODULE = f'''
import os, pathlib, threading, time

root = pathlib.Path(os.environ.get("POPULATION_CHECKPOINTS", "/nowhere")).parent
worker = os.environ.get("POPULATION_WORKER", "")
sync = os.fsync

def slow(descriptor):
    if (root / "{SLOW}").exists():
        time.sleep({SLOW_SECONDS})
    return sync(descriptor)

def eat():
    order, eaten = root / f"eat-{{worker}}", []
    while not order.exists():
        time.sleep(0.2)
    order.unlink()
    while True:
        eaten.append(bytearray(os.urandom(1 << 22)))

os.fsync = slow
if worker:
    threading.Thread(target=eat, daemon=True).start()
'''


def eat(worker: str) -> str:
    """The file that orders it."""
    return f"eat-{worker}"


def config_map() -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": NAME},
        "data": {"sitecustomize.py": MODULE},
    }


def add_to(manifest: dict[str, Any], memory: str = "256Mi") -> None:
    """Lets the workers of an experiment import it, and bounds their memory."""
    pod = manifest["spec"]["worker"]["template"]["spec"]
    container = pod["containers"][0]
    container.setdefault("volumeMounts", []).append(
        {"name": NAME, "mountPath": FOLDER, "readOnly": True}
    )
    container.setdefault("env", []).append(
        {"name": "PYTHONPATH", "value": f"{FOLDER}:/opt/population"}
    )
    container["resources"] = {"limits": {"memory": memory}}
    pod.setdefault("volumes", []).append({"name": NAME, "configMap": {"name": NAME}})
