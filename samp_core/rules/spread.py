"""The spread rule: measured changes by share of the way, with the order of the promise kept inside a move."""

from __future__ import annotations

from samp_core.rules.base import rule
from samp_core.rules.measured import Measured


class Spread(Measured):
    """The measured change of each move, to its pixels by how much of their way they went, those of larger promise more.

    See :class:`~samp_core.rules.measured.Measured`. Unlike ``isotonic`` it never turns the order inside a move round:
    what sets pixels of one move apart sums to zero, so the map stays complete.
    """

    by_promise = 0.0


RULE = rule("spread", "Spread", "the measured score changes by share of the way, in the order of the promise", Spread)
