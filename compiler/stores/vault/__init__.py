"""Vault and OpenBao, key-value engine version 2."""
