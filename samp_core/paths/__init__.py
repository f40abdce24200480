"""Ways from a start image to an end image, one a file."""

from samp_core.paths.base import Endpoints, GradientFn, Path, Step, StepEstimate
from samp_core.paths.blur import BlurPath
from samp_core.paths.guided import GuidedPath
from samp_core.paths.samp import GreedyPath
from samp_core.paths.straight import StraightPath

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
]
