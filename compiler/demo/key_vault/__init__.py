"""A Key Vault with the service's rules and limits, on this machine."""
