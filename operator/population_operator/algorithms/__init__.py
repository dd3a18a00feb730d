"""Decisions as pure functions of the fold: one paper, one file; `registry.py` names them.

Nothing here does I/O, knows a clock or keeps anything between two calls.
"""
