"""Writes files for other programs from a compiled project: no store, no cluster and no file of the disk is read."""
