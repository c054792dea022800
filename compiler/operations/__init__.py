"""Holds what the commands do with live stores, environments, clusters and the chart."""
