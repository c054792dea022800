"""Shows where each secret is on its way to another store, and whether it is in effect in the cluster."""
