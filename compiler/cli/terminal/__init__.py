"""The process's streams, signals and prompts."""
