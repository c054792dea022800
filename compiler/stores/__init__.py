"""Holds the stores of secrets: one interface, and an adapter for each provider, which it opens."""
