"""Measures of attribution maps. None knows which method made a map."""

from samp_core.metrics.agreement import rank_correlation, similarity, spearman
from samp_core.metrics.base import (
    Column,
    Measurement,
    Metric,
    Protocol,
    ProtocolError,
    ScoreTable,
    Subject,
)
from samp_core.metrics.concentration import cancellation, entropy, gini, top_share, variance
from samp_core.metrics.curves import Curve, deletion, insertion, state_at
from samp_core.metrics.faithfulness import diffid, infidelity, mu_fidelity, sensitivity_n
from samp_core.metrics.localisation import box_mask, energy_inside, pointing_game
from samp_core.metrics.registry import COLUMNS, METRICS
from samp_core.metrics.sanity import cascade, sanity_check
from samp_core.metrics.stability import layout_stability, max_sensitivity, noise_stability

__all__ = [
    "COLUMNS",
    "METRICS",
    "Column",
    "Curve",
    "Measurement",
    "Metric",
    "Protocol",
    "ProtocolError",
    "ScoreTable",
    "Subject",
    "box_mask",
    "cancellation",
    "cascade",
    "deletion",
    "diffid",
    "energy_inside",
    "entropy",
    "gini",
    "infidelity",
    "insertion",
    "layout_stability",
    "max_sensitivity",
    "mu_fidelity",
    "noise_stability",
    "pointing_game",
    "rank_correlation",
    "sanity_check",
    "sensitivity_n",
    "similarity",
    "spearman",
    "state_at",
    "top_share",
    "variance",
]
