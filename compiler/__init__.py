"""Compiles environments into proven Helm values, and moves secrets between stores."""

__version__ = "0.1.0"
