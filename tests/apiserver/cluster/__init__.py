"""A Kubernetes cluster for tests: the real control plane, and nodes that run Pods as processes.

Real: etcd, kube-apiserver (RBAC on), kube-controller-manager and kube-scheduler, so admission, CEL,
garbage collection, quota, eviction, taints, claims and the accounting of GPUs are Kubernetes' own.
Ours: the node agent (`kubelet/`), which runs a Pod's commands as local processes.

`Cluster` is the whole; `python -m tests.apiserver.cluster --help` runs one by hand.
"""

from tests.apiserver.cluster.client import ApiError, Client
from tests.apiserver.cluster.cluster import Cluster
from tests.apiserver.cluster.images import Image
from tests.apiserver.cluster.node import Node

__all__ = ["ApiError", "Client", "Cluster", "Image", "Node"]
