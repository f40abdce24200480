"""The falling rule: as ``monotone``, and what moves later never gets more."""

from __future__ import annotations

from samp_core.rules.base import rule
from samp_core.rules.measured import Measured


class Falling(Measured):
    """The changes of a score without its detours, dealt so that the map keeps the order of the path.

    See :class:`~samp_core.rules.measured.Measured`. By ``ordered`` the last pixels of one move may get less than the
    first of the next one, and where two moves gain about the same, many of both change places with every small change
    of a score. Here credits are drawn together until none is more than one before it. What is level then is told apart
    by place; as nothing has to be outweighed any more, a hundredth of the whole change is enough for that. Every credit
    has the sign of the score's change from start to end.
    """

    monotone = 1.0
    by_place = 0.01
    falling = True


RULE = rule(
    "falling",
    "Falling",
    "monotone, and what moves later never gets more, so the map keeps the order of the path",
    Falling,
)
