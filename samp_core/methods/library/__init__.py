"""Methods without a path, a file a family."""

from __future__ import annotations

from samp_core.methods.library import activation, backward, controls, gradients, masks, surrogate, xrai
from samp_core.methods.spec import Method

ENTRIES: tuple[Method, ...] = (
    *gradients.ENTRIES,
    *backward.ENTRIES,
    *controls.ENTRIES,
    *activation.ENTRIES,
    *masks.ENTRIES,
    *surrogate.ENTRIES,
    *xrai.ENTRIES,
)
"""All of them, in the order they are shown."""
