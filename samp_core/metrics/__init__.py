"""Measures of attribution maps. None knows which method made a map."""

from samp_core.metrics.concentration import variance
from samp_core.metrics.curves import Curve, deletion, insertion, state_at

__all__ = ["Curve", "deletion", "insertion", "state_at", "variance"]
