"""Reads the objects of a live cluster that belong to an environment's secrets."""
