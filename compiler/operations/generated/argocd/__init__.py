"""Generates the files of Argo CD from a compiled project: what is asked, judged and told."""
