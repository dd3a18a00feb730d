"""The Kubernetes adapters without a cluster: pure functions."""
