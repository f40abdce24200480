from .attribution import AttributionMethod, Explanation, UnsupportedError
from .catalogue import METHODS, RULES, register
from .classifiers import Classifier, ClassifierError, load_classifier
from .faces import (
    AGI,
    IDG,
    IG2,
    MFABA,
    PWIG,
    SAMP,
    SIG,
    BlurIG,
    GuidedIG,
    IntegratedGradients,
    PathAttribution,
    RevealIG,
    SteadyAttribution,
)
from .films import Recording, film
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
    "AGI",
    "IDG",
    "IG2",
    "METHODS",
    "MFABA",
    "PWIG",
    "RULES",
    "SAMP",
    "SIG",
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
    "Recording",
    "RevealIG",
    "Rule",
    "Settings",
    "SteadyAttribution",
    "Step",
    "StepEstimate",
    "UnsupportedError",
    "__version__",
    "both_ways",
    "default_settings",
    "direct_method",
    "film",
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
