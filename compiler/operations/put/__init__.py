"""Sets keys of one secret."""
