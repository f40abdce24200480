"""ROAD: the class's probability when the best, or the worst, pixels are blended into what surrounds them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from jaxtyping import Bool, Float
from numpy.typing import NDArray
from torch import Tensor

from samp_core.checkpoints import checkpoint
from samp_core.metrics.base import Column, Measurement, Metric, Protocol, Subject, score_words
from samp_core.metrics.curves import Target, ranks
from samp_core.metrics.faithfulness import KEPT, hit_of, hits_of
from samp_core.scores import Probability, ScoreFunction, as_target, probability_of

NOISE = 0.01
SHOWN = (0, 4, 8)
"""Which of :data:`~samp_core.metrics.faithfulness.KEPT` the imputed photos are kept of, as evidence."""
_DIRECT, _DIAGONAL = 1 / 6, 1 / 12


def impute(
    images: Float[Tensor, "n c h w"], removed: Bool[Tensor, "n h w"], *, noise: float = NOISE, seed: int = 0
) -> Float[Tensor, "n c h w"]:
    """Return images whose removed pixels are weighted means of their neighbours, removed ones included, plus noise.

    Each removed pixel is the mean of its up to eight neighbours, weighted by 1/6 where they share a side and by 1/12
    where they share a corner; at the edge the weights that are left are divided by their sum. All means of an image
    hold at once: a sparse linear system, solved directly in double precision. The noise is Gaussian; a pixel's is the
    same in every image and whatever else is removed, so no batch changes it and curves differ by their pixels alone.
    Rong et al., "A Consistent and Efficient Evaluation Strategy for Attribution Methods", ICML 2022; the treatment of
    edges is their published code's.

    Args:
        images: in any space; the imputation commutes with normalisation, the noise is in the space's own units.
        removed: which pixels.
        noise: standard deviation of the noise; published: 0.01.
        seed: seed of the noise.

    Raises:
        ValueError: all pixels of an image are removed, or ``noise`` is negative.
    """
    if noise < 0:
        raise ValueError(f"noise is a standard deviation, so it cannot be {noise}.")
    if removed.flatten(1).all(1).any():
        raise ValueError("All pixels of an image are removed, so there is nothing to impute them from. Keep one.")
    generator = torch.Generator().manual_seed(seed)
    drawn = noise * torch.randn(images.shape[1:], generator=generator, dtype=images.dtype)
    filled = images.detach().clone()
    for image, mask in zip(filled, removed, strict=True):
        checkpoint()  # a large system takes as long as many evaluations
        means = torch.from_numpy(_means(image.double().cpu().numpy(), mask.cpu().numpy())).to(image)
        image[:, mask] = means + drawn.to(image)[:, mask]
    return filled


def _means(image: NDArray[np.float64], removed: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return what the removed pixels (H, W) of an image (C, H, W) have to be, (C, number of them)."""
    from scipy.sparse import csc_matrix  # noqa: PLC0415 - only this measure needs it
    from scipy.sparse.linalg import splu  # noqa: PLC0415

    count, channels = int(removed.sum()), len(image)
    if not count:
        return np.zeros((channels, 0))
    # A frame of one pixel, which belongs to no image, spares all questions about edges.
    number = np.full([side + 2 for side in removed.shape], -1)
    number[1:-1, 1:-1][removed] = np.arange(count)
    inside, values = np.pad(np.ones(removed.shape), 1), np.pad(image, ((0, 0), (1, 1), (1, 1)))
    top, left = (side + 1 for side in np.nonzero(removed))
    weights, known = np.zeros(count), np.zeros((count, channels))
    rows, columns, entries = [], [], []
    for down, right in ((d, r) for d in (-1, 0, 1) for r in (-1, 0, 1) if d or r):
        weight = _DIAGONAL if down and right else _DIRECT
        neighbour = number[top + down, left + right]
        weights += weight * inside[top + down, left + right]
        stays = neighbour < 0
        known[stays] += weight * values[:, top + down, left + right].T[stays]  # 0 in the frame
        rows.append(np.flatnonzero(~stays))
        columns.append(neighbour[~stays])
        entries.append(np.full(len(columns[-1]), -weight))
    every = np.arange(count)
    where = (np.concatenate([*rows, every]), np.concatenate([*columns, every]))
    system = csc_matrix((np.concatenate([*entries, weights]), where), shape=(count, count))
    # Who is whose neighbour is mutual, and no diagonal is smaller than the rest of its row: told so, SuperLU finds an
    # order of the unknowns that takes about 0.6 of the time.
    factors = splu(system, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True})
    solved: NDArray[np.float64] = factors.solve(known)
    return solved.T


def road(
    forward_func: Callable[..., Tensor],
    inputs: Float[Tensor, "n c h w"],
    maps: Float[Tensor, "n ..."],
    target: Target,
    *,
    fractions: Sequence[float] = KEPT,
    noise: float = NOISE,
    batch_size: int = 16,
    seed: int = 0,
    multi_label: bool = False,
) -> tuple[Float[Tensor, "n 2 k"], Float[Tensor, "n 2 k"]]:
    """Return the class's probability, and whether it comes first, with the best and with the worst pixels imputed.

    For each fraction the pixels of largest attribution (most relevant first, MoRF), then those of smallest (least
    relevant first, LeRF) are replaced by :func:`impute`. A good map's MoRF probabilities are low and its LeRF
    probabilities high. Over many photos the mean of the hits is the paper's accuracy.

    Args:
        forward_func: images (N, C, H, W) to logits (N, K).
        inputs: images in the network's normalised space.
        maps: attributions, (N, C, H, W) or (N, H, W); channels are summed.
        target: explained class, one for all images or one for each.
        fractions: shares of the pixels that are removed, above 0 and below 1; at least one pixel stays.
        noise, seed: see :func:`impute`.
        batch_size: most images sent through the network at once.
        multi_label: whether the network's classes do not exclude each other; a probability is a sigmoid then, and a hit
            a class with a logit above 0.

    Returns:
        Probabilities, 0 to 1, and hits, 0 or 1: MoRF and LeRF, (N, 2, len(fractions)).

    Raises:
        ValueError: there is no target, or a setting is out of its range.
    """
    wanted = as_target(target, len(inputs), inputs.device)
    if wanted is None:
        raise ValueError("ROAD asks for the probability of a class, so it needs that class: pass target=.")
    logits, _ = _walk(forward_func, inputs, maps, wanted, fractions, noise, batch_size, seed)
    return _judged(logits, wanted, multi_label)


def _walk(
    forward_func: Callable[..., Tensor],
    inputs: Tensor,
    maps: Tensor,
    target: Tensor,
    fractions: Sequence[float],
    noise: float,
    batch_size: int,
    seed: int,
    shown: Sequence[int] = (),
) -> tuple[Tensor, Tensor]:
    """Return the logits (N, 2, S, K) of the imputed images, and those images (N, 2, len(shown), C, H, W) to be shown.

    Raises:
        ValueError: a fraction is out of its range.
    """
    if not fractions or not all(0 < fraction < 1 for fraction in fractions):
        raise ValueError(f"fractions must be above 0 and below 1, not {tuple(fractions)}: some pixels go, some stay.")
    inputs = inputs.detach()
    place, count = ranks(inputs, maps).squeeze(1), inputs[0, 0].numel()
    sizes = [min(round(fraction * count), count - 1) for fraction in fractions]
    everyone = torch.arange(len(inputs), device=inputs.device)
    function = ScoreFunction(forward_func, target, Probability(), (), len(inputs), batch_size)
    logits, kept = [], []
    for best in (True, False):
        for k, size in enumerate(sizes):
            mask = place < size if best else place >= count - size
            images = impute(inputs, mask, noise=noise, seed=seed)
            logits.append(function.seen(images, everyone))
            if k in shown:
                kept.append(images)
    found = torch.stack(logits, 1)
    pictures = torch.stack(kept, 1) if kept else inputs.new_zeros(len(inputs), 0, *inputs.shape[1:])
    return (
        found.view(len(inputs), 2, len(sizes), -1),
        pictures.view(len(inputs), 2, len(shown), *inputs.shape[1:]),
    )


def _judged(logits: Tensor, target: Tensor, multi_label: bool) -> tuple[Tensor, Tensor]:
    """Return the target's probability and whether it is a hit, (N, ...), for logits (N, ..., K)."""
    flat = logits.flatten(0, -2)
    wanted = target.repeat_interleave(len(flat) // len(target))
    asked = (probability_of(multi_label), hit_of(multi_label)[0])
    values, hits = (score(flat, wanted).view(logits.shape[:-1]) for score in asked)
    return values, hits


def _road(subject: Subject) -> tuple[Measurement, ...]:
    logits, images = _walk(
        subject.network, subject.inputs, subject.attributions, subject.target, KEPT, NOISE, subject.batch_size,
        subject.seed, SHOWN,
    )  # fmt: skip
    probabilities, hits = _judged(logits, subject.target, subject.multi_label)
    evidence = {"scores": probabilities, "images": images}
    morf, lerf = probabilities.mean(2).unbind(1)
    first, last = hits.mean(2).unbind(1)
    words = "with 10 to 90 % of the pixels imputed"
    measures = {
        "road": (
            lerf - morf,
            f"mean probability {words}, smallest minus largest attribution first (ROAD, Rong 2022; twice "
            "pytorch-grad-cam's combined score, the paper has none)",
        ),
        "road-morf": (morf, f"mean probability {words}, largest attribution first (ROAD, Rong 2022)"),
        "road-lerf": (lerf, f"mean probability {words}, smallest attribution first (ROAD, Rong 2022)"),
        "road-hits": (
            last - first,
            f"{hits_of(subject)} {words}, smallest minus largest attribution first (ROAD, Rong 2022)",
        ),
    }

    def protocol(name: str, definition: str) -> Protocol:
        return Protocol(
            definition,
            score=hit_of(subject.multi_label)[1] if name == "road-hits" else score_words(subject.probability),
            sign="signed",
            fill=f"weighted mean of the neighbours plus Gaussian noise of {NOISE:g} normalised units",
            step="10 % of the pixels",
            samples=1,
            seed=subject.seed,
        )

    return tuple(
        Measurement(name, values, protocol(name, definition), evidence)
        for name, (values, definition) in measures.items()
    )


ROAD = Metric(
    "road",
    "ROAD",
    "How much probability the class keeps when the worst pixels are blended into their surroundings, and loses when "
    "the best are: no edges or blank patches of removed pixels give them away.",
    "Rong, Leemann, Borisov, Kasneci and Kasneci, ICML 2022; combined score: pytorch-grad-cam",
    (
        Column("road", "ROAD, LeRF - MoRF", "up"),
        Column("road-morf", "ROAD, MoRF", "down"),
        Column("road-lerf", "ROAD, LeRF", "up"),
        Column("road-hits", "ROAD, hits", "up"),
    ),
    _road,
    forwards=2 * len(KEPT),
    solves=2 * sum(KEPT),
    evidence="imputed",
)
