"""A whole Kubernetes on one machine: two nodes, each a network namespace with a real kubelet."""

from e2e.cluster.access import Access
from e2e.cluster.cluster import Cluster

__all__ = ["Access", "Cluster"]
