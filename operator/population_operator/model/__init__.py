"""The frozen values that the core computes with. No I/O, no clock: data and arithmetic only."""
