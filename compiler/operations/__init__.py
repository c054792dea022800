"""What is done to live stores and to environments."""
