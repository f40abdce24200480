from .direct import Decomposition, DirectMethod, DirectRun, Task, UnsupportedError
from .explanation import FIRM, AttributionMethod, Belief, Estimate, Explanation, Run, Target
from .path import PathMethod, PathRun, Way, not_known
from .steady import Copies, Steady, SteadyRun

__all__ = [
    "FIRM",
    "AttributionMethod",
    "Belief",
    "Copies",
    "Decomposition",
    "DirectMethod",
    "DirectRun",
    "Estimate",
    "Explanation",
    "PathMethod",
    "PathRun",
    "Run",
    "Steady",
    "SteadyRun",
    "Target",
    "Task",
    "UnsupportedError",
    "Way",
    "not_known",
]
