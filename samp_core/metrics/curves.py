"""Deletion and insertion curves: how fast the score falls and rises when pixels go and come in a map's order."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from samp_core import order
from samp_core.baselines import Baseline, GaussianBlur, Zero
from samp_core.metrics.base import Column, Measurement, Metric, Protocol, Subject, pixel_maps, score_words
from samp_core.scores import Logit, Probability, Score, ScoreFunction, Sigmoid, as_target

UNDIVIDED = (
    "The score of the whole image is not above 0: divided by it, as the paper's protocol does, the curves would turn "
    "round. Explain a probability, or use RISE's protocol."
)
"""Why a curve of the paper's protocol has no number."""

CurveProtocol = Literal["paper", "rise"]
Target = int | Sequence[int] | Tensor | None


@dataclass(frozen=True)
class Curve:
    """Scores of N images along a map's order of pixels, and how they came about.

    Attributes:
        scores: score after k batches of pixels, k = 0..n, (N, n + 1); divided by the score of the whole image in the
            paper's protocol, NaN where that is not above 0: divided by a negative one a curve turns round, and the
            worst map would have the best number.
        raw: the same scores undivided, in units of the score, (N, n + 1).
        auc: mean of the n + 1 scores, (N,); NaN as they are.
        direction: ``deletion`` or ``insertion``.
        protocol: everything that a number of this curve depends on; only numbers of one protocol compare.
        pixels_per_step: pixels replaced at a time.
        fill: what replaces them, or what they replace.
    """

    scores: Float[Tensor, "n k"]
    raw: Float[Tensor, "n k"]
    auc: Float[Tensor, " n"]
    direction: Literal["deletion", "insertion"]
    protocol: Protocol
    pixels_per_step: int
    fill: Baseline


def curve_step(inputs: Float[Tensor, "n c h w"]) -> int:
    """Return how many pixels one step of a curve changes: the paper's 1792 of 224 x 224, and that share of others."""
    return max(1, inputs[0, 0].numel() // 28)


def deletion(
    forward_func: Callable[..., Tensor],
    inputs: Float[Tensor, "n c h w"],
    maps: Float[Tensor, "n ..."],
    target: Target = None,
    *,
    pixels_per_step: int = 1792,
    baseline: Baseline | None = None,
    score: Score | None = None,
    protocol: CurveProtocol = "paper",
    batch_size: int = 32,
) -> Curve:
    """Replace pixels by the baseline, the largest attribution first. Lower AUCs are better.

    Petsiuk, Das and Saenko, "RISE", BMVC 2018; the SAMP paper's protocol explains the logit and divides each curve
    by its first point, RISE's takes probabilities as they are: softmax, or where classes do not exclude each other
    ``Sigmoid()``.

    Args:
        forward_func: images (N, C, H, W) to logits (N, K).
        inputs: images in the network's normalised space.
        maps: attributions, (N, C, H, W) or (N, H, W); channels are summed.
        target: explained class, one for all images or one for each.
        pixels_per_step: pixels replaced at a time; the paper's is 1792 for photos of 224 x 224, 10 for small images.
        baseline: what replaces them; zeros by default.
        score: what of the logits is measured; the logit in the paper's protocol unless another is named.
        protocol: ``paper`` or ``rise``.
        batch_size: most images sent through the network at once.

    Raises:
        ValueError: shapes do not fit, or a setting is out of its range.
    """
    fill = Zero() if baseline is None else baseline
    return _curve("deletion", forward_func, inputs, maps, target, pixels_per_step, fill, score, protocol, batch_size)


def insertion(
    forward_func: Callable[..., Tensor],
    inputs: Float[Tensor, "n c h w"],
    maps: Float[Tensor, "n ..."],
    target: Target = None,
    *,
    pixels_per_step: int = 1792,
    baseline: Baseline | None = None,
    score: Score | None = None,
    protocol: CurveProtocol = "paper",
    batch_size: int = 32,
) -> Curve:
    """Put pixels back into the blurred image, the largest attribution first. Higher AUCs are better.

    See :func:`deletion`; the curve is divided by its last point, and the default baseline is ``GaussianBlur(31, 5.0)``.

    Raises:
        ValueError: shapes do not fit, or a setting is out of its range.
    """
    fill = GaussianBlur() if baseline is None else baseline
    return _curve("insertion", forward_func, inputs, maps, target, pixels_per_step, fill, score, protocol, batch_size)


def state_at(
    inputs: Float[Tensor, "n c h w"], maps: Float[Tensor, "n ..."], k: int, curve: Curve
) -> Float[Tensor, "n c h w"]:
    """Return the images at point ``k`` of a curve that :func:`deletion` or :func:`insertion` measured."""
    start, end = _ends(curve.direction, inputs, curve.fill)
    return mix(start, end, ranks(inputs, maps), k * curve.pixels_per_step)


def _ends(direction: str, inputs: Tensor, fill: Baseline) -> tuple[Tensor, Tensor]:
    blank = fill(inputs)
    return (inputs, blank) if direction == "deletion" else (blank, inputs)


def ranks(inputs: Float[Tensor, "n c h w"], maps: Float[Tensor, "n ..."]) -> Int[Tensor, "n 1 h w"]:
    """Return each pixel's place in a map's order, 0 the largest attribution.

    Raises:
        ValueError: the maps do not belong to the images.
    """
    found = pixel_maps(maps, inputs)
    # Stable, so that pixels of the same value keep their place and a curve can be measured twice.
    return order.ranks(found.flatten(1), descending=True).view_as(found).unsqueeze(1)


def mix(
    start: Float[Tensor, "*n c h w"], end: Float[Tensor, "*n c h w"], place: Int[Tensor, "*n 1 h w"], pixels: int
) -> Float[Tensor, "*n c h w"]:
    """Return ``start`` with its first ``pixels`` pixels of an order (see :func:`ranks`) taken from ``end``."""
    return torch.where(place < pixels, end, start)


def _curve(
    direction: Literal["deletion", "insertion"],
    forward_func: Callable[..., Tensor],
    inputs: Tensor,
    maps: Tensor,
    target: Target,
    pixels_per_step: int,
    fill: Baseline,
    score: Score | None,
    protocol: CurveProtocol,
    batch_size: int,
) -> Curve:
    if pixels_per_step < 1 or batch_size < 1:
        raise ValueError("pixels_per_step and batch_size must be at least 1.")
    if protocol not in ("paper", "rise"):
        raise ValueError(f"There is no protocol {protocol!r}. Choose 'paper' or 'rise'.")
    if protocol == "rise" and score not in (None, Probability(), Sigmoid()):
        raise ValueError(
            "RISE's protocol measures the softmax probability: leave score out, give Sigmoid() for a multi-label "
            "network, or choose 'paper'."
        )
    score = score or (Logit() if protocol == "paper" else Probability())
    inputs = inputs.detach()
    count, pixels = len(inputs), inputs[0, 0].numel()
    function = ScoreFunction(forward_func, as_target(target, count, inputs.device), score, (), count, batch_size)
    points = math.ceil(pixels / pixels_per_step)
    with torch.no_grad():
        start, end = _ends(direction, inputs, fill)
        place = ranks(inputs, maps)
        values = []
        images = torch.arange(count, device=inputs.device)
        # One chunk of states at a time is made, so memory is bounded by the batch and not by the curve.
        jobs = [(k, n) for k in range(points + 1) for n in range(count)]
        for first in range(0, len(jobs), batch_size):
            chunk = jobs[first : first + batch_size]
            states = [mix(start[n], end[n], place[n], k * pixels_per_step) for k, n in chunk]
            values.append(function.values(torch.stack(states), images[[n for _, n in chunk]]))
        raw = torch.cat(values).view(points + 1, count).T
    scores = raw
    if protocol == "paper":
        whole = raw[:, :1] if direction == "deletion" else raw[:, -1:]
        scores = torch.where(whole > 0, raw / whole, torch.nan)
    known = Protocol(
        f"{direction} curve, mean of {points + 1} points, {protocol} protocol",
        score=score_words(score),
        sign="signed",
        fill=str(fill),
        step=f"{pixels_per_step} pixels",
        normalisation="score of the whole image" if protocol == "paper" else "none",
    )
    return Curve(scores, raw, scores.mean(1), direction, known, pixels_per_step, fill)


def _curves(subject: Subject, protocol: CurveProtocol) -> tuple[Measurement, ...]:
    score = subject.score if protocol == "paper" else subject.probability
    down, up = (
        measure(
            subject.network,
            subject.inputs,
            subject.attributions,
            subject.target,
            pixels_per_step=curve_step(subject.inputs),
            score=score,
            protocol=protocol,
            batch_size=subject.batch_size,
        )
        for measure in (deletion, insertion)
    )
    both = replace(
        up.protocol,
        definition=up.protocol.definition.replace("insertion curve", "insertion minus deletion"),
        fill=f"{up.fill} and {down.fill}",
    )
    evidence = {"deletion": down.scores, "insertion": up.scores}
    note = "" if bool((up.auc - down.auc).isfinite().all()) else UNDIVIDED
    prefix = "" if protocol == "paper" else "rise-"
    return (
        Measurement(f"{prefix}deletion", down.auc, down.protocol, evidence, note),
        Measurement(f"{prefix}insertion", up.auc, up.protocol, evidence, note),
        Measurement(f"{prefix}difference", up.auc - down.auc, both, evidence, note),
    )


PAPER_CURVES = Metric(
    "curves",
    "Deletion and insertion",
    "How fast the score falls when the best pixels go first, and rises when they come first.",
    "Petsiuk et al. (RISE), BMVC 2018; protocol of Zhang et al. (SAMP), ICLR 2024",
    (
        Column("deletion", "Deletion", "down"),
        Column("insertion", "Insertion", "up"),
        Column("difference", "Ins. - del.", "up"),
    ),
    partial(_curves, protocol="paper"),
    forwards=58,
    evidence="curves",
)
RISE_CURVES = Metric(
    "rise-curves",
    "Deletion and insertion, RISE",
    "How fast the class's probability, as it is, falls when the best pixels go first, and rises when they come first.",
    "Petsiuk et al. (RISE), BMVC 2018",
    (
        Column("rise-deletion", "Deletion (RISE)", "down"),
        Column("rise-insertion", "Insertion (RISE)", "up"),
        Column("rise-difference", "Ins. - del. (RISE)", "up"),
    ),
    partial(_curves, protocol="rise"),
    forwards=58,
    evidence="curves",
)
