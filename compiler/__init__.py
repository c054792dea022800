"""Compiles environments into checked Helm values, and copies, sets, backs up and verifies their secrets."""

__version__ = "1.0.0"
