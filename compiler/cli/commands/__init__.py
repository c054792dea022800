"""Holds one module for each sub-command."""
