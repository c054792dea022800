"""argv in, exit code out; nothing imports this package."""
