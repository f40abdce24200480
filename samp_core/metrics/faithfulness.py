"""Whether a map says what the network does: measures that change pixels and look at the score."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from jaxtyping import Float, Int
from torch import Tensor

from samp_core.baselines import Baseline, Zero
from samp_core.metrics.base import (
    Column,
    Measurement,
    Metric,
    Protocol,
    Subject,
    correlation,
    pixel_maps,
    score_of,
    score_words,
)
from samp_core.metrics.curves import Target, mix, ranks
from samp_core.scores import Logit, Score, as_target

KEPT = tuple(k / 10 for k in range(1, 10))
SIZES = (0.05, 0.2, 0.5)


@dataclass(frozen=True)
class _First:
    """1 where the target has the largest logit, 0 where it has not; NaN if a logit is no number."""

    def __call__(self, logits: Float[Tensor, "n k"], target: Int[Tensor, " n"]) -> Float[Tensor, " n"]:
        hit = (logits.argmax(1) == target).to(logits.dtype)
        return torch.where(logits.isnan().any(1), torch.nan, hit)

    def describe(self, label: Callable[[int], str], target: int) -> str:
        return f"whether {label(target)} comes first"


@dataclass(frozen=True)
class _Present:
    """1 where the target's logit is above 0, 0 where it is not; NaN if it is no number."""

    def __call__(self, logits: Float[Tensor, "n k"], target: Int[Tensor, " n"]) -> Float[Tensor, " n"]:
        logit = Logit()(logits, target)
        return torch.where(logit.isnan(), torch.nan, (logit > 0).to(logits.dtype))

    def describe(self, label: Callable[[int], str], target: int) -> str:
        return f"whether {label(target)} is seen"


def hit_of(multi_label: bool) -> tuple[Score, str]:
    """Return the score that is 1 where a network still finds a class and 0 where not, and what it asks, in words."""
    if multi_label:
        return _Present(), "explained class is seen, its logit above 0"
    return _First(), "explained class comes first"


def hits_of(subject: Subject) -> str:
    """Return what hits are called."""
    return "hits" if subject.multi_label else "top-1 hits"


def diffid(
    forward_func: Callable[..., Tensor],
    inputs: Float[Tensor, "n c h w"],
    maps: Float[Tensor, "n ..."],
    target: Target,
    *,
    fractions: Sequence[float] = KEPT,
    baseline: Baseline | None = None,
    signed: bool = True,
    batch_size: int = 16,
    multi_label: bool = False,
) -> tuple[Float[Tensor, " n"], Float[Tensor, "n 2 k"]]:
    """Return how much more often the class stays first with the best pixels kept than with them removed.

    For each fraction the pixels of largest attribution are kept alone, then removed alone; a hit is a network that
    still puts ``target`` first. DiffID is the mean over fractions of hits kept minus hits removed, -1 to 1; higher is
    better. Yang et al., "Re-calibrating Feature Attributions for Model Interpretation", ICLR 2023. Unsigned, a pixel
    that speaks strongly against the class is among the best, too: Kim et al., "Spectral Integrated Gradients for
    Coarse-to-Fine Feature Attribution", KDD 2026, arXiv 2605.19607. Their code ranks the values of the channels one
    by one and fills with the mean of the values left; here both rank pixels and fill alike, so that the sign is all
    that differs.

    Args:
        forward_func: images (N, C, H, W) to logits (N, K).
        inputs: images in the network's normalised space.
        maps: attributions, (N, C, H, W) or (N, H, W); channels are summed.
        target: explained class, one for all images or one for each.
        fractions: shares of the pixels, 0 to 1.
        baseline: what replaces the others; zeros by default.
        signed: whether pixels are ranked by attribution or by its magnitude.
        batch_size: most images sent through the network at once.
        multi_label: whether the network's classes do not exclude each other; a hit is then a logit above 0.

    Returns:
        DiffID (N,), and the hits with pixels kept and removed, 0 or 1, (N, 2, len(fractions)).
    """
    inputs = inputs.detach()
    fill = Zero() if baseline is None else baseline
    wanted = as_target(target, len(inputs), inputs.device)
    if wanted is None:
        raise ValueError("DiffID asks whether a class comes first, so it needs that class: pass target=.")
    place, blank = ranks(inputs, maps if signed else pixel_maps(maps, inputs).abs()), fill(inputs)
    count, everyone = inputs[0, 0].numel(), torch.arange(len(inputs), device=inputs.device)
    first = score_of(forward_func, wanted, hit_of(multi_label)[0], len(inputs), batch_size)
    hits = [
        torch.stack([first(mix(*ends, place, round(fraction * count)), everyone) for fraction in fractions], 1)
        for ends in ((blank, inputs), (inputs, blank))
    ]
    found = torch.stack(hits, 1).to(inputs.dtype)
    return (found[:, 0] - found[:, 1]).mean(1), found


def _drops(
    forward_func: Callable[..., Tensor],
    inputs: Tensor,
    target: Tensor | None,
    score: Score,
    fill: Baseline,
    masks: Tensor,
    batch_size: int,
) -> Tensor:
    """Return how far each image's score falls when the pixels of each mask (S, H, W) are replaced, (N, S)."""
    values = score_of(forward_func, target, score, len(inputs), batch_size)
    blank, everyone = fill(inputs), torch.arange(len(inputs), device=inputs.device)
    whole = values(inputs, everyone)
    after = [values(torch.where(mask, blank, inputs), everyone) for mask in masks]
    return whole.unsqueeze(1) - torch.stack(after, 1)


def sensitivity_n(
    forward_func: Callable[..., Tensor],
    inputs: Float[Tensor, "n c h w"],
    maps: Float[Tensor, "n ..."],
    target: Target = None,
    *,
    sizes: Sequence[float] = SIZES,
    samples: int = 32,
    baseline: Baseline | None = None,
    score: Score | None = None,
    batch_size: int = 16,
    seed: int = 0,
) -> tuple[Float[Tensor, " n"], Float[Tensor, "n z s"], Float[Tensor, "n z s"]]:
    """Return how well sums of attributions over random pixels predict the score's drop without them.

    For each size, ``samples`` random sets of that many pixels are replaced by the baseline; Pearson's correlation of
    drop and sum of attributions, averaged over sizes, -1 to 1. NaN if one of them is constant.
    Ancona et al., "Towards better understanding of gradient-based attribution methods", ICLR 2018, definition 2.

    Args:
        forward_func: images (N, C, H, W) to logits (N, K), or to one number an image if ``target`` is None.
        inputs: images in the network's normalised space.
        maps: attributions, (N, C, H, W) or (N, H, W); channels are summed.
        target: explained class, one for all images or one for each.
        sizes: shares of the pixels that a set holds, 0 to 1.
        samples: number of sets of each size; the same for all images.
        baseline: what replaces them; zeros by default.
        score: what of the logits is looked at; the logit by default.
        batch_size: most images sent through the network at once.
        seed: seed of the sets.

    Returns:
        Sensitivity-N (N,), the sums of attributions and the drops they are correlated from, (N, len(sizes), samples).
    """
    inputs = inputs.detach()
    found = pixel_maps(maps, inputs)
    height, width = found.shape[1:]
    generator = torch.Generator().manual_seed(seed)
    masks = torch.zeros(len(sizes) * samples, height * width, dtype=torch.bool)
    for row, mask in enumerate(masks):
        count = max(1, round(sizes[row // samples] * height * width))
        mask[torch.randperm(height * width, generator=generator)[:count]] = True
    masks = masks.view(-1, height, width).to(inputs.device)
    fill = Zero() if baseline is None else baseline
    wanted = as_target(target, len(inputs), inputs.device)
    drops = _drops(forward_func, inputs, wanted, score or Logit(), fill, masks, batch_size)
    sums = found.flatten(1) @ masks.flatten(1).to(found.dtype).T
    shape = (len(inputs), len(sizes), samples)
    sums, drops = sums.view(shape), drops.view(shape)
    return correlation(sums.to(drops.dtype), drops).mean(1), sums, drops


def mu_fidelity(
    forward_func: Callable[..., Tensor],
    inputs: Float[Tensor, "n c h w"],
    maps: Float[Tensor, "n ..."],
    target: Target = None,
    *,
    grid: int = 9,
    share: float = 0.2,
    samples: int = 96,
    baseline: Baseline | None = None,
    score: Score | None = None,
    batch_size: int = 16,
    seed: int = 0,
) -> tuple[Float[Tensor, " n"], Float[Tensor, "n s"], Float[Tensor, "n s"]]:
    """Return how well sums of attributions over random squares predict the score's drop without them.

    Like :func:`sensitivity_n` with sets of whole cells of a ``grid`` x ``grid`` division instead of single pixels,
    which a network notices more. Bhatt, Weller and Moura, "Evaluating and Aggregating Feature-based Model
    Explanations", IJCAI 2020, definition 3 (faithfulness), Pearson's correlation.

    Args:
        forward_func, inputs, maps, target, baseline, score, batch_size, seed: see :func:`sensitivity_n`.
        grid: cells along each side.
        share: share of the cells that a set holds, 0 to 1.
        samples: number of sets; the same for all images.

    Returns:
        mu-Fidelity (N,), the sums of attributions and the drops it is correlated from, (N, samples).
    """
    inputs = inputs.detach()
    found = pixel_maps(maps, inputs)
    height, width = found.shape[1:]
    grid = min(grid, height, width)
    cells = (torch.arange(height) * grid // height).unsqueeze(1) * grid + torch.arange(width) * grid // width
    generator = torch.Generator().manual_seed(seed)
    count = max(1, round(share * grid * grid))
    chosen = [torch.randperm(grid * grid, generator=generator)[:count] for _ in range(samples)]
    masks = torch.stack([torch.isin(cells, c) for c in chosen]).to(inputs.device)
    fill = Zero() if baseline is None else baseline
    wanted = as_target(target, len(inputs), inputs.device)
    drops = _drops(forward_func, inputs, wanted, score or Logit(), fill, masks, batch_size)
    sums = found.flatten(1) @ masks.flatten(1).to(found.dtype).T
    return correlation(sums.to(drops.dtype), drops), sums, drops


def infidelity(
    forward_func: Callable[..., Tensor],
    inputs: Float[Tensor, "n c h w"],
    attributions: Float[Tensor, "n c h w"],
    target: Target = None,
    *,
    side: float = 0.25,
    samples: int = 48,
    baseline: Baseline | None = None,
    score: Score | None = None,
    batch_size: int = 16,
    seed: int = 0,
) -> Float[Tensor, " n"]:
    """Return the mean squared error of predicting, from the attributions, what random squares are worth; >= 0.

    captum's infidelity: a square is replaced by the baseline, its attributions' sum is the prediction, the score's drop
    the truth. The map is scaled by the factor that suits it best, so that maps of different units compare; in squared
    units of the score, lower is better. Yeh et al., "On the (In)fidelity and Sensitivity of Explanations", NeurIPS
    2019, square removal.

    Args:
        forward_func, inputs, target, baseline, score, batch_size, seed: see :func:`sensitivity_n`.
        attributions: maps before channels are summed.
        side: side of the squares as a share of the image's, 0 to 1.
        samples: squares an image; the same for all images.
    """
    inputs = inputs.detach()
    height, width = inputs.shape[2:]
    wanted = as_target(target, len(inputs), inputs.device)
    fill = Zero() if baseline is None else baseline
    generator = torch.Generator().manual_seed(seed)
    values = score_of(forward_func, wanted, score or Logit(), len(inputs), batch_size)
    everyone = torch.arange(len(inputs), device=inputs.device)

    def asked(images: Tensor) -> Tensor:
        return values(images, everyone.repeat_interleave(len(images) // len(everyone)))

    def without_squares(images: Tensor) -> tuple[Tensor, Tensor]:
        # The same squares for every image, drawn sample by sample, so that no batch size changes them.
        masks = torch.zeros_like(images).view(len(inputs), -1, *images.shape[1:])
        tall, wide = max(1, round(side * height)), max(1, round(side * width))
        for k in range(masks.shape[1]):
            top = int(torch.randint(height - tall + 1, (), generator=generator))
            left = int(torch.randint(width - wide + 1, (), generator=generator))
            masks[:, k, :, top : top + tall, left : left + wide] = 1
        masks = masks.view_as(images)
        return masks, torch.where(masks > 0, fill(images), images)

    from captum.metrics import infidelity as captum_infidelity  # noqa: PLC0415 - only this measure needs captum

    found: Tensor = captum_infidelity(
        asked, without_squares, inputs, attributions.detach(), n_perturb_samples=samples,
        max_examples_per_batch=max(batch_size, len(inputs)), normalize=True,
    )  # fmt: skip
    return found


def _diffid(subject: Subject, signed: bool) -> tuple[Measurement, ...]:
    ranked = subject.maps if signed else subject.maps.abs()
    values, hits = diffid(
        subject.network, subject.inputs, ranked, subject.target, batch_size=subject.batch_size,
        multi_label=subject.multi_label,
    )  # fmt: skip
    protocol = Protocol(
        f"{hits_of(subject)} with the best 10 to 90 % of pixels kept, minus those with them removed (Yang 2023"
        + (")" if signed else "; by magnitude: Kim 2026, whose code ranks single channels and fills with a mean)"),
        score=hit_of(subject.multi_label)[1],
        sign="signed" if signed else "magnitude",
        fill=str(Zero()),
        step="10 % of the pixels",
    )
    return (Measurement("diffid" if signed else "diffid-unsigned", values, protocol, {"hits": hits, "ranked": ranked}),)


def _sensitivity_n(subject: Subject) -> tuple[Measurement, ...]:
    samples = 32
    values, sums, drops = sensitivity_n(
        subject.network, subject.inputs, subject.attributions, subject.target, samples=samples, score=subject.score,
        batch_size=subject.batch_size, seed=subject.seed,
    )  # fmt: skip
    return _correlated(
        "sensitivity-n",
        subject,
        "Pearson correlation of attributed sums and drops over random pixels, mean of sizes (Ancona 2018)",
        "sets of " + ", ".join(f"{100 * s:.0f}" for s in SIZES) + " % of the pixels",
        samples,
        (values, sums, drops),
    )


def _mu_fidelity(subject: Subject) -> tuple[Measurement, ...]:
    samples = 96
    found = mu_fidelity(
        subject.network, subject.inputs, subject.attributions, subject.target, samples=samples, score=subject.score,
        batch_size=subject.batch_size, seed=subject.seed,
    )  # fmt: skip
    return _correlated(
        "mu-fidelity",
        subject,
        "Pearson correlation of attributed sums and drops over random squares (Bhatt 2020)",
        "20 % of the cells of a 9 x 9 grid",
        samples,
        found,
    )


def _correlated(
    name: str, subject: Subject, definition: str, step: str, samples: int, found: tuple[Tensor, Tensor, Tensor]
) -> tuple[Measurement, ...]:
    values, sums, drops = found
    protocol = Protocol(
        definition,
        score=score_words(subject.score),
        sign="signed",
        fill=str(Zero()),
        step=step,
        samples=samples,
        seed=subject.seed,
    )
    note = "" if bool(values.isfinite().all()) else "Sums or drops are all the same, so nothing correlates."
    return (Measurement(name, values, protocol, {"sums": sums, "drops": drops}, note),)


def _infidelity(subject: Subject) -> tuple[Measurement, ...]:
    samples = 48
    values = infidelity(
        subject.network, subject.inputs, subject.attributions, subject.target, samples=samples, score=subject.score,
        batch_size=subject.batch_size, seed=subject.seed,
    )  # fmt: skip
    protocol = Protocol(
        "mean squared error of attributed sums against drops without random squares (Yeh 2019, captum)",
        score=score_words(subject.score),
        sign="signed",
        fill=str(Zero()),
        step="one square of a quarter of the side",
        normalisation="optimal scaling of the map",
        samples=samples,
        seed=subject.seed,
    )
    return (Measurement("infidelity", values, protocol),)


DIFFID = Metric(
    "diffid",
    "DiffID",
    "How much longer the class stays the network's first choice (in a multi-label network: is seen) when the best "
    "pixels are kept than when they go.",
    "Yang, Akhtar, Wen, Shah and Mian, ICLR 2023",
    (Column("diffid", "DiffID", "up"),),
    partial(_diffid, signed=True),
    forwards=2 * len(KEPT),
    evidence="kept",
)
DIFFID_UNSIGNED = Metric(
    "diffid-unsigned",
    "DiffID, unsigned",
    "How much longer the class stays the network's first choice (in a multi-label network: is seen) when the pixels of "
    "the largest |a| are kept than when they go: what speaks strongly against the class counts as important, too.",
    "Yang, Akhtar, Wen, Shah and Mian, ICLR 2023; by |a|: Kim, Lim, Lee and Choi (SIG), KDD 2026, arXiv 2605.19607",
    (Column("diffid-unsigned", "DiffID, unsigned", "up"),),
    partial(_diffid, signed=False),
    forwards=2 * len(KEPT),
    evidence="kept",
)
SENSITIVITY_N = Metric(
    "sensitivity-n",
    "Sensitivity-N",
    "Whether what random sets of pixels were given predicts what the score loses without them.",
    "Ancona et al., ICLR 2018",
    (Column("sensitivity-n", "Sensitivity-N", "up"),),
    _sensitivity_n,
    forwards=97,
    evidence="sums",
)
MU_FIDELITY = Metric(
    "mu-fidelity",
    "mu-Fidelity",
    "Whether what random squares were given predicts what the score loses without them. The network notices a square "
    "more than as many single pixels.",
    "Bhatt, Weller and Moura, IJCAI 2020",
    (Column("mu-fidelity", "mu-Fidelity", "up"),),
    _mu_fidelity,
    forwards=97,
    evidence="sums",
)
INFIDELITY = Metric(
    "infidelity",
    "Infidelity",
    "How badly the map predicts what the score loses without a square of the photo.",
    "Yeh et al., NeurIPS 2019; captum",
    (Column("infidelity", "Infidelity", "down"),),
    _infidelity,
    forwards=96,
)
