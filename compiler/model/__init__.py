"""Defines the project's nouns: frozen data without I/O."""
