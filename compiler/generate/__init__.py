"""Files for other tools, from the model."""
