"""What a run gives, what it will cost, and the one face of all methods and their runs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from samp_core.order import ranks
from samp_core.paths import Step
from samp_core.rules import Completeness
from samp_core.scores import Cost, PathError, is_finite

FIRM = 0.9
"""Share of the copies that must agree on a pixel's sign for it to be called firm."""

Target = int | Sequence[int] | Tensor | None
"""Explained class: one for all images, one for each, or None where the network gives one number an image."""


@dataclass(frozen=True)
class Estimate:
    """What a run will ask of the network, for one image.

    Attributes:
        steps: expected number of moves, and ``step_bound`` the largest possible.
        gradients: expected number of images sent forward and backward, over all directions; an image that is
            sent forward only counts as a third, but those at the ends of paths do not count.
        gradient_bound: the largest possible number of those.
    """

    steps: int
    step_bound: int
    gradients: int
    gradient_bound: int


@dataclass(frozen=True)
class Belief:
    """How far the copies of N photos agree on each pixel; see :class:`~samp_core.attribution.Copies`.

    Attributes:
        copies: number of copies.
        agreement: share of the copies in which a pixel's credit has the sign that it has in their mean, (N, H, W).
        low, high: where a pixel stands in the copies' maps, from 0, the largest credit, to 1: all but the outer 5 % of
            the copies on each side, (N, H, W).
    """

    copies: int
    agreement: Float[Tensor, "n h w"]
    low: Float[Tensor, "n h w"]
    high: Float[Tensor, "n h w"]

    @classmethod
    def of(cls, maps: Float[Tensor, "m n h w"]) -> Belief:
        """Return what the maps of M copies say."""
        side = maps.mean(0).sign()
        agreement = (maps.sign() == side).to(maps.dtype).mean(0)
        last = max(1, maps[0, 0].numel() - 1)
        # Copy by copy: sorting takes several times a map's memory.
        places = torch.stack([ranks(copy.flatten(1), descending=True).to(maps.dtype) / last for copy in maps])
        outer = maps.new_tensor([0.05, 0.95])
        low, high = torch.quantile(places, outer, 0).view(2, *maps.shape[1:])
        return cls(len(maps), agreement, low, high)

    @property
    def firm(self) -> Bool[Tensor, "n h w"]:
        """Which pixels nearly all copies give credit of one sign, (N, H, W): at least :data:`FIRM` of them."""
        return self.agreement >= FIRM


@dataclass(frozen=True)
class Explanation:
    """What came out of a run over N images of shape (C, H, W), in D directions with at most K moves.

    Attributes:
        attributions: credit of each pixel value, (N, C, H, W), in units of the score; positive speaks for the class.
        by_direction: the same for each direction alone, (D, N, C, H, W).
        directions: names of the D directions.
        order: how early a pixel moved, 1 first to 0 last, mean of the directions, (N, H, W); 0.5 if it never moved.
        scores: score at each state, (K + 1, D, N); NaN once a path has arrived, its last score is its last number.
        completeness: sums, targets and gaps, (D, N); of a method without directions that promises a sum, (1, N). Its
            rows are named by :attr:`promises`.
        finished: whether every path arrived; if not, the maps cover the way walked so far.
        notes: what a reader has to know about this result, in sentences.
        steps: number of moves of each path, (D, N).
        cost: what was asked of the network.
        seconds: wall time, not counting time in which nobody asked for the next step.
        settled: options that were left to the method, by name, with the value that it chose.
        belief: how far copies of the photo agree, if there were several.
    """

    attributions: Float[Tensor, "n c h w"]
    by_direction: Float[Tensor, "d n c h w"]
    directions: tuple[str, ...]
    order: Float[Tensor, "n h w"]
    scores: Float[Tensor, "k d n"]
    completeness: Completeness
    finished: bool
    notes: tuple[str, ...]
    steps: Tensor
    cost: Cost
    seconds: float
    settled: Mapping[str, str] = field(default_factory=dict)
    belief: Belief | None = None

    def __post_init__(self) -> None:
        if not is_finite(self.attributions):
            raise PathError(
                "The map holds values that are not finite numbers (NaN or infinity), so there is nothing to show. "
                "Likely causes: overflow in half precision, or activations that are not finite. Run the network in "
                "float32, or choose another method or baseline."
            )

    @property
    def promises(self) -> tuple[str, ...]:
        """Names of the sums that the map promises, the rows of :attr:`completeness`: its directions, or ``map``."""
        return self.directions or ("map",) * len(self.completeness.sums)

    @property
    def maps(self) -> Float[Tensor, "n h w"]:
        """The attribution of each pixel: the sum over channels."""
        return self.attributions.sum(1)

    @property
    def is_empty(self) -> bool:
        """Whether the run was stopped before it had given any credit, so that there is no map of it."""
        return not self.finished and not bool(self.attributions.any())

    def cpu(self) -> Explanation:
        """Return the same in the CPU's memory, to be shown and kept."""
        return _on_cpu(self)


P = TypeVar("P", bound=Explanation | Completeness | Belief)


def _on_cpu(parts: P) -> P:
    moved: dict[str, Any] = {}
    for name, value in vars(parts).items():
        if isinstance(value, Tensor):
            moved[name] = value.cpu()
        elif isinstance(value, Completeness | Belief):
            moved[name] = _on_cpu(value)
    return replace(parts, **moved)


def explainable(inputs: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
    """Return images as a run may use them: no part of a graph, and ordinary tensors even in inference mode.

    Raises:
        ValueError: these are no images.
        PathError: an image is not finite.
    """
    if not isinstance(inputs, Tensor) or inputs.ndim != 4 or not inputs.is_floating_point():
        is_tensor = isinstance(inputs, Tensor)
        given = f"{inputs.dtype} of shape {tuple(inputs.shape)}" if is_tensor else f"a {type(inputs).__name__}"
        raise ValueError(f"inputs must be one tensor of floating point images (N, C, H, W), not {given}.")
    if not inputs.numel():
        raise ValueError(f"There is nothing to explain: inputs has shape {tuple(inputs.shape)}.")
    if not is_finite(inputs):
        raise PathError("The image holds values that are not finite numbers (NaN or infinity); clean it first.")
    with ordinary():
        return inputs.clone() if inputs.is_inference() else inputs.detach()


def ordinary() -> AbstractContextManager[None]:
    """Leave the inference mode that a caller may be in: its tensors could not be differentiated."""
    return torch.inference_mode(False)


class Run(ABC):
    """One run of a method over a batch of images. Iterate over it to do the work, piece by piece.

    Stop iterating, or call :meth:`stop`, and :meth:`result` says what there is so far. An exception inside the network
    ends the iteration and leaves network and images as they were.

    Attributes:
        directions: names of the ways that it walks; empty without a path.
        seconds: time spent so far, not counting time in which nobody asked for the next piece.
    """

    directions: tuple[str, ...] = ()
    seconds: float = 0.0
    _stopped = False

    @abstractmethod
    def __iter__(self) -> Iterator[Step | float]:
        """Do the next piece of work: a move of a path, or without one the fraction done."""

    @property
    @abstractmethod
    def cost(self) -> Cost:
        """What was asked of the network so far."""

    @property
    @abstractmethod
    def progress(self) -> float:
        """Expected fraction done, 0 to 1."""

    @abstractmethod
    def result(self) -> Explanation:
        """Return the explanation of the work done so far; ends the run.

        Raises:
            PathError: the map is not finite.
        """

    def stop(self) -> None:
        """End the iteration before its next piece of work. Safe to call from another thread."""
        self._stopped = True

    def partial(self) -> Float[Tensor, "n c h w"] | None:
        """Return the attributions so far, at no cost; None while there are none."""
        return None

    def finish(self) -> Explanation:
        """Do all that is left and return the explanation."""
        for _ in self:
            pass
        return self.result()


class AttributionMethod(ABC):
    """A method built for one network: it starts runs, and says beforehand what they will cost."""

    @abstractmethod
    def start(
        self, inputs: Float[Tensor, "n c h w"], target: Target = None, additional_forward_args: Any = None
    ) -> Run:
        """Prepare a run; nothing is computed until somebody iterates over it.

        Args:
            inputs: images in the network's normalised space; floating point, not modified.
            target: explained class, one for all images or one for each.
            additional_forward_args: further arguments of the network; tensors of N rows are matched to images.

        Raises:
            ValueError: inputs, targets or settings do not fit together.
            PathError: an input is not finite.
        """

    @abstractmethod
    def estimate(self, height: int, width: int) -> Estimate:
        """Return what a run on one image of this size will ask of the network."""

    def explain(
        self, inputs: Float[Tensor, "n c h w"], target: Target = None, additional_forward_args: Any = None
    ) -> Explanation:
        """Run to the end and return everything known about the result."""
        return self.start(inputs, target, additional_forward_args).finish()

    def attribute(
        self, inputs: Float[Tensor, "n c h w"], target: Target = None, additional_forward_args: Any = None
    ) -> Float[Tensor, "n c h w"]:
        """Return the attributions, same shape as ``inputs``; their sum over channels is the pixel map.

        Raises:
            ValueError: inputs, targets or settings do not fit together.
            PathError: there is no complete map.
        """
        return self._finished(inputs, target, additional_forward_args).attributions

    def _finished(self, inputs: Tensor, target: Target, additional_forward_args: Any) -> Explanation:
        explanation = self.explain(inputs, target, additional_forward_args)
        if not explanation.finished:
            raise PathError(" ".join(explanation.notes) + " Raise max_steps, or use start() to accept a partial map.")
        return explanation
