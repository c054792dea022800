"""What several rules ask about the form of a name, an address or a place."""
