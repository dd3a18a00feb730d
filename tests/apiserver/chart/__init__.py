"""The chart on a real API server: what it renders is accepted, installed, and does its work."""
