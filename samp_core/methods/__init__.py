"""How methods declare themselves, one a file, and what is asked of them. Nothing here needs torch before a run does."""

from samp_core import catalogue
from samp_core.methods.declaration import (
    FORWARD,
    PATHS,
    Direction,
    End,
    Method,
    both_ways,
    direct_method,
    leaving_image,
    make_method,
    path_method,
    toward_image,
)
from samp_core.methods.options import Option, Value, baseline, fill, steps
from samp_core.methods.settings import Settings, default_settings

METHODS: catalogue.Catalogue[Method] = catalogue.METHODS
"""All methods by name."""

__all__ = [
    "FORWARD",
    "METHODS",
    "PATHS",
    "Direction",
    "End",
    "Method",
    "Option",
    "Settings",
    "Value",
    "baseline",
    "both_ways",
    "default_settings",
    "direct_method",
    "fill",
    "leaving_image",
    "make_method",
    "path_method",
    "steps",
    "toward_image",
]
