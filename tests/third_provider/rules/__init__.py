"""Holds the rules that are about shelves alone."""
