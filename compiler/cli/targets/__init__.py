"""The targets of `generate`, a file each."""
