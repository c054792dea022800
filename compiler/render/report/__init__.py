"""Draws the report of secrets by environment as a page that opens from a file."""
