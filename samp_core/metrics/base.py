"""What every measure shares: what it is given, the protocol of its number, and a table that keeps protocols apart."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from samp_core.scores import Logit, Score, ScoreFunction, probability_of

Explain = Callable[[nn.Module, Tensor], Tensor]
"""``explain(network, images)`` gives the attributions (M, C, H, W) of M images by the method and settings measured.

M is N or a multiple of it; the images of each of the N come together, as ``repeat_interleave`` lays them out.
"""


@dataclass(frozen=True)
class Protocol:
    """Everything a number depends on beside photo, network and map. Only numbers of one protocol compare.

    Attributes:
        definition: what is computed, in words, with its source.
        score: what of the network's output is looked at; empty if the network is not asked.
        sign: whether attributions count signed or by magnitude.
        fill: what replaces removed pixels.
        step: how much changes at a time.
        normalisation: what the number is divided by.
        samples: number of random draws; None if nothing is drawn.
        seed: seed of the draws; None if nothing is drawn.
    """

    definition: str
    score: str = ""
    sign: str = ""
    fill: str = ""
    step: str = ""
    normalisation: str = ""
    samples: int | None = None
    seed: int | None = None

    def __str__(self) -> str:
        """Return the protocol as one line, what does not apply left out."""
        rest = (f"{f.name} {v}" for f in fields(self)[1:] if (v := getattr(self, f.name)) not in ("", None))
        return "; ".join([self.definition, *rest])


class ProtocolError(ValueError):
    """Numbers of different protocols were about to be compared."""


@dataclass(frozen=True)
class Measurement:
    """One measure of N maps.

    Attributes:
        name: which; the column it belongs to.
        values: the numbers, (N,); NaN where the measure is not defined, and ``note`` says why.
        protocol: how they came about.
        evidence: what they were made from, for showing: curves, sums and drops, other maps; each (N, ...).
        note: why a number is missing, for a user; empty otherwise.
    """

    name: str
    values: Float[Tensor, " n"]
    protocol: Protocol
    evidence: Mapping[str, Tensor] = field(default_factory=dict)
    note: str = ""


@dataclass(frozen=True)
class Subject:
    """N maps and all that a measure may want to know about them; never which method made them.

    Attributes:
        network: images (N, C, H, W) to logits (N, K); shared, so a measure that changes it copies it first.
        inputs: the explained images in the network's normalised space.
        target: explained class of each.
        attributions: the maps before channels are summed.
        score: what of the logits is explained.
        gap: largest relative completeness gap of each; None if the method promises no sum.
        explain: the method itself; None if the maps come from elsewhere, and what needs it says so.
        box: what a person marked, (left, top, right, bottom) as fractions of width and height.
        batch_size: most images sent through the network at once.
        seed: seed of everything random.
        multi_label: whether the network's classes do not exclude each other.
    """

    network: nn.Module
    inputs: Float[Tensor, "n c h w"]
    target: Int[Tensor, " n"]
    attributions: Float[Tensor, "n c h w"]
    score: Score = field(default_factory=Logit)
    gap: Float[Tensor, " n"] | None = None
    explain: Explain | None = None
    box: tuple[float, float, float, float] | None = None
    batch_size: int = 16
    seed: int = 0
    multi_label: bool = False

    @property
    def probability(self) -> Score:
        """The score that is the class's probability."""
        return probability_of(self.multi_label)

    @property
    def maps(self) -> Float[Tensor, "n h w"]:
        """The attribution of each pixel: the sum over channels."""
        return self.attributions.sum(1)


@dataclass(frozen=True)
class Column:
    """One number a metric gives: its name, its heading, and which way is better: ``up``, ``down`` or neither."""

    name: str
    title: str
    better: str = ""


EVIDENCE = {
    "": "the map itself",
    "curves": "scores of deletion and insertion: deletion, insertion (N, n + 1)",
    "kept": "whether the class stays first, by share kept and removed, and what ranked the pixels: hits (N, 2, S), "
    "ranked (N, H, W)",
    "imputed": "probability by share imputed, best and worst pixels first, and some of those photos: scores (N, 2, S), "
    "images (N, 2, P, C, H, W)",
    "sums": "attributions, and what the score loses without those pixels: sums, drops (N, K) or (N, sizes, K)",
    "map": "the map that differs most: maps (N, H, W)",
    "conditions": "maps made under other conditions, by their names: each (N, H, W)",
    "stages": "maps of ever more random networks, and how similar each is: maps (N, S, H, W), stages (N, S)",
    "box": "what was marked: mask (N, H, W)",
}
"""What a measurement's evidence holds, by kind."""


@dataclass(frozen=True)
class Metric:
    """One entry of the registry.

    Attributes:
        name: what command line and files call it.
        title: what people call it.
        summary: one sentence for somebody who has never heard of it.
        citation: where it comes from.
        columns: the numbers it gives.
        compute: measures a subject; one measurement a column.
        needs: ``explain``, ``box`` or ``gap``; empty if map and network are enough.
        forwards: forward passes it asks of the network, for estimates.
        explanations: how many times it explains anew, for estimates.
        solves: how many photos' worth of pixels it finds by linear equations, for estimates.
        evidence: name in :data:`EVIDENCE` of what its measurements carry.
    """

    name: str
    title: str
    summary: str
    citation: str
    columns: tuple[Column, ...]
    compute: Callable[[Subject], tuple[Measurement, ...]]
    needs: str = ""
    forwards: int = 0
    explanations: int = 0
    solves: float = 0.0
    evidence: str = ""


class ScoreTable:
    """Numbers of many maps side by side: rows are maps, columns metrics, and one column knows one protocol only."""

    def __init__(self) -> None:
        self.protocols: dict[str, Protocol] = {}
        self.rows: dict[str, dict[str, Measurement]] = {}

    def add(self, row: str, measurements: Iterable[Measurement]) -> None:
        """Put measurements into a row.

        Raises:
            ProtocolError: a column already holds numbers of another protocol.
        """
        for measurement in measurements:
            known = self.protocols.setdefault(measurement.name, measurement.protocol)
            if known != measurement.protocol:
                raise ProtocolError(
                    f"The column {measurement.name!r} holds numbers of one protocol ({known}), and this one has "
                    f"another ({measurement.protocol}). They do not compare: measure all rows with the same settings."
                )
            self.rows.setdefault(row, {})[measurement.name] = measurement


def score_words(score: Score) -> str:
    """Return a score's name for a protocol, e.g. ``Logit``, ``Contrast(a=1, b=2)``."""
    return str(score).removesuffix("()")


def pixel_maps(maps: Tensor, inputs: Tensor) -> Tensor:
    """Return attributions (N, C, H, W) or (N, H, W) as pixel maps (N, H, W).

    Raises:
        ValueError: they do not belong to the images.
    """
    found = maps.detach().sum(1) if maps.ndim == 4 else maps.detach()
    if found.shape != (len(inputs), *inputs.shape[2:]):
        raise ValueError(
            f"Maps of shape {tuple(maps.shape)} do not belong to images of shape {tuple(inputs.shape)}: (N, C, H, W) "
            "or (N, H, W) of the same images are needed."
        )
    return found


def score_of(
    forward_func: Callable[..., Tensor], target: Tensor | None, score: Score, count: int, batch_size: int
) -> Callable[[Tensor, Tensor], Tensor]:
    """Return a function from states (M, C, H, W) and the image each belongs to (M,) to scores (M,)."""
    return ScoreFunction(forward_func, target, score, (), count, batch_size).values


def correlation(a: Float[Tensor, "*b k"], b: Float[Tensor, "*b k"]) -> Float[Tensor, "*b"]:
    """Return Pearson's correlation over the last dimension, -1 to 1; NaN where one of them is constant."""
    (a, a_varies), (b, b_varies) = _centred(a), _centred(b)
    size = a.norm(dim=-1) * b.norm(dim=-1)
    return torch.where(a_varies & b_varies, (a * b).sum(-1) / size, torch.nan).clamp(-1, 1)


def _centred(values: Tensor) -> tuple[Tensor, Tensor]:
    """Return values less their mean, and whether they vary by more than rounding."""
    rest = values - values.mean(-1, keepdim=True)
    return rest, rest.norm(dim=-1) > 32 * torch.finfo(values.dtype).eps * values.norm(dim=-1)
