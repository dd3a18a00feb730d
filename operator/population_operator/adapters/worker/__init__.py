"""The operator's side of the worker's contract (docs/worker-contract.md), for every runtime."""
