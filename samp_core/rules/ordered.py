"""The ordered rule: as ``monotone``, and a tenth of the whole change by place, so that the order is never lost."""

from __future__ import annotations

from samp_core.rules.base import rule
from samp_core.rules.measured import Measured


class Ordered(Measured):
    """The changes of a score without its detours, and a tenth of all for the places that pixels have on the path.

    See :class:`~samp_core.rules.measured.Measured`. Where the score overshoots its end, ``monotone`` gives all later
    moves nothing, and they are alike; here they keep the order in which they were made. Every credit still has the
    sign of the score's change from start to end.
    """

    monotone = 1.0
    by_place = 0.1


RULE = rule(
    "ordered",
    "Ordered",
    "monotone, with a tenth of the change dealt by place on the path, so no order is lost",
    Ordered,
)
