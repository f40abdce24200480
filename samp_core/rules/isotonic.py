"""The isotonic rule: measured changes, dealt out so that earlier pixels never get less."""

from __future__ import annotations

from samp_core.rules.base import rule
from samp_core.rules.measured import Measured


class Isotonic(Measured):
    """The measured change of each move, to its pixels in proportion to the size of their promise.

    See :class:`~samp_core.rules.measured.Measured`. Where a move lowers the score, the pixels with the largest promise
    are debited most.
    """


RULE = rule("isotonic", "Isotonic", "the measured score changes, dealt out", Isotonic)
