"""What people and clusters start: the command line and the embedded runtime."""
