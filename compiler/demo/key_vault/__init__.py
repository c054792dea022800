"""Imitates a Key Vault on this machine, with the service's rules and limits."""
