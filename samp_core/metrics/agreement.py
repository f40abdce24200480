"""How alike two maps are."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from scipy.stats import rankdata
from torch import Tensor


def rank_correlation(maps: Float[NDArray[np.floating], "m h w"]) -> Float[NDArray[np.float64], "m m"]:
    """Return Spearman's rank correlation of every two maps' pixel values; NaN where a map is constant."""
    ranks = np.stack([rankdata(m, axis=None) for m in maps])
    centred = ranks - ranks.mean(1, keepdims=True)
    norms = np.linalg.norm(centred, axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        result: NDArray[np.float64] = centred @ centred.T / np.outer(norms, norms)
    return np.clip(result, -1, 1)


def spearman(a: Float[Tensor, "n h w"], b: Float[Tensor, "n h w"]) -> Float[Tensor, " n"]:
    """Return Spearman's rank correlation of each map of ``a`` with that of ``b``, -1 to 1; NaN if one is constant."""
    pairs = zip(a.double().cpu().numpy(), b.double().cpu().numpy(), strict=True)
    return torch.tensor([rank_correlation(np.stack(pair))[0, 1] for pair in pairs], dtype=torch.float64)


def similarity(a: Float[Tensor, "n h w"], b: Float[Tensor, "n h w"]) -> Float[Tensor, " n"]:
    """Return the structural similarity (SSIM) of ``|a|`` and ``|b|``, each divided by its maximum, -1 to 1.

    NaN where a map is zero everywhere. Wang et al., "Image Quality Assessment", 2004; windows of 7 pixels, or the
    largest odd number that fits.
    """
    from skimage.metrics import structural_similarity  # noqa: PLC0415 - ranks are compared without it

    values = []
    for pair in zip(a.abs().double().cpu().numpy(), b.abs().double().cpu().numpy(), strict=True):
        peaks = [m.max() for m in pair]
        window = min(7, (min(pair[0].shape) - 1) // 2 * 2 + 1)
        values.append(
            structural_similarity(  # type: ignore[no-untyped-call]
                pair[0] / peaks[0], pair[1] / peaks[1], data_range=1.0, win_size=window
            )
            if min(peaks) > 0
            else np.nan
        )
    return torch.tensor(values, dtype=torch.float64)
