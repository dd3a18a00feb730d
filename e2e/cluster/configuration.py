"""The files that containerd, its CNI, the kubelet and kube-proxy read on a node."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import yaml

from e2e.cluster import cgroups, recipes
from e2e.cluster.network import PODS, NodeNetwork

CNI_PROGRAMS = "/usr/lib/cni"


@dataclass(frozen=True)
class Files:
    containerd: Path
    kubelet: Path
    proxy: Path


def socket(folder: Path) -> Path:
    return folder / "containerd.sock"


def write(network: NodeNetwork, folder: Path, kubeconfig: Path, ca_file: Path) -> Files:
    (folder / "cni").mkdir(parents=True, exist_ok=True)
    (folder / "cni" / "10-bridge.conflist").write_text(json.dumps(_cni(network, folder), indent=1))
    files = Files(folder / "containerd.toml", folder / "kubelet.yaml", folder / "kube-proxy.yaml")
    files.containerd.write_text(_containerd(folder))
    files.kubelet.write_text(yaml.safe_dump(_kubelet(network, folder, ca_file)))
    files.proxy.write_text(yaml.safe_dump(_proxy(network, kubeconfig)))
    return files


def _containerd(folder: Path) -> str:
    # restrict_oom_score_adj: a container's score may not go below containerd's own where root
    # lacks CAP_SYS_RESOURCE, and without it no sandbox starts.
    # netns_mounts_under_state_dir: Pods that are there at the end leave nothing in /run/netns.
    return f"""version = 2
root = "{folder / "containerd"}"
state = "{folder / "containerd-state"}"
[grpc]
  address = "{socket(folder)}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{recipes.local(recipes.PAUSE)}"
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{CNI_PROGRAMS}"
    conf_dir = "{folder / "cni"}"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
"""


def _cni(network: NodeNetwork, folder: Path) -> dict[str, object]:
    bridge = {
        "type": "bridge",
        "bridge": "cni0",
        "isGateway": True,
        "ipMasq": False,
        "hairpinMode": True,
        "ipam": {
            "type": "host-local",
            "dataDir": str(folder / "cni-addresses"),
            "ranges": [[{"subnet": network.pods}]],
            "routes": [{"dst": "0.0.0.0/0"}],
        },
    }
    return {"cniVersion": "0.4.0", "name": "pods", "plugins": [bridge]}


def _kubelet(network: NodeNetwork, folder: Path, ca_file: Path) -> dict[str, object]:
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": network.address,
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": False},
            "x509": {"clientCAFile": str(ca_file)},
        },
        "authorization": {"mode": "AlwaysAllow"},
        "cgroupDriver": "cgroupfs",
        # Nothing here has a name: whoever asks is refused at once, and not left to wait.
        "clusterDNS": [network.address],
        "clusterDomain": "cluster.local",
        "cgroupRoot": f"/{cgroups.name(network.index)}",
        "containerRuntimeEndpoint": f"unix://{socket(folder)}",
        "enforceNodeAllocatable": [],
        "evictionHard": {},
        "failCgroupV1": False,
        "failSwapOn": False,
        "imageGCHighThresholdPercent": 100,
        "localStorageCapacityIsolation": False,
        "makeIPTablesUtilChains": False,
        "nodeStatusUpdateFrequency": "2s",
        "podLogsDir": str(folder / "logs"),
        "resolvConf": "",
        "staticPodPath": "",
        "syncFrequency": "5s",
    }


def _proxy(network: NodeNetwork, kubeconfig: Path) -> dict[str, object]:
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "nftables",
        "hostnameOverride": f"node-{network.index}",
        "clientConnection": {"kubeconfig": str(kubeconfig)},
        "clusterCIDR": PODS,
        "healthzBindAddress": "127.0.0.1:10256",
        "metricsBindAddress": "127.0.0.1:10249",
        "conntrack": {"maxPerCore": 0, "min": 0},
    }
