"""Explains what is wrong with the form of an input file; loaded only where something is."""
