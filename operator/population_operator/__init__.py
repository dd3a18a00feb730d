"""Tune training runs while they train."""

__version__ = "0.1.0"
