"""One folder for each runtime; they share `adapters/worker` (the contract) and nothing else."""
