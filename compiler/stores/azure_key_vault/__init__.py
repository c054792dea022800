"""Reads and writes Azure Key Vault."""
