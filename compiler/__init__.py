"""Compiles environments into checked Helm values, and copies, sets, backs up and verifies their secrets."""

__version__ = "0.1.0"
