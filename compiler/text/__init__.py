"""Handles text: what looks like a credential, what a terminal may be sent, how names are listed."""
