"""Asks the stores what External Secrets Operator will ask them."""
