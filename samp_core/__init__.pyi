from .attribution import AttributionMethod, Explanation, UnsupportedError
from .catalogue import METHODS, RULES, register
from .classifiers import Classifier, ClassifierError, load_classifier
from .faces import SAMP, BlurIG, GuidedIG, IntegratedGradients, PathAttribution
from .images import ImageError, load_image, load_sample
from .methods import (
    Method,
    Option,
    Settings,
    both_ways,
    default_settings,
    direct_method,
    make_method,
    path_method,
    steps,
    toward_image,
)
from .paths import Path, Step, StepEstimate
from .rules import Rule, rule
from .scores import PathError
from .version import __version__

__all__ = [
    "METHODS",
    "RULES",
    "SAMP",
    "AttributionMethod",
    "BlurIG",
    "Classifier",
    "ClassifierError",
    "Explanation",
    "GuidedIG",
    "ImageError",
    "IntegratedGradients",
    "Method",
    "Option",
    "Path",
    "PathAttribution",
    "PathError",
    "Rule",
    "Settings",
    "Step",
    "StepEstimate",
    "UnsupportedError",
    "__version__",
    "both_ways",
    "default_settings",
    "direct_method",
    "load_classifier",
    "load_image",
    "load_sample",
    "make_method",
    "path_method",
    "register",
    "rule",
    "steps",
    "toward_image",
]
