"""Measures of attribution maps. None knows which method made a map."""

from samp_core.metrics.concentration import variance

__all__ = ["variance"]
