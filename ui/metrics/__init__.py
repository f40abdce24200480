"""Metrics: what maps are worth, on one photo and on a folder."""
