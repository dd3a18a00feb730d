"""Kubernetes: Pods for workers, objects for the journal, objects for people to look at."""
