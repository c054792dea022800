"""Creates and edits the files that people write."""
