"""Parses the command line, runs the command and returns its exit code; nothing imports this package."""
