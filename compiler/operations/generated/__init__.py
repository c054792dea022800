"""Writes the files that are generated for other programs, or says which of them are stale."""
