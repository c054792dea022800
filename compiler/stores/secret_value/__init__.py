"""A secret's value and the documents that hold values: never shown, changed byte by byte."""
