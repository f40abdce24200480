"""How concentrated an attribution map is."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor


def variance(maps: Float[Tensor, "n h w"]) -> Float[Tensor, " n"]:
    """Return Var(a), the population variance of each pixel map's values, in squared units of the score.

    SAMP paper, definition 1 (Concentration Principle): of paths between the same two images, prefer the one of largest
    variance. Two maps may be compared by it only if their sums are the same, because scaling a map scales it.
    """
    return maps.flatten(1).var(1, unbiased=False)
