"""Keeps the records of writing runs: journal, lock, audit file and history."""
