"""A made-up provider: all that a new one needs, in a folder of its own."""
