"""Holds secrets' values and documents with values: never shown, changed byte by byte."""
