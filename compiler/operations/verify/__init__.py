"""Checks that External Secrets Operator will find in the stores what it needs."""
