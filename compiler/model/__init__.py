"""The nouns of the project: frozen data without I/O."""
