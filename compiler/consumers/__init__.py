"""Finds which Secrets pods read, and how."""
