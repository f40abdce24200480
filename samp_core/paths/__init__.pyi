from .base import Endpoints, GradientFn, Path, Step, StepEstimate, walk_known
from .blur import BlurPath
from .guided import GuidedPath
from .samp import GreedyPath
from .straight import StraightPath

__all__ = [
    "BlurPath",
    "Endpoints",
    "GradientFn",
    "GreedyPath",
    "GuidedPath",
    "Path",
    "Step",
    "StepEstimate",
    "StraightPath",
    "walk_known",
]
