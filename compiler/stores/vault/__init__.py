"""Reads and writes Vault and OpenBao, key-value engine version 2."""
