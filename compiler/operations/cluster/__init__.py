"""Reads what of a live cluster concerns an environment's secrets."""
