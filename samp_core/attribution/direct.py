"""Methods without a path: they hand over a map, in pieces of work small enough to be watched and stopped."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from samp_core.attribution.explanation import (
    AttributionMethod,
    Estimate,
    Explanation,
    Run,
    Target,
    explainable,
    ordinary,
)
from samp_core.baselines import Baseline, make_baseline
from samp_core.images import Preprocessing
from samp_core.networks import ClassifierError
from samp_core.rules import Completeness
from samp_core.scores import Cost, Score, ScoreFunction, as_target, differentiable, explained, require_finite


class UnsupportedError(ValueError):
    """A method cannot serve this network; the message says why, in words for its user."""

    @classmethod
    def of_copy(cls, error: ClassifierError) -> UnsupportedError:
        """Return what a method has to say that works on a copy of the network where there can be none."""
        return cls(
            f"This method looks into a copy of the network. {error} Or choose a method that leaves the network as it "
            "is, such as SAMP or Occlusion."
        )


@dataclass
class Task:
    """What a direct method works on.

    Attributes:
        inputs: images in the network's normalised space, (N, C, H, W).
        target: explained class of each image, (N,).
        score: score and gradient of images, counted; ``score.values(states, images)`` and ``score.gradients(...)``.
        network: the user's own module, shared between threads: never hook it, copy it first.
        batch_size: most images sent through the network at once.
        seed: seed of everything random.
        preprocessing: how the images were normalised.
        settled: options that are left to the method, by name; it fills in what it chose.
        notes: what a reader has to know about the map, in sentences; the method adds to them.
    """

    inputs: Float[Tensor, "n c h w"]
    target: Tensor
    score: ScoreFunction
    network: nn.Module
    batch_size: int
    seed: int
    preprocessing: Preprocessing
    settled: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def cost(self) -> Cost:
        """What was asked of the network so far; a method that calls it by other ways adds to this."""
        return self.score.cost

    def baseline(self, name: str) -> Baseline:
        """Return the baseline of this name for these images."""
        return make_baseline(name, self.preprocessing, self.seed)

    def scored(self, network: nn.Module) -> ScoredNetwork:
        """Return ``network`` (a copy) as a module that gives the explained score of each image."""
        return ScoredNetwork(network, self.score.score)


class ScoredNetwork(nn.Module):
    """A network with its score on top: images (N, C, H, W) and targets (N,) to scores (N,).

    Libraries that want to choose an output themselves are given this instead, so that every method explains the very
    same score.
    """

    def __init__(self, network: nn.Module, score: Score) -> None:
        super().__init__()
        self.network, self.score = network, score

    def forward(self, images: Tensor, target: Tensor) -> Tensor:
        """Return the score of each image.

        Raises:
            ValueError: the network's output is not logits with these classes.
            PathError: a score is not finite, or the network cannot be differentiated.
        """
        with differentiable():
            output = self.network(images)
        scores = explained(self.score, output, target, len(images))
        require_finite(scores, "score")
        return scores


@dataclass(frozen=True)
class Decomposition:
    """Attributions (N, C or 1, H, W) that promise to add up to ``total`` (N,), in units of the score."""

    attributions: Tensor
    total: Float[Tensor, " n"]


Pieces = Generator[float, None, Tensor | Decomposition]
"""A method at work: it yields the fraction done after each piece and returns attributions (N, C or 1, H, W), as a
:class:`Decomposition` if they promise a sum."""


class DirectRun(Run):
    """One run of a method without a path. Iterate over it to do the work; the fraction done comes out."""

    def __init__(self, work: Pieces, task: Task) -> None:
        self._work, self._task = work, task
        self._attributions: Tensor | None = None
        self._total: Tensor | None = None
        self._iterator = self._iterate()
        self._progress = 0.0

    @property
    def progress(self) -> float:
        """Fraction done, 0 to 1."""
        return self._progress

    @property
    def cost(self) -> Cost:
        """What was asked of the network so far."""
        return self._task.cost

    def __iter__(self) -> Iterator[float]:
        return self._iterator

    def _iterate(self) -> Iterator[float]:
        while not self._stopped:
            began = time.perf_counter()
            try:
                with ordinary():
                    self._progress = next(self._work)
            except StopIteration as end:
                self._keep(end.value)
                return
            finally:
                self.seconds += time.perf_counter() - began
            yield self._progress
        self._work.close()  # lets the method take its hooks off

    def _keep(self, made: Tensor | Decomposition) -> None:
        if isinstance(made, Decomposition):
            self._total, made = made.total.detach(), made.attributions
        inputs, attributions = self._task.inputs, made.detach()
        if attributions.shape != inputs.shape:  # one map for all channels: each carries an equal part of it
            attributions = attributions.expand_as(inputs) / inputs.shape[1]
        self._attributions, self._progress = attributions, 1.0

    def result(self) -> Explanation:
        """Return the explanation; of a stopped run an empty map that says so, since half the work is no map.

        Raises:
            PathError: the map is not finite.
        """
        inputs = self._task.inputs
        finished = self._attributions is not None
        attributions = torch.zeros_like(inputs) if self._attributions is None else self._attributions
        n = len(inputs)
        targets = inputs.new_zeros((0, n)) if self._total is None else self._total.unsqueeze(0)
        sums = attributions.sum((1, 2, 3)).expand(len(targets), -1).to(targets)
        return Explanation(
            attributions=attributions,
            by_direction=inputs.new_zeros((0, *inputs.shape)),
            directions=(),
            order=inputs.new_full((n, *inputs.shape[2:]), 0.5),
            scores=inputs.new_zeros((0, 0, n)),
            completeness=Completeness(sums, targets),
            finished=finished,
            notes=(*self._task.score.notes, *self._task.notes) if finished else ("Stopped before there was a map.",),
            steps=torch.zeros((0, n), dtype=torch.long),
            cost=self.cost,
            seconds=self.seconds,
            settled=self._task.settled,
        )


class DirectMethod(AttributionMethod):
    """A method without a path.

    Args:
        network: images (N, C, H, W) to logits (N, K).
        work: the method itself: from a task to its work in pieces.
        score: what of the logits is explained.
        gradients: expected gradient evaluations of one image of a height and a width, for estimates; forward passes
            count a third.
        preprocessing: how the images are normalised.
        batch_size: most images sent through the network at once.
        seed: seed of everything random.

    Raises:
        ValueError: ``batch_size`` is not positive.
    """

    def __init__(
        self,
        network: nn.Module,
        work: Callable[[Task], Pieces],
        *,
        score: Score,
        gradients: Callable[[int, int], float],
        preprocessing: Preprocessing,
        batch_size: int = 16,
        seed: int = 0,
    ) -> None:
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, not {batch_size}.")
        self.network, self.work, self.score = network, work, score
        self.gradients, self.preprocessing = gradients, preprocessing
        self.batch_size, self.seed = batch_size, seed

    def estimate(self, height: int, width: int) -> Estimate:
        """Return what a run on one image of this size will ask of the network."""
        count = math.ceil(self.gradients(height, width) - 1e-9)  # thirds add up to wholes
        return Estimate(1, 1, count, count)

    def start(
        self, inputs: Float[Tensor, "n c h w"], target: Target = None, additional_forward_args: Any = None
    ) -> DirectRun:
        """Prepare a run; nothing is computed until somebody iterates over it.

        Raises:
            ValueError: these are no images, there is no target, or there are further arguments.
            PathError: an image is not finite.
        """
        if additional_forward_args is not None:
            raise ValueError("Only path methods pass further arguments on: wrap the network so that it needs none.")
        inputs = explainable(inputs)
        with ordinary():
            targets = as_target(target, len(inputs), inputs.device)
        if targets is None:
            raise ValueError("This method needs a class to explain: pass target=.")
        score = ScoreFunction(self.network, targets, self.score, (), len(inputs), self.batch_size)
        task = Task(inputs, targets, score, self.network, self.batch_size, self.seed, self.preprocessing)
        return DirectRun(self.work(task), task)
