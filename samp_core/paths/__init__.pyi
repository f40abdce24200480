from .adversarial import AdversarialPath
from .base import (
    Endpoints,
    GradientFn,
    Guide,
    Objective,
    OpenPath,
    Path,
    Search,
    Sight,
    Step,
    StepEstimate,
    walk_known,
)
from .blur import BlurPath
from .boundary import BoundaryPath
from .decision import DecisionPath
from .features import FeaturePath
from .guided import GuidedPath
from .samp import GreedyPath
from .spectral import SpectralPath
from .straight import StraightPath
from .weighted import WeightedPath

__all__ = [
    "AdversarialPath",
    "BlurPath",
    "BoundaryPath",
    "DecisionPath",
    "Endpoints",
    "FeaturePath",
    "GradientFn",
    "GreedyPath",
    "Guide",
    "GuidedPath",
    "Objective",
    "OpenPath",
    "Path",
    "Search",
    "Sight",
    "SpectralPath",
    "Step",
    "StepEstimate",
    "StraightPath",
    "WeightedPath",
    "walk_known",
]
