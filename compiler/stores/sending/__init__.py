"""Paces, repeats and bounds requests, whatever the store."""
