"""The operator: what runs in the cluster. kopf wakes keys; everything else is the shared loop."""
