"""Writes files for other programs from a compiled project; reads no store, cluster or disk."""
