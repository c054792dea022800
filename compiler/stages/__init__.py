"""The verbs of a compile, one file each; siblings never import one another."""
