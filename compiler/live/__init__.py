"""Reads an environment's stores: opens each once and asks for many secrets at a time."""
