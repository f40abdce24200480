"""Path attribution for image classifiers: SAMP and its relatives, their integration and their measures."""

__version__ = "0.1.0"

from samp_core.classifiers import Classifier, ClassifierError, load_classifier
from samp_core.images import ImageError, load_image, load_sample
from samp_core.methods import (
    METHODS,
    SAMP,
    BlurIG,
    Explanation,
    GuidedIG,
    IntegratedGradients,
    Settings,
    default_settings,
    make_method,
)
from samp_core.scores import PathError

__all__ = [
    "METHODS",
    "SAMP",
    "BlurIG",
    "Classifier",
    "ClassifierError",
    "Explanation",
    "GuidedIG",
    "ImageError",
    "IntegratedGradients",
    "PathError",
    "Settings",
    "default_settings",
    "load_classifier",
    "load_image",
    "load_sample",
    "make_method",
]
