"""Switches secrets of an environment to another store: a gate first, then an edit of the environment's file."""
