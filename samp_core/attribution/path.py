"""Methods that walk a path, and a run of one that can be watched and stopped."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from samp_core.attribution.direct import UnsupportedError
from samp_core.attribution.explanation import (
    AttributionMethod,
    Estimate,
    Explanation,
    Run,
    Target,
    explainable,
    ordinary,
)
from samp_core.baselines import Baseline
from samp_core.networks import ClassifierError, Watched
from samp_core.paths import Draft, Endpoints, Objective, OpenPath, Path, Prepared, Sight, Step, Walk
from samp_core.paths.base import is_there
from samp_core.rules import MOST_NODES, RULES, Completeness, Rule
from samp_core.scores import Cost, Logit, PathError, Score, ScoreFunction, as_target

# A path that has walked all but this fraction of its way has arrived.
ARRIVED = 1e-3


class PathRun(Run):
    """One run of a path method over a batch of images. Iterate over it to walk the paths, all directions at once.

    Stop iterating, or call :meth:`stop`, and :meth:`result` gives the valid map of the way walked so far, marked as
    unfinished. An exception inside the network ends the iteration and leaves network and images as they were.

    Where an open path ends is known when it has been walked: until then ``ends.end`` is where it has come to.

    Attributes:
        draft: how a path that is found before its first move would run as it is known now; None of any other path, and
            before anything is known.
    """

    def __init__(
        self,
        path: Path | OpenPath,
        rule: Callable[[Endpoints, Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]], Rule],
        score: ScoreFunction,
        ends: Endpoints,
        directions: tuple[str, ...],
        look: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        self.path, self.ends, self.directions = path, ends, directions
        self._score, self._look = score, look
        self._open = path if isinstance(path, OpenPath) else None
        self.draft: Draft | None = None
        self._found = 0.0  # which share of the work is done that comes before the first move
        self._walked = False  # whether the path itself came to its end
        self._length = (ends.end - ends.start).abs().sum((1, 2, 3))
        paths = len(ends.start)
        self._images = torch.arange(paths, device=ends.start.device) % (paths // len(directions))
        self._rule = rule(ends, self.gradients)
        self._last: Step | None = None
        self._scores: list[Tensor] = []
        self._steps = torch.zeros(paths, dtype=torch.long, device=ends.start.device)
        self._way = torch.zeros_like(ends.start[:, 0])  # how far each pixel has moved, and that weighted by when
        self._when = torch.zeros_like(self._way)
        self._result: Explanation | None = None
        self._iterator = self._iterate()

    @property
    def cost(self) -> Cost:
        """What was asked of the network so far."""
        return self._score.cost

    @property
    def progress(self) -> float:
        """Expected fraction done, 0 to 1."""
        estimate = self.path.estimate(*self.ends.start.shape[2:])
        before = estimate.gradients
        return min(1.0, (before * self._found + int(self._steps.max())) / (before + estimate.expected))

    @property
    def paths(self) -> int:
        """Number of paths: directions times images."""
        return len(self.ends.start)

    def gradients(self, states: Tensor, paths: Tensor) -> tuple[Tensor, Tensor]:
        """Return score and gradient of states on these paths, counted as the run's cost; for further rules."""
        return self._score.gradients(states, self._images[paths])

    def values(self, states: Tensor, paths: Tensor) -> Tensor:
        """Return the score of states on these paths, counted as the run's cost."""
        return self._score.values(states, self._images[paths])

    def steered(self, states: Tensor, paths: Tensor, objective: Objective) -> Sight:
        """Return what an open path learns of states on these paths; see :class:`~samp_core.paths.Guide`."""
        images = self._images[paths]
        return Sight(*self._score.steered(states, images, lambda seen, part: objective(seen, paths[part]), self._look))

    def seen(self, states: Tensor, paths: Tensor) -> Tensor:
        """Return what an open path sees of states on these paths; see :class:`~samp_core.paths.Guide`."""
        return self._score.seen(states, self._images[paths], self._look)

    def classes(self, paths: Tensor) -> Tensor:
        """Return the explained class of each of these paths (M,).

        Raises:
            PathError: there is none, because the network gives one number an image.
        """
        if self._score.target is None:
            raise PathError("This path leads to other classes, so the network must give several and target= is needed.")
        return self._score.target[self._images[paths]]

    def __iter__(self) -> Iterator[Step | float]:
        return self._iterator

    def moves(self) -> Iterator[Step]:
        """Yield the moves alone, and not how far the path is found that is not known before it is walked."""
        return (piece for piece in self if isinstance(piece, Step))

    def _iterate(self) -> Iterator[Step | float]:
        if isinstance(self.path, Prepared):
            walk = yield from self._prepare(self.path)
        else:
            walk = self._walk()
        while not self._stopped:
            began = time.perf_counter()
            with ordinary():
                step = next(walk, None)
                if step is None:
                    self._walked = True
                    return
                self._take(step)
            self.seconds += time.perf_counter() - began
            yield step

    def _prepare(self, path: Prepared) -> Generator[float, None, Iterator[Step]]:
        """Let a path be found that is not known before it is walked; tell how far that is."""
        finding = path.prepare(_Asked(self), self.ends)
        while not self._stopped:
            began = time.perf_counter()
            with ordinary():
                try:
                    draft = next(finding)
                    self._found = draft.share
                    if draft.turn is not None:
                        self.draft = draft
                except StopIteration as found:
                    walk: Walk = found.value
                    return walk(_Asked(self), self.ends)
                finally:
                    self.seconds += time.perf_counter() - began
            yield self.progress
        finding.close()
        return iter(())

    def _walk(self) -> Iterator[Step]:
        if self._open is not None:
            return self._open.walk_open(self, self.ends)
        assert isinstance(self.path, Path)
        return self.path.walk(_Asked(self), self.ends)

    def _take(self, step: Step) -> None:
        self._rule.add(step)
        self._scores.append(torch.where(step.active, step.score, torch.nan))
        self._steps += step.active
        self._last = step
        self._way += step.way
        self._when.add_(step.way, alpha=step.index)
        if self._open is not None:
            self.ends = replace(self.ends, end=self.state)

    def partial(self) -> Float[Tensor, "n c h w"]:
        """Return the attribution of the way walked so far, directions added up; costs no evaluation."""
        return self.by_direction().sum(0)

    def when(self) -> Float[Tensor, "p h w"]:
        """Return in which move each pixel went its way, from 1: the mean, weighted by how far; NaN if it never did."""
        return torch.where(self._way > 0, 1 + self._when / self._way, torch.nan)

    def order(self) -> Float[Tensor, "n h w"]:
        """Return how early each pixel moved; see :attr:`Explanation.order`."""
        moved = self._way > 0
        last = (self._steps - 1).clamp(min=1).view(-1, 1, 1)
        early = torch.where(moved, 1 - self._when / torch.where(moved, self._way, 1) / last, 0.5)
        return early.view(len(self.directions), -1, *early.shape[1:]).mean(0)

    @property
    def state(self) -> Float[Tensor, "p c h w"]:
        """The image that each path has come to, direction by direction."""
        return self.ends.start if self._last is None else self._last.state + self._last.move

    def left(self) -> Float[Tensor, " p"]:
        """Return which share of its way each path has still to go, 0 to 1: in L1 norm, of open paths in moves."""
        if self._open is None:
            distance = (self.ends.end - self.state).abs()
            share = distance.sum((1, 2, 3)) / self._length.clamp(min=1e-12)
            return torch.where(self._arrived(distance), 0, share) if self._walked else share
        expected = self.path.estimate(*self.ends.start.shape[2:]).expected
        ahead = (1 - self._steps / expected).clamp(min=0).to(self._length)
        return torch.where(self._ended(), 0, ahead)

    def _arrived(self, distance: Float[Tensor, "p c h w"]) -> Bool[Tensor, " p"]:
        """Return which paths with a known end have come to it, given how far their values are from it.

        Of a way that is no longer than rounding a search walks nothing, and nothing of it is left to walk.
        """
        is_near = distance.sum((1, 2, 3)) <= ARRIVED * self._length
        return is_near | is_there(distance, self.ends.end).flatten(1).all(1)

    def _ended(self) -> Bool[Tensor, " p"]:
        """Return which open paths have come to their end, as far as is known."""
        if self._walked or self._last is None:
            return torch.full_like(self._steps, self._walked, dtype=torch.bool)
        return ~self._last.active

    @property
    def behind(self) -> int:
        """For how many of the newest moves the attribution does not speak yet; see :class:`~samp_core.rules.Rule`."""
        return 0 if self._result is not None else self._rule.behind

    def by_direction(self) -> Float[Tensor, "d n c h w"]:
        """Return the attribution of the way walked so far of each direction; costs no evaluation."""
        signed = self._rule.total() * self.ends.sign.view(-1, 1, 1, 1)
        return signed.view(len(self.directions), -1, *signed.shape[1:])

    def result(self) -> Explanation:
        """Return the explanation of the way walked so far; ends the run.

        One evaluation more of each path's last state completes the rule and measures the gap.
        """
        if self._result is None:
            self._stopped = True
            began = time.perf_counter()
            with ordinary():
                self._result = self._conclude(began)
        return self._result

    def _conclude(self, began: float) -> Explanation:
        directions = len(self.directions)
        state = self.state
        distance = (self.ends.end - state).abs()
        left, arrived = distance.sum((1, 2, 3)), self._arrived(distance) if self._open is None else self._ended()
        # The rest is below the arrival tolerance, so the statement can be about the very end image.
        last = torch.where(arrived.view(-1, 1, 1, 1), self.ends.end, state)
        gradient = None
        if self._rule.wants_final_gradient:
            score, gradient = self._score.gradients(last, self._images)
        else:
            score = self._last_scores(last, arrived)
        self._rule.close(score, gradient)
        trace = torch.full((len(self._scores) + 1, self.paths), torch.nan, dtype=score.dtype, device=score.device)
        if self._scores:
            trace[:-1] = torch.stack(self._scores)
        trace.scatter_(0, self._steps.unsqueeze(0), score.unsqueeze(0))
        by_direction = self.by_direction()
        targets = (self.ends.sign * (score - trace[0])).view(directions, -1)
        self.seconds += time.perf_counter() - began
        return Explanation(
            attributions=by_direction.sum(0),
            by_direction=by_direction,
            directions=self.directions,
            order=self.order(),
            scores=trace.view(len(trace), directions, -1),
            completeness=Completeness(by_direction.sum((2, 3, 4)), targets),
            finished=bool(arrived.all()),
            notes=self._notes(arrived, left),
            steps=self._steps.view(directions, -1),
            cost=self.cost,
            seconds=self.seconds,
        )

    def _last_scores(self, last: Tensor, arrived: Tensor) -> Tensor:
        """Return the score of each path's last state; a path that ends where another began need not ask again."""
        score = last.new_zeros(self.paths) if not self._scores else self._scores[0].clone()
        images, asked = self.paths // len(self.directions), []
        for path in range(self.paths):
            starts = [k for k in range(path % images, self.paths, images) if k != path] if self._scores else []
            same = (k for k in starts if not self._scores[0][k].isnan() and torch.equal(self.ends.start[k], last[path]))
            if arrived[path] and (known := next(same, None)) is not None:
                score[path] = self._scores[0][known]
            else:
                asked.append(path)
        if asked:
            score[asked] = self._score.values(last[asked], self._images[asked]).to(score)
        return score

    def _notes(self, arrived: Tensor, left: Tensor) -> tuple[str, ...]:
        notes = []
        if not arrived.all():
            if self._open is None:
                walked = f"walked {100 * (1 - (left.sum() / self._length.sum()).item()):.0f} % of their way"
            else:
                walked = f"made {int(self._steps.max())} moves and not come to their end"
            notes.append(f"Stopped early: the paths have {walked}, and the map covers only that.")
        images = self.paths // len(self.directions)
        still = arrived & (self._steps == 0)
        for path in still.nonzero().squeeze(1).tolist():
            of = f" (image {path % images})" if images > 1 else ""
            why = (
                "has no length: the image equals its baseline, so every attribution is 0. Choose another baseline."
                if self._open is None
                else "made no move, so every attribution is 0: the image is where it leads, or it leads nowhere."
            )
            notes.append(f"The {self.directions[path // images]} path{of} {why}")
        return (*notes, *self._score.notes)


@dataclass(frozen=True)
class _Asked:
    """What a path asks of a run: score and gradient of its states, or the score alone."""

    run: PathRun

    def __call__(self, states: Tensor, paths: Tensor) -> tuple[Tensor, Tensor]:
        return self.run.gradients(states, paths)

    def values(self, states: Tensor, paths: Tensor) -> Tensor:
        return self.run.values(states, paths)


@dataclass(frozen=True)
class Way:
    """One direction of a path method: its name, and where it starts and ends; None is the explained image itself.

    The end of an open path is :func:`not_known`.
    """

    name: str
    start: Baseline | None
    end: Baseline | None


def not_known(images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
    """Return the images themselves: where an open path ends before its first move."""
    return images


def _looked_into(watched: Watched) -> Callable[..., Any]:
    """Return a network whose features a path looks at, which says so in words if they cannot be looked at."""

    def ask(images: Tensor, *further: Any) -> Any:
        try:
            return watched(images, *further)
        except ClassifierError as error:
            raise UnsupportedError.of_copy(error) from error

    return ask


class PathMethod(AttributionMethod):
    """A path, where it starts and ends, and a rule that adds it up. Methods differ in nothing else.

    Memory grows with the number of images; gradients never flow into the parameters.

    Args:
        forward_func: images (N, C, H, W) to logits (N, K), or to one number an image, (N,) or (N, 1).
        path: the path.
        ways: the directions in which it is walked; a way that ends elsewhere than at the image counts negatively.
        accumulation: name of a rule in :data:`~samp_core.catalogue.RULES`.
        gauss_nodes: nodes inside each move for ``gauss``.
        score: what of the logits is explained; the logit if not given.
        batch_size: most images sent through the network at once; None for no limit.

    Raises:
        ValueError: there is no such rule, or a number is out of its range.
    """

    def __init__(
        self,
        forward_func: Callable[..., Tensor],
        path: Path | OpenPath,
        ways: Sequence[Way],
        *,
        accumulation: str = "trapezoid",
        gauss_nodes: int = 16,
        score: Score | None = None,
        batch_size: int | None = None,
    ) -> None:
        RULES.require(accumulation)
        if not 1 <= gauss_nodes <= MOST_NODES:
            raise ValueError(f"gauss_nodes must be from 1 to {MOST_NODES}, not {gauss_nodes}.")
        if batch_size is not None and batch_size < 1:
            raise ValueError(f"batch_size must be at least 1 or None, not {batch_size}.")
        self.forward_func = forward_func
        self.path = path
        self.ways = tuple(ways)
        self.directions = tuple(way.name for way in ways)
        self.accumulation = accumulation
        self.gauss_nodes = gauss_nodes
        self.score = Logit() if score is None else score
        self.batch_size = batch_size

    def endpoints(self, inputs: Float[Tensor, "n c h w"]) -> Endpoints:
        """Return the D * N paths' starts and ends, direction by direction."""
        starts = [inputs if way.start is None else way.start(inputs) for way in self.ways]
        ends = [inputs if way.end is None else way.end(inputs) for way in self.ways]
        signs = inputs.new_tensor([1.0 if way.end is None else -1.0 for way in self.ways])
        return Endpoints(torch.cat(starts), torch.cat(ends), signs.repeat_interleave(len(inputs)))

    def estimate(self, height: int, width: int) -> Estimate:
        """Return what a run on one image of this size will ask of the network."""
        steps = self.path.estimate(height, width)
        rule = RULES[self.accumulation]
        own = 2 if isinstance(self.path, OpenPath) else 1  # it asks for the gradient of its objective, too
        besides = steps.gradients + math.ceil(steps.forwards / 3)
        each = [own * n + rule.gradients(n, self.gauss_nodes) + besides for n in (steps.expected, steps.bound)]
        return Estimate(steps.expected, steps.bound, each[0] * len(self.directions), each[1] * len(self.directions))

    def start(
        self, inputs: Float[Tensor, "n c h w"], target: Target = None, additional_forward_args: Any = None
    ) -> PathRun:
        """Prepare a run; nothing is searched until somebody iterates over it.

        Args:
            inputs: images in the network's normalised space; floating point, not modified.
            target: explained class, one for all images or one for each; None if ``forward_func`` gives one number.
            additional_forward_args: further arguments of ``forward_func``; tensors of N rows are matched to images.

        Raises:
            ValueError: inputs, targets or settings do not fit together.
            PathError: an input is not finite.
        """
        inputs = explainable(inputs)
        extra = additional_forward_args if isinstance(additional_forward_args, tuple) else (additional_forward_args,)
        with ordinary(), torch.no_grad():
            watched = Watched(self.forward_func) if getattr(self.path, "wants_features", False) else None
            score = ScoreFunction(
                self.forward_func if watched is None else _looked_into(watched),
                as_target(target, len(inputs), inputs.device),
                self.score,
                () if additional_forward_args is None else extra,
                len(inputs),
                self.batch_size,
            )
            rule = RULES[self.accumulation]
            return PathRun(
                self.path,
                lambda ends, gradient_of: rule.make(ends, gradient_of, self.gauss_nodes),
                score,
                self.endpoints(inputs),
                self.directions,
                None if watched is None else watched.look,
            )

    def walk(
        self, inputs: Float[Tensor, "n c h w"], target: Target = None, additional_forward_args: Any = None
    ) -> Iterator[Step]:
        """Yield the moves of all paths, for watching; see :class:`~samp_core.paths.Step`."""
        return self.start(inputs, target, additional_forward_args).moves()
