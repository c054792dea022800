"""Makes the values by which CAIPE's chart mounts Secrets that exist, in the form of its version."""
