"""XRAI: regions instead of pixels, ranked by the integrated gradients inside them."""

from __future__ import annotations

from collections.abc import Generator

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csc_matrix
from skimage.morphology import isotropic_dilation
from skimage.segmentation import felzenszwalb
from torch import Tensor

from samp_core.attribution import Task
from samp_core.maps.common import as_picture, every_image, pieces

Floats = NDArray[np.float64]

# The authors' segmentations: Felzenszwalb's at six scales, segments grown a little so that they hold their edges.
_SCALES, _SIGMA, _SMALLEST, _GROWN = (50, 100, 150, 250, 500, 1200), 0.8, 150, 5
_MOST_SIDE = 224


def xrai(task: Task, steps: int = 20) -> Generator[float, None, Tensor]:
    """Return the mean attribution of the region that each pixel first came with, best region first."""
    inputs, n = task.inputs, len(task.inputs)
    pixels = torch.zeros_like(inputs[:, 0])
    baselines = [task.baseline(name) for name in ("black", "white")]
    done, work = 0, len(baselines) * steps
    for baseline in baselines:
        start = baseline(inputs)
        way = inputs - start
        for piece in pieces(steps, task.batch_size // n):
            places = [(k + 0.5) / steps for k in range(piece.start, piece.stop)]
            states = torch.cat([start + place * way for place in places])
            slopes = task.score.gradients(states, every_image(task).repeat(len(places)))[1]
            pixels += (slopes.view(len(places), *inputs.shape).sum(0) * way).sum(1) / work
            done += len(places)
            yield 0.6 * done / work
    maps = []
    for index in range(n):
        regions = []
        for number, scale in enumerate(_SCALES):
            regions.append(_regions(as_picture(inputs[index]).numpy(), scale))
            yield 0.6 + 0.4 * (index + (number + 1) / (len(_SCALES) + 1)) / n
        maps.append(_rank(pixels[index].double().cpu().numpy(), np.concatenate(regions)))
    return torch.from_numpy(np.stack(maps)).unsqueeze(1).to(inputs)


def _regions(picture: Floats, scale: int) -> NDArray[np.bool_]:
    """Return the segments of one scale, grown, as rows of pixels."""
    share = min(1.0, picture.shape[0] * picture.shape[1] / _MOST_SIDE**2)
    smallest = max(4, round(_SMALLEST * share))  # small images have small segments
    grown = max(1, round(_GROWN * share**0.5))
    channels = picture if picture.shape[-1] == 3 else picture.mean(-1, keepdims=True).repeat(3, -1)
    labels = felzenszwalb(channels, scale=scale * share, sigma=_SIGMA, min_size=smallest)
    masks = [isotropic_dilation(labels == k, grown).ravel() for k in np.unique(labels)]  # type: ignore[no-untyped-call]
    return np.stack(masks)


def _rank(pixels: Floats, regions: NDArray[np.bool_]) -> Floats:
    """Take the region with the highest mean over its pixels that are still free, again and again."""
    values, free = pixels.ravel(), np.ones(pixels.size, dtype=bool)
    matrix = csc_matrix(regions.astype(np.float64))
    sums, areas = matrix @ values, matrix @ free.astype(np.float64)
    result = np.zeros(pixels.size)
    least = max(1, 50 * pixels.size // _MOST_SIDE**2)  # a sliver's mean says nothing
    while (areas >= least).any():
        means = np.where(areas >= least, sums / np.maximum(areas, 1), -np.inf)
        best = int(means.argmax())
        new = np.flatnonzero(regions[best] & free)
        result[new], free[new] = means[best], False
        taken = matrix[:, new]
        sums, areas = sums - taken @ values[new], areas - taken @ np.ones(len(new))
    if free.any():
        result[free] = values[free].mean()
    return result.reshape(pixels.shape)
