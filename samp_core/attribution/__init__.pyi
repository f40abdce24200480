from .direct import Decomposition, DirectMethod, DirectRun, Task, UnsupportedError
from .explanation import AttributionMethod, Estimate, Explanation, Run, Target
from .path import PathMethod, PathRun, Way

__all__ = [
    "AttributionMethod",
    "Decomposition",
    "DirectMethod",
    "DirectRun",
    "Estimate",
    "Explanation",
    "PathMethod",
    "PathRun",
    "Run",
    "Target",
    "Task",
    "UnsupportedError",
    "Way",
]
