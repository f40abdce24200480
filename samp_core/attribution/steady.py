"""One map from many copies of a photo: their mean, and how far they agree.

A search on a real network is chaotic: noise that nobody sees turns the order of its pixels round. What its maps share
is not chaotic, and many short searches show it for the price of one long one. Any other method can be asked in the same
way.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from samp_core.attribution.explanation import (
    AttributionMethod,
    Belief,
    Estimate,
    Explanation,
    Run,
    Target,
    explainable,
    ordinary,
)
from samp_core.attribution.path import PathMethod, PathRun
from samp_core.paths import Endpoints, OpenPath, Step
from samp_core.rules import Completeness
from samp_core.scores import Cost, as_target

MOST_COPIES = 1000


@dataclass(frozen=True)
class Copies:
    """How many copies of every photo are explained, and how they differ from it.

    Attributes:
        count: number of copies; 1 is the photo itself, untouched.
        noise: standard deviation of the Gaussian noise on each copy, in the network's normalised units; 0.02 is one
            to three grey levels of a photo, by its normalisation.
        shift: most pixels by which a copy is moved each way; what leaves on one side comes back on the other, and its
            map is moved back.
        seed: seed of the copies. Every photo of a batch gets the same noise, so that a batch changes nothing.
        together: most copies of a round, after which the map is there anew; by default, and at most, as many as the
            method's ``batch_size`` lets through the network at once.

    Raises:
        ValueError: a number is out of its range, or several copies would all be the same.
    """

    count: int = 1
    noise: float = 0.02
    shift: int = 0
    seed: int = 0
    together: int | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.count <= MOST_COPIES:
            raise ValueError(f"copies must be from 1 to {MOST_COPIES}, not {self.count}.")
        if self.together is not None and self.together < 1:
            raise ValueError(f"A round must have at least one copy, not {self.together}.")
        if not 0 <= self.noise < np.inf or self.shift < 0:
            raise ValueError(f"The copies' noise and shift must be at least 0, not {self.noise} and {self.shift}.")
        if self.count > 1 and not self.noise and not self.shift:
            raise ValueError(
                f"{self.count} copies without noise or shift would all be the photo itself. Set one of both, or make "
                "one copy."
            )

    def make(self, images: Float[Tensor, "n c h w"], first: int, count: int) -> Float[Tensor, "m c h w"]:
        """Return ``count`` copies of all images from copy ``first`` on, copy by copy, (count * N, C, H, W)."""
        return torch.cat([self._one(images, number) for number in range(first, first + count)])

    def _one(self, images: Tensor, number: int) -> Tensor:
        generator, shifts = self._drawn(number)
        noise = torch.randn(images.shape[1:], generator=generator, dtype=torch.float64).to(images)
        return torch.add(torch.roll(images, shifts, (-2, -1)), noise, alpha=self.noise)

    def back(self, values: Float[Tensor, "m *rest h w"], first: int) -> Float[Tensor, "m *rest h w"]:
        """Return what belongs to the copies from ``first`` on as it lies on the photo: a copy's shift taken back."""
        if not self.shift:
            return values
        shifts = [self._drawn(first + m)[1] for m in range(len(values))]
        return torch.stack([torch.roll(v, (-s[0], -s[1]), (-2, -1)) for v, s in zip(values, shifts, strict=True)])

    def _drawn(self, number: int) -> tuple[torch.Generator, tuple[int, int]]:
        # A seed of its own for every copy, so that the first copies are the same however many follow.
        state = np.random.SeedSequence([self.seed, number]).generate_state(1, np.uint64)
        generator = torch.Generator().manual_seed(int(state[0] >> 1))
        rows, columns = torch.randint(-self.shift, self.shift + 1, (2,), generator=generator).tolist()
        return generator, (rows, columns)


@dataclass(frozen=True)
class _Round:
    """What is kept of the explanation of a round of copies, apart from their maps: rounds may be many.

    Attributes:
        targets, scores, steps: as in :class:`~samp_core.attribution.Explanation`, copies apart, (..., M, N).
        finished, notes, settled, cost, seconds: as there.
    """

    targets: Tensor
    scores: Tensor
    steps: Tensor
    finished: bool
    notes: tuple[str, ...]
    settled: Mapping[str, str]
    cost: Cost
    seconds: float

    @classmethod
    def of(cls, part: Explanation, photos: int) -> _Round:
        """Return what is kept of an explanation of several copies of so many photos, copy by copy."""

        def apart(values: Tensor) -> Tensor:
            return values.reshape(*values.shape[:-1], values.shape[-1] // photos, photos)

        return cls(
            apart(part.completeness.targets), apart(part.scores), apart(part.steps), part.finished, part.notes,
            part.settled, part.cost, part.seconds,
        )  # fmt: skip


class SteadyRun(Run):
    """A run over many copies of every photo, a round of some at a time: the map is the mean of theirs.

    With a path, moves and states along the way are means over the copies of the first round, and every further round
    changes the map alone. Scores are means over all copies; in the end the first and the last are the photos' own. Stop
    it, and the map is the mean of the copies that are done.

    Attributes:
        copies: how many, and how they differ.
        explained: number of copies whose map is there.
        ends: where the paths of the photos themselves start and end; without a path the photos, twice.
    """

    def __init__(self, method: AttributionMethod, copies: Copies, inputs: Tensor, target: Target, extra: Any) -> None:
        self._method, self.copies, self._extra = method, copies, extra
        self._inputs = explainable(inputs)
        path_method = method if isinstance(method, PathMethod) else None
        with ordinary(), torch.no_grad():
            self._target = as_target(target, len(inputs), inputs.device)
            ones = torch.ones(len(inputs), dtype=self._inputs.dtype, device=self._inputs.device)
            self.ends = (
                Endpoints(self._inputs, self._inputs, ones)
                if path_method is None
                else path_method.endpoints(self._inputs)
            )
            self._early = torch.zeros_like(self._inputs[:, 0])  # sum of how early pixels moved in the copies
            self._touched = torch.zeros_like(self.ends.start[:, 0, 0, 0])
        self.directions = () if path_method is None else path_method.directions
        self._is_open = path_method is not None and isinstance(path_method.path, OpenPath)
        lanes = max(1, len(self.directions)) * len(inputs)
        fitting = (getattr(method, "batch_size", None) or MOST_COPIES) // lanes
        self._together = max(1, min(copies.together or MOST_COPIES, fitting))
        self.explained, self._rounds = 0, list[_Round]()  # what is known of those, apart from their maps
        self._sum: Tensor | None = None  # of their attributions, direction by direction
        self._maps: list[Tensor] = []  # of each
        self._shown: Step | None = None
        self._score: Tensor | None = None
        self._result: Explanation | None = None
        self._first_run = self._begin()
        self._run: Run | None = self._first_run  # of the copies under way
        self._iterator = self._iterate()

    # -- the work ------------------------------------------------------------------------------------------------------

    @property
    def _count(self) -> int:
        """Copies of a round that begins now."""
        return min(self._together, self.copies.count - self.explained)

    def _begin(self) -> Run:
        count, n = self._count, len(self._inputs)

        def repeated(value: Any) -> Any:
            is_rows = isinstance(value, Tensor) and value.ndim > 0 and len(value) == n
            return torch.cat([value] * count) if is_rows else value

        extra = self._extra
        if extra is not None:
            extra = tuple(map(repeated, extra)) if isinstance(extra, tuple) else repeated(extra)
        with ordinary(), torch.no_grad():
            images = self.copies.make(self._inputs, self.explained, count)
        return self._method.start(images, None if self._target is None else self._target.repeat(count), extra)

    def __iter__(self) -> Iterator[Step | float]:
        return self._iterator

    def _iterate(self) -> Iterator[Step | float]:
        while not self._stopped and self._run is not None:
            for piece in self._run:
                if isinstance(piece, Step) and not self._rounds:
                    with ordinary():
                        self._shown = self._folded(piece)
                    yield self._shown
                else:
                    yield self.progress
            if self._is_over():  # the run under way was told, and has put away what it had set up
                return
            self._keep()
            if self.explained < self.copies.count:
                self._run = self._begin()
                yield self.progress

    def _is_over(self) -> bool:
        """Return whether somebody has stopped the run meanwhile."""
        return self._stopped

    def _keep(self) -> None:
        """Take in the result of the round under way."""
        assert self._run is not None
        count, n = self._count, len(self._inputs)
        with ordinary():
            part = self._run.result()
            every = part.by_direction if self.directions else part.attributions.unsqueeze(0)
            # (D, count, N, C, H, W), copies first for their shifts.
            apart = every.reshape(len(every), count, n, *every.shape[2:]).transpose(0, 1)
            copies = self.copies.back(apart, self.explained)
            self._maps.extend(copies.sum((1, 3)).cpu())
            self._sum = copies.sum(0) if self._sum is None else self._sum + copies.sum(0)
            order = part.order.view(count, n, *part.order.shape[1:])
            self._early = self._early + self.copies.back(order, self.explained).sum(0)
        self._rounds.append(_Round.of(part, n))
        self.explained += count
        self._run = None

    def stop(self) -> None:
        """End the iteration before its next piece of work. Safe to call from another thread."""
        super().stop()
        if (run := self._run) is not None:
            run.stop()

    @property
    def cost(self) -> Cost:
        """What was asked of the network so far."""
        every = [part.cost for part in self._rounds] + ([] if (run := self._run) is None else [run.cost])
        return Cost(*(sum(getattr(c, name) for c in every) for name in ("gradients", "forwards", "batches")))

    @property
    def seconds(self) -> float:  # type: ignore[override]  # the base class counts its own
        """Time spent so far, not counting time in which nobody asked for the next piece."""
        return sum(part.seconds for part in self._rounds) + (0.0 if (run := self._run) is None else run.seconds)

    @property
    def progress(self) -> float:
        """Expected fraction done, 0 to 1."""
        now = 0.0 if (run := self._run) is None else self._count * run.progress
        return (self.explained + now) / self.copies.count

    # -- what can be seen on the way -----------------------------------------------------------------------------------

    @property
    def paths(self) -> int:
        """Number of the photos' own paths: directions times photos."""
        return len(self.directions) * len(self._inputs)

    def _mean(self, values: Tensor) -> Tensor:
        """Return the mean over copies of what every path of a run has, (D * copies * N, ...) to (D * N, ...)."""
        d, n = len(self.directions), len(self._inputs)
        apart = values.reshape(d, -1, n, *values.shape[1:])
        if values.ndim == 1:
            return apart.mean(1).flatten()
        return self.copies.back(apart.transpose(0, 1), 0).mean(0).flatten(0, 1)

    def _folded(self, step: Step) -> Step:
        """Return a move of all copies as one move of the photos' paths."""
        active = step.active
        self._score = step.score if self._score is None else torch.where(active, step.score, self._score)
        wide = active.view(-1, 1, 1, 1)
        self._touched += self._mean((step.way > 0).to(step.score).mean((1, 2)))
        return Step(
            step.index,
            self._mean(active.to(step.score)) > 0,
            self._mean(step.state),
            self._mean(step.move),
            self._mean(self._score),
            self._mean(torch.where(wide, step.gradient, 0)),
            self._mean(torch.where(wide, step.steering, 0)),
        )

    def touched(self) -> Float[Tensor, " p"]:
        """Return which share of the pixels one move of one copy touches, 0 to 1, on the mean."""
        return self._touched / max(1, 0 if self._shown is None else self._shown.index + 1)

    @property
    def state(self) -> Float[Tensor, "p c h w"]:
        """The image that each path has come to: the mean of the first round's copies, and in the end the path's end."""
        if self._shown is None:
            return self.ends.start
        return self.ends.end if self._rounds and not self._is_open else self._shown.state + self._shown.move

    def left(self) -> Float[Tensor, " p"]:
        """Return which share of its way each path has still to go, 0 to 1; the mean of the first round's copies."""
        assert isinstance(self._first_run, PathRun)
        return self._mean(self._first_run.left())

    def when(self) -> Float[Tensor, "p h w"]:
        """Return in which move each pixel went its way, from 1, the mean of the first round; NaN if it never did."""
        assert isinstance(self._first_run, PathRun)
        when = self._first_run.when()
        there = self._mean((~when.isnan()).to(when))
        return self._mean(when.nan_to_num()) / torch.where(there > 0, there, torch.nan)

    @property
    def behind(self) -> int:
        """For how many of the newest moves the attribution does not speak yet; see :class:`~samp_core.rules.Rule`."""
        assert isinstance(self._first_run, PathRun)
        return self._first_run.behind

    def by_direction(self) -> Float[Tensor, "d n c h w"]:
        """Return the mean attribution of the copies that are done, and before there are any of those under way."""
        if self._sum is not None:
            return self._sum / self.explained
        assert isinstance(self._run, PathRun)
        mean = self._mean(self._run.by_direction().flatten(0, 1))
        return mean.view(len(self.directions), -1, *mean.shape[1:])

    def partial(self) -> Float[Tensor, "n c h w"] | None:
        """Return the attribution so far, directions added up; None while there is none."""
        if self._sum is None and not self.directions:
            return None
        return self.by_direction().sum(0)

    # -- what came out -------------------------------------------------------------------------------------------------

    def result(self) -> Explanation:
        """Return the explanation of the copies that are done; ends the run.

        Raises:
            PathError: the map is not finite.
        """
        if self._result is None:
            self._stopped = True
            with ordinary():
                self._result = self._conclude()
        return self._result

    def _conclude(self) -> Explanation:
        if not self._rounds:  # stopped in the first round: the way that its copies have walked
            self._keep()
        assert self._sum is not None
        first, wanted, mean = self._rounds[0], self.copies.count, self._sum / self.explained
        finished = self.explained == wanted and all(part.finished for part in self._rounds)
        # Notes on single copies would say nothing of the photos.
        notes = [note for note in first.notes if note.startswith(("Stopped", "Memory"))]
        if self.explained < wanted and not any(note.startswith("Stopped") for note in notes):
            notes.append(f"Stopped after {self.explained} of {wanted} copies; the map is the mean of those.")
        targets, scores = torch.cat([part.targets for part in self._rounds], 1).mean(1), self._scores()
        if self.directions and not self._is_open and finished:
            scores[0], scores[-1] = ends = self._own_scores()
            mean, targets = self._for_the_photo(mean, targets, self.ends.sign.view_as(ends[0]) * (ends[1] - ends[0]))
        sums = mean.sum((2, 3, 4)) if self.directions else mean[0].sum((1, 2, 3)).expand(len(targets), -1)
        return Explanation(
            attributions=mean.sum(0),
            by_direction=mean if self.directions else mean[:0],
            directions=self.directions,
            order=self._early / self.explained,
            scores=scores,
            completeness=Completeness(sums.to(targets), targets),
            finished=finished,
            notes=tuple(notes),
            steps=torch.cat([part.steps for part in self._rounds], 1).amax(1),
            cost=self.cost,
            seconds=self.seconds,
            settled=first.settled,
            belief=Belief.of(torch.stack(self._maps)) if len(self._maps) > 1 else None,
        )

    def _own_scores(self) -> tuple[Tensor, Tensor]:
        """Return the scores of the photos' own starts and ends, (D, N) each."""
        run = self._first_run
        assert isinstance(run, PathRun)
        d, n = len(self.directions), len(self._inputs)
        rows = torch.arange(n, device=self._inputs.device).repeat(2 * d)  # the first copy of each photo has its class
        start, end = run.values(torch.cat([self.ends.start, self.ends.end]), rows).view(2, d, n)
        return start, end

    @staticmethod
    def _for_the_photo(mean: Tensor, targets: Tensor, own: Tensor) -> tuple[Tensor, Tensor]:
        """Return the map with what is missing to the photos' own change dealt out by its size, and that change."""
        size = mean.abs()
        whole = size.sum((2, 3, 4), keepdim=True)
        share = torch.where(whole > 0, size / whole, 1 / size[0, 0].numel())
        return mean + (own - targets).to(mean)[:, :, None, None, None] * share, own

    def _scores(self) -> Tensor:
        """Return the mean score of all copies at each move; one that has arrived keeps its last."""
        longest = max(len(part.scores) for part in self._rounds)
        traces = []
        for part in self._rounds:
            trace = torch.full((longest, *part.scores.shape[1:]), torch.nan).to(part.scores)
            trace[: len(part.scores)] = part.scores
            for k in range(1, longest):
                trace[k] = torch.where(trace[k].isnan(), trace[k - 1], trace[k])
            traces.append(trace)
        return torch.cat(traces, 2).mean(2)


class Steady(AttributionMethod):
    """A method over many copies of every photo.

    Args:
        method: the method.
        copies: how many copies, and how they differ from the photo.
    """

    def __init__(self, method: AttributionMethod, copies: Copies) -> None:
        self.method, self.copies = method, copies

    def estimate(self, height: int, width: int) -> Estimate:
        """Return what a run on one image of this size will ask of the network."""
        one, count = self.method.estimate(height, width), self.copies.count
        return replace(one, gradients=count * one.gradients, gradient_bound=count * one.gradient_bound)

    def start(
        self, inputs: Float[Tensor, "n c h w"], target: Target = None, additional_forward_args: Any = None
    ) -> SteadyRun:
        """Prepare a run; nothing is computed until somebody iterates over it.

        Raises:
            ValueError: inputs, targets or settings do not fit together.
            PathError: an input is not finite.
        """
        return SteadyRun(self.method, self.copies, inputs, target, additional_forward_args)
