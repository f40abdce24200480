"""The monotone rule: changes of the score after its detours are ironed out, so every credit has one sign."""

from __future__ import annotations

from samp_core.rules.base import rule
from samp_core.rules.measured import Measured


class Monotone(Measured):
    """The changes of the monotone scores closest to the measured ones, in proportion to the size of the promise.

    See :class:`~samp_core.rules.measured.Measured`. What a path climbs beyond its end and comes back down from is
    credited to nobody, so no credit is cancelled by another: the sum of absolute values is the sum's absolute value.
    """

    monotone = 1.0


RULE = rule("monotone", "Monotone", "the score's changes without its detours, so every credit has one sign", Monotone)
