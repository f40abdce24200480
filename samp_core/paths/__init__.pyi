from .adversarial import AdversarialPath
from .base import (
    Draft,
    Endpoints,
    GradientFn,
    Guide,
    Objective,
    OpenPath,
    Path,
    Prepared,
    Search,
    Sight,
    Step,
    StepEstimate,
    Walk,
    walk_known,
)
from .blur import BlurPath
from .boundary import BoundaryPath
from .decision import DecisionPath
from .features import FeaturePath
from .guided import GuidedPath
from .refined import RefinedPath
from .samp import GreedyPath
from .spectral import SpectralPath
from .straight import StraightPath
from .weighted import WeightedPath

__all__ = [
    "AdversarialPath",
    "BlurPath",
    "BoundaryPath",
    "DecisionPath",
    "Draft",
    "Endpoints",
    "FeaturePath",
    "GradientFn",
    "GreedyPath",
    "Guide",
    "GuidedPath",
    "Objective",
    "OpenPath",
    "Path",
    "Prepared",
    "RefinedPath",
    "Search",
    "Sight",
    "SpectralPath",
    "Step",
    "StepEstimate",
    "StraightPath",
    "Walk",
    "WeightedPath",
    "walk_known",
]
