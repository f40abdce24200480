"""The half rule: midway in two ways, between measured changes and those without detours, by promise and by way."""

from __future__ import annotations

from samp_core.rules.base import rule
from samp_core.rules.measured import Measured


class Half(Measured):
    """The mean of the densities of ``spread`` and of ``monotone``, dealt out half as one does and half as the other.

    See :class:`~samp_core.rules.measured.Measured`. Steadier than ``spread`` and of less cancellation, with most of
    its ranking; more of the credit lies on few pixels.
    """

    monotone = 0.5
    by_promise = 0.5


RULE = rule("half", "Half", "midway between spread and monotone", Half)
