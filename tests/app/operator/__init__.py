"""Tests of the operator's process, without a cluster."""
