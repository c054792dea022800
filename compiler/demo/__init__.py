"""Runs local stores for tests, the tutorial and the demo."""
