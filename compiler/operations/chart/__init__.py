"""Renders the chart, and compares values files and manifests."""
