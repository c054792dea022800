"""Handles the process's streams, signals and prompts."""
