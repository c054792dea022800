"""Deletes from a store what no environment reads there any more, if the store that serves it holds the same."""
