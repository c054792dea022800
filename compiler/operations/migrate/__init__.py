"""Copies an environment's secrets into another store."""
