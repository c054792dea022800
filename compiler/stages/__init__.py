"""Holds the stages of a compile, one verb and one file each; siblings never import one another."""
