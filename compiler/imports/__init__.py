"""Brings in secrets that other files describe: a file for each form, the plan of what is written, and its proof."""
