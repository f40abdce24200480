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
from .calibration import calibrate, calibrated
from .concentration import cancellation, entropy, gini, top_share, variance
from .curves import Curve, curve_step, deletion, insertion, state_at
from .faithfulness import diffid, infidelity, mu_fidelity, sensitivity_n
from .localisation import box_mask, energy_inside, pointing_game
from .registry import COLUMNS, METRICS
from .road import impute, road
from .sanity import cascade, sanity_check
from .stability import (
    batch_stability,
    image_by_image,
    layout_stability,
    max_sensitivity,
    noise_stability,
    scaled_stability,
    sign_agreement,
    thread_stability,
)

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
    "batch_stability",
    "box_mask",
    "calibrate",
    "calibrated",
    "cancellation",
    "cascade",
    "curve_step",
    "deletion",
    "diffid",
    "energy_inside",
    "entropy",
    "gini",
    "image_by_image",
    "impute",
    "infidelity",
    "insertion",
    "layout_stability",
    "max_sensitivity",
    "mu_fidelity",
    "noise_stability",
    "pointing_game",
    "rank_correlation",
    "road",
    "sanity_check",
    "scaled_stability",
    "sensitivity_n",
    "sign_agreement",
    "similarity",
    "spearman",
    "state_at",
    "thread_stability",
    "top_share",
    "variance",
]
