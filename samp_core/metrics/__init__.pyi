from .agreement import rank_correlation, similarity, spearman
from .base import (
    Column,
    Measurement,
    Metric,
    Protocol,
    ProtocolError,
    ScoreTable,
    Subject,
)
from .concentration import cancellation, entropy, gini, top_share, variance
from .curves import Curve, deletion, insertion, state_at
from .faithfulness import diffid, infidelity, mu_fidelity, sensitivity_n
from .localisation import box_mask, energy_inside, pointing_game
from .registry import COLUMNS, METRICS
from .sanity import cascade, sanity_check
from .stability import layout_stability, max_sensitivity, noise_stability

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
