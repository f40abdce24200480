"""Any map in the units of the score: complete to rounding, in the map's own order, from its own curves.

As isotonic regression turns a classifier's scores into probabilities, it turns a map's order of pixels into credit.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from samp_core.metrics.curves import Curve, Target, deletion, insertion, ranks
from samp_core.scores import Score

Vector = NDArray[np.float64]

_LEAST = 1e-3  # how far the credit of equal steps falls from first to last, in parts of it: enough to keep their order


def calibrated(
    inputs: Float[Tensor, "n c h w"], maps: Float[Tensor, "n ..."], fall: Curve, rise: Curve
) -> Float[Tensor, "n h w"]:
    """Return maps in the score's units that keep their order of pixels and add up.

    Each step of a map's deletion and insertion curve says what the pixels of that step are worth together. Isotonic
    regression makes these gains fall from step to step, as the map says they do; from the middle of one level to the
    next the credit falls along a line, as steep as the gentler of both neighbours allows (van Leer's limited slopes),
    so that no two levels meet and every level keeps its sum. The map of both curves is the sum of both. It adds up to
    f(image) - f(blank) + f(image) - f(blurred), in units of the score, for any map, from a path or not; and calibrating
    it again changes nothing.

    Args:
        inputs: images in the network's normalised space.
        maps: attributions, (N, C, H, W) or (N, H, W); channels are summed. Where pixels are equal, the first is first.
        fall, rise: the deletion and the insertion curve of these very maps.

    Returns:
        The calibrated maps, in double precision.

    Raises:
        ValueError: the curves are of other images or other directions.
    """
    if (fall.direction, rise.direction) != ("deletion", "insertion"):
        raise ValueError("Calibration needs a deletion curve and an insertion curve, in this order.")
    if not len(fall.raw) == len(rise.raw) == len(inputs):
        raise ValueError("The curves are of another number of images than there are.")
    place = ranks(inputs, maps).squeeze(1)
    found = []
    for n, places in enumerate(place.cpu().numpy()):
        credit = np.zeros(places.size)
        for curve, sign in ((fall, -1.0), (rise, 1.0)):
            gains = sign * np.diff(curve.raw[n].double().cpu().numpy())
            credit += _credit(gains, curve.pixels_per_step, places.size)
        found.append(torch.from_numpy(credit[places]))
    return torch.stack(found)


def _credit(gains: Vector, step: int, pixels: int) -> Vector:
    """Return the credit of each pixel by its place, given the gain of each step."""
    from scipy.optimize import isotonic_regression  # noqa: PLC0415 - metrics are listed and others used without it

    edges = np.minimum(step * np.arange(len(gains) + 1), pixels).astype(float)
    fit = isotonic_regression(gains / np.diff(edges), weights=np.diff(edges), increasing=False).x
    begins = np.r_[0, np.flatnonzero(np.diff(fit)) + 1]
    level, first = fit[begins], edges[np.r_[begins, len(gains)]]
    middle, width = (first[1:] + first[:-1]) / 2, np.diff(first)
    between = np.abs(np.diff(level) / np.diff(middle))
    # One step has no neighbours; of several the outer ones have one.
    slope = np.minimum(np.r_[between[:1], between], np.r_[between, between[-1:]]) if len(between) else np.zeros(1)
    slope = np.maximum(slope, _LEAST * np.abs(level) / width) if len(level) == 1 else slope
    at = np.searchsorted(first, np.arange(pixels), side="right") - 1
    credit: Vector = level[at] - slope[at] * (np.arange(pixels) + 0.5 - middle[at])
    return credit


def calibrate(
    forward_func: Callable[..., Tensor],
    inputs: Float[Tensor, "n c h w"],
    maps: Float[Tensor, "n ..."],
    target: Target = None,
    *,
    pixels_per_step: int = 1792,
    score: Score | None = None,
    batch_size: int = 32,
) -> Float[Tensor, "n h w"]:
    """Measure both curves of maps and return the maps :func:`calibrated`.

    Args:
        forward_func: images (N, C, H, W) to logits (N, K).
        inputs, maps: see :func:`calibrated`.
        target: explained class, one for all images or one for each.
        pixels_per_step: pixels of one step; see :func:`~samp_core.metrics.deletion`.
        score: what of the logits is measured; the logit by default.
        batch_size: most images sent through the network at once.

    Raises:
        ValueError: shapes do not fit, or a setting is out of its range.
    """
    fall, rise = (
        curve(forward_func, inputs, maps, target, pixels_per_step=pixels_per_step, score=score, batch_size=batch_size)
        for curve in (deletion, insertion)
    )
    return calibrated(inputs, maps, fall, rise)
