"""Keeps what a writing run leaves behind: its journal, its lock, its audit and its history."""
