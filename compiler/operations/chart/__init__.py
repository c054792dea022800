"""Renders the chart and compares what it makes."""
