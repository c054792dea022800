"""Proves that pods see the same Secrets whatever store serves them."""
