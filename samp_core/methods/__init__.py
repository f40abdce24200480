"""Attribution methods and their registry."""

from samp_core.methods.base import Estimate, Explanation, PathAttribution, PathRun
from samp_core.methods.blur_ig import BlurIG
from samp_core.methods.direct import DirectMethod, DirectRun, UnsupportedError
from samp_core.methods.guided_ig import GuidedIG
from samp_core.methods.integrated_gradients import IntegratedGradients
from samp_core.methods.registry import METHODS, SCORES, Method, Option, Settings, default_settings, make_method
from samp_core.methods.samp import SAMP

__all__ = [
    "METHODS",
    "SCORES",
    "SAMP",
    "BlurIG",
    "DirectMethod",
    "DirectRun",
    "Estimate",
    "Explanation",
    "GuidedIG",
    "IntegratedGradients",
    "Method",
    "Option",
    "PathAttribution",
    "PathRun",
    "Settings",
    "UnsupportedError",
    "default_settings",
    "make_method",
]
