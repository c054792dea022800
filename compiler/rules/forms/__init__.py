"""Judges the form of a name, an address or a place, for several rules."""
