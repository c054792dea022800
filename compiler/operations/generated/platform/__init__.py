"""Generates the values of CAIPE's chart for an environment."""
