"""Attribution methods and their registry."""

from samp_core.methods.base import Estimate, Explanation, PathAttribution, PathRun
from samp_core.methods.integrated_gradients import IntegratedGradients
from samp_core.methods.registry import METHODS, SCORES, Method, Settings, default_settings, make_method
from samp_core.methods.samp import SAMP

__all__ = [
    "METHODS",
    "SCORES",
    "SAMP",
    "Estimate",
    "Explanation",
    "IntegratedGradients",
    "Method",
    "PathAttribution",
    "PathRun",
    "Settings",
    "default_settings",
    "make_method",
]
