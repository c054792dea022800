"""Holds the rules that are about Vault alone; `compiler.rules` collects them."""
