"""The worlds of the Learn page."""

from samp_core.lesson.toys import (
    TOYS,
    Walk,
    add_up,
    best_path,
    change,
    lattice,
    random_turns,
    searched,
    surface,
    toy,
)
from samp_core.lesson.trials import RULE_TITLES, Trial, trials
from samp_core.lesson.walks import Outputs, bridges, outputs

__all__ = [
    "RULE_TITLES",
    "TOYS",
    "Outputs",
    "Trial",
    "Walk",
    "add_up",
    "best_path",
    "bridges",
    "change",
    "lattice",
    "outputs",
    "random_turns",
    "searched",
    "surface",
    "toy",
    "trials",
]
