"""Holds one module for each output format."""
