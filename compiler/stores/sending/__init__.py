"""How requests are paced, repeated and bounded, whatever the store."""
