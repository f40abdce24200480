"""How concentrated an attribution map is, and whether its credit has one sign and the right sum."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from samp_core.metrics.base import Column, Measurement, Metric, Protocol, Subject

SHARES = (0.01, 0.05, 0.10)


def variance(maps: Float[Tensor, "n h w"]) -> Float[Tensor, " n"]:
    """Return Var(a), the population variance of each pixel map's values, in squared units of the score.

    SAMP paper, Concentration Principle: of paths between the same two images, prefer the one of largest
    variance. Two maps may be compared by it only if their sums are the same, because scaling a map scales it.
    """
    return maps.flatten(1).var(1, unbiased=False)


def gini(maps: Float[Tensor, "n h w"]) -> Float[Tensor, " n"]:
    """Return the Gini index of ``|a|``: 0 if all pixels have the same, near 1 if one has all; NaN for a map of zeros.

    Chalasani et al., "Concise Explanations of Neural Networks using Adversarial Training", ICML 2020, section 5.
    """
    values = maps.abs().flatten(1).sort(1).values
    count = values.shape[1]
    ranks = torch.arange(1, count + 1, device=maps.device, dtype=maps.dtype)
    return ((2 * ranks - count - 1) * values).sum(1) / (count * values.sum(1))


def entropy(maps: Float[Tensor, "n h w"]) -> Float[Tensor, " n"]:
    """Return the entropy of ``|a|`` / sum ``|a|``, in nats: 0 if one pixel has all, ln(H W) if all have the same.

    NaN for a map of zeros. Bhatt, Weller and Moura, "Evaluating and Aggregating Feature-based Model Explanations",
    IJCAI 2020, definition 5 (complexity).
    """
    magnitude = maps.abs().flatten(1)
    shares = magnitude / magnitude.sum(1, keepdim=True)
    return -torch.xlogy(shares, shares).sum(1)


def top_share(maps: Float[Tensor, "n h w"], fraction: float) -> Float[Tensor, " n"]:
    """Return which part of the sum of ``|a|`` the largest ``fraction`` of the pixels hold, 0 to 1; NaN if all are zero.

    Raises:
        ValueError: ``fraction`` is not above 0 and at most 1.
    """
    if not 0 < fraction <= 1:
        raise ValueError(f"fraction must be above 0 and at most 1, not {fraction}.")
    magnitude = maps.abs().flatten(1)
    count = max(1, math.floor(fraction * magnitude.shape[1]))
    return magnitude.topk(count, dim=1).values.sum(1) / magnitude.sum(1)


def cancellation(maps: Float[Tensor, "n h w"]) -> Float[Tensor, " n"]:
    """Return sum ``|a|`` / ``|sum a|`` of each pixel map: how many times over it credits and debits its own sum.

    1 if all pixels have the same sign, 10 if ten units change hands for each that stays, infinite if credit and debit
    are equal, NaN for a map of zeros. Unlike the variance it does not depend on the map's scale. Channels are to be
    summed before: it is the pixels that a reader sees.
    """
    values = maps.flatten(1).double()  # the sum is a small difference of large amounts
    return (values.abs().sum(1) / values.sum(1).abs()).to(maps.dtype)


def _measure(subject: Subject) -> tuple[Measurement, ...]:
    maps = subject.maps
    empty = "" if bool((maps.abs().flatten(1).sum(1) > 0).all()) else "A map of zeros concentrates nothing."
    return (
        Measurement(
            "variance",
            variance(maps),
            Protocol(
                "population variance of the pixel map (SAMP paper, Concentration Principle)",
                score=f"squared units of {subject.score}",
                sign="signed",
                normalisation="none: compares only maps of the same sum",
            ),
        ),
        Measurement("gini", gini(maps), Protocol("Gini index of |a| (Chalasani 2020)", sign="magnitude"), note=empty),
        Measurement(
            "entropy", entropy(maps), Protocol("entropy of |a| in nats (Bhatt 2020)", sign="magnitude"), note=empty
        ),
        *(
            Measurement(
                f"top-{100 * share:.0f}",
                top_share(maps, share),
                Protocol(f"share of |a| in the largest {100 * share:.0f} % of the pixels", sign="magnitude"),
                note=empty,
            )
            for share in SHARES
        ),
    )


CONCENTRATION = Metric(
    "concentration",
    "Concentration",
    "On how few pixels the map puts its weight, right or wrong; the variance grows with cancellation as well.",
    "Zhang et al. (SAMP), ICLR 2024; Chalasani et al., ICML 2020; Bhatt et al., IJCAI 2020",
    (
        Column("variance", "Var(a)"),
        Column("gini", "Gini"),
        Column("entropy", "Entropy, nats"),
        *(Column(f"top-{100 * share:.0f}", f"Top {100 * share:.0f} %") for share in SHARES),
    ),
    _measure,
)


def _cancellation(subject: Subject) -> tuple[Measurement, ...]:
    values = cancellation(subject.maps)
    note = "" if bool(values.isfinite().all()) else "The map's sum is zero: it credits nothing, or debits as much."
    protocol = Protocol(
        "sum |a| / |sum a| over the pixels: 1 if all have the same sign",
        sign="signed, channels summed",
        normalisation="the map's own sum",
    )
    return (Measurement("cancellation", values, protocol, note=note),)


CANCELLATION = Metric(
    "cancellation",
    "Cancellation",
    "How many times over the map credits and debits its own sum: 1 if every pixel has the same sign. Whether that sum "
    "is right says the completeness gap.",
    "This project. In numerical analysis, the condition number of a sum: Higham, Accuracy and Stability of Numerical "
    "Algorithms, SIAM 2002, chapter 4",
    (Column("cancellation", "Cancellation", "down"),),
    _cancellation,
)


def _gap(subject: Subject) -> tuple[Measurement, ...]:
    protocol = Protocol(
        "largest over directions of |sum of the map - change of the score| / |change of the score|",
        score=f"{subject.score}",
        sign="signed",
        normalisation="change of the score along the path",
    )
    missing = subject.gap is None
    values = subject.maps.new_full((len(subject.inputs),), torch.nan) if subject.gap is None else subject.gap
    return (
        Measurement("gap", values, protocol, note="The method promises no sum, so there is no gap." if missing else ""),
    )


GAP = Metric(
    "gap",
    "Completeness gap",
    "How far the map's sum misses the change of the score that it should add up to.",
    "Sundararajan et al., ICML 2017 (completeness)",
    (Column("gap", "Completeness gap", "down"),),
    _gap,
)
