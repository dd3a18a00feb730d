"""`python -m e2e up|down|images`: the cluster of real nodes by hand."""

from __future__ import annotations

import argparse
import signal
import sys
import time

from e2e.cluster import Cluster, images, recipes, sweep
from e2e.cluster.cluster import FOLDER, GPUS
from e2e.cluster.network import NodeNetwork
from e2e.cluster.packages import CannotRun

UP = """
  export KUBECONFIG={kubeconfig}
  export PATH={path}:$PATH
  kubectl get nodes

Ctrl-C stops everything; so does `make e2e-down` from elsewhere. Logs: {folder}"""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m e2e", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("up", help="run the cluster until Ctrl-C")
    commands.add_parser("down", help="remove what a cluster left, however it ended")
    commands.add_parser("images", help="build the images: their archives and sizes")
    commanded = {"up": _up, "down": _down, "images": _images}
    arguments = parser.parse_args()
    try:
        return commanded[arguments.command]()
    except (CannotRun, images.ImageFailed) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def _up() -> int:
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with Cluster(images.build_all(recipes.needed(), _say), _say) as cluster:
        print(
            UP.format(
                kubeconfig=cluster.kubeconfig,
                path=cluster.binaries.kubectl.parent,
                folder=cluster.folder,
            ),
            flush=True,
        )
        try:
            while True:
                time.sleep(3600)
        except KeyboardInterrupt:
            print("\nstopping")
    return 0


def _down() -> int:
    nodes = [NodeNetwork(index) for index in range(len(GPUS))]
    sweep.sweep(FOLDER, nodes)
    left = sweep.left(FOLDER, nodes)
    for one in left:
        print(f"still there: {one}", file=sys.stderr)
    return 1 if left else 0


def _images() -> int:
    wanted = recipes.needed()
    for image, archive in zip(wanted, images.build_all(wanted, _say), strict=True):
        # An archive's layers are not compressed.
        print(f"{recipes.local(image)} {archive.stat().st_size / 1e6:.0f} MB {archive}")
    return 0


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
