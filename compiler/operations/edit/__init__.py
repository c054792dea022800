"""Starts and edits the files that people write."""
