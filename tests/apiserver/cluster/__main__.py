"""`python -m tests.apiserver.cluster build|up`: the test cluster by hand."""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import time
from pathlib import Path

from tests.apiserver.cluster import binaries
from tests.apiserver.cluster.cluster import Cluster
from tests.apiserver.cluster.images import Image
from tests.apiserver.cluster.process import ServerFailed

UP = """\
Kubernetes {version} is up, with {nodes} nodes of {gpus} GPUs each. Logs: {folder}

  export KUBECONFIG={kubeconfig}
  export PATH={path}:$PATH
  kubectl get nodes

Pods run as processes of this machine. The image "python" is this Python, "host" is no image at all:
any program of this machine by its path. Ctrl-C stops everything."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.apiserver.cluster", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("build", help="find or build the programs, and say where they are")
    up = commands.add_parser("up", help="run a cluster until Ctrl-C")
    up.add_argument("--nodes", type=int, default=2)
    up.add_argument("--gpus", type=int, default=4, help="on each node (default: 4)")
    up.add_argument("--folder", type=Path, help="for logs and data, kept (default: temporary)")
    up.add_argument("--crds", type=Path, nargs="*", default=[], help="manifests to apply first")
    arguments = parser.parse_args()
    try:
        found = binaries.find_or_build(_say)
        if arguments.command == "build":
            for path in vars(found).values():
                print(path)
            return 0
        return _up(found, arguments)
    except (binaries.BinariesMissing, ServerFailed) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def _up(found: binaries.Binaries, arguments: argparse.Namespace) -> int:
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix="population-cluster-") as scratch:
        folder = (arguments.folder or Path(scratch)).absolute()
        with Cluster(found, folder, nodes=arguments.nodes, gpus=arguments.gpus) as cluster:
            cluster.images["python"] = Image((sys.executable,))
            cluster.images["host"] = Image()
            for path in arguments.crds:
                print(cluster.kubectl("apply", "--server-side", "-f", str(path)))
            print(
                UP.format(
                    version=binaries.VERSION,
                    nodes=arguments.nodes,
                    gpus=arguments.gpus,
                    folder=folder,
                    kubeconfig=cluster.kubeconfig,
                    path=found.kubectl.parent,
                ),
                flush=True,
            )
            try:
                while True:
                    time.sleep(3600)
            except KeyboardInterrupt:
                print("\nstopping")
    return 0


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
