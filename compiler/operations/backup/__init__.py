"""Backs an environment's secrets up into one encrypted file, and restores them."""
