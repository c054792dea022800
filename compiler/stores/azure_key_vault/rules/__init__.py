"""Holds the rules that are about Azure Key Vault alone; `compiler.rules` collects them."""
