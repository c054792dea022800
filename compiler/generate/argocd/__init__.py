"""Writes what Argo CD deploys an environment by, and what it judges ExternalSecrets by."""
