"""Says where each value of an environment comes from."""
