"""What one run on a page may cost: the machine is shared by all visitors."""

from __future__ import annotations

MOST_GRADIENTS = 8000
"""Gradient evaluations of one run; on two cores about five minutes with the bundled network. The command line has no
limit."""


def require_affordable(gradients: int) -> None:
    """Refuse a run before it begins that would hold up everybody else.

    Args:
        gradients: expected gradient evaluations.

    Raises:
        ValueError: these are too many.
    """
    if gradients > MOST_GRADIENTS:
        raise ValueError(
            f"This would take about {gradients:,} gradient evaluations, and a page accepts at most {MOST_GRADIENTS:,} "
            "for one run, because all visitors share the machine. Take fewer steps or samples, a looser IC tolerance, "
            "or fewer gradients inside each move, or use the command line, which has no limit."
        )
