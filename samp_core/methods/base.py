"""Path methods as captum-style classes, and a run of one that can be watched and stopped."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Literal, overload

import torch
from captum.attr import GradientAttribution
from jaxtyping import Float
from torch import Tensor

from samp_core.integrate import MOST_NODES, RULES, Completeness, Rule, make_rule, rule_gradients
from samp_core.paths import Endpoints, Path, Step
from samp_core.scores import Cost, Logit, PathError, Score, ScoreFunction, as_target, is_finite

Target = int | Sequence[int] | Tensor | None

# A path that has walked all but this fraction of its way has arrived.
ARRIVED = 1e-3


@dataclass(frozen=True)
class Estimate:
    """What a run will ask of the network, for one image.

    Attributes:
        steps: expected number of moves, and ``step_bound`` the largest possible.
        gradients: expected number of images sent forward and backward, over all directions; an image that a method
            without a path sends forward only counts as a third.
        gradient_bound: the largest possible number of those.
    """

    steps: int
    step_bound: int
    gradients: int
    gradient_bound: int


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


def explainable(inputs: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
    """Return images as a run may use them: no part of a graph, and ordinary tensors even in inference mode.

    Raises:
        ValueError: these are no images.
        PathError: an image is not finite.
    """
    if inputs.ndim != 4 or not inputs.is_floating_point():
        raise ValueError(
            f"inputs must be floating point images (N, C, H, W), not {inputs.dtype} of shape {tuple(inputs.shape)}."
        )
    if not inputs.numel():
        raise ValueError(f"There is nothing to explain: inputs has shape {tuple(inputs.shape)}.")
    if not is_finite(inputs):
        raise PathError("The image holds values that are not finite numbers (NaN or infinity); clean it first.")
    with ordinary():
        return inputs.clone() if inputs.is_inference() else inputs.detach()


def ordinary() -> AbstractContextManager[None]:
    """Leave the inference mode that a caller may be in: its tensors could not be differentiated."""
    return torch.inference_mode(False)


class PathRun:
    """One run of a path method over a batch of images. Iterate over it to walk the paths, all directions at once.

    Stop iterating, or call :meth:`stop`, and :meth:`result` gives the valid map of the way walked so far, marked as
    unfinished. An exception inside the network ends the iteration and leaves network and images as they were.
    """

    def __init__(
        self,
        path: Path,
        rule: Callable[[Endpoints, Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]], Rule],
        score: ScoreFunction,
        ends: Endpoints,
        directions: tuple[str, ...],
    ) -> None:
        self.path, self.ends, self.directions = path, ends, directions
        self._score = score
        paths = len(ends.start)
        self._images = torch.arange(paths, device=ends.start.device) % (paths // len(directions))
        self._rule = rule(ends, self.gradients)
        self._last: Step | None = None
        self._scores: list[Tensor] = []
        self._steps = torch.zeros(paths, dtype=torch.long, device=ends.start.device)
        self._way = torch.zeros_like(ends.start[:, 0])  # how far each pixel has moved, and that weighted by when
        self._when = torch.zeros_like(self._way)
        self._stopped = False
        self._result: Explanation | None = None
        self._iterator = self._iterate()
        self.seconds = 0.0

    @property
    def cost(self) -> Cost:
        """What was asked of the network so far."""
        return self._score.cost

    @property
    def progress(self) -> float:
        """Expected fraction done, 0 to 1."""
        expected = self.path.estimate(*self.ends.start.shape[2:]).expected
        return min(1.0, int(self._steps.max()) / expected)

    @property
    def paths(self) -> int:
        """Number of paths: directions times images."""
        return len(self.ends.start)

    def gradients(self, states: Tensor, paths: Tensor) -> tuple[Tensor, Tensor]:
        """Return score and gradient of states on these paths, counted as the run's cost; for further rules."""
        return self._score.gradients(states, self._images[paths])

    def __iter__(self) -> Iterator[Step]:
        return self._iterator

    def _iterate(self) -> Iterator[Step]:
        walk = self.path.walk(self.gradients, self.ends)
        while not self._stopped:
            began = time.perf_counter()
            with ordinary():
                step = next(walk, None)
                if step is None:
                    return
                self._take(step)
            self.seconds += time.perf_counter() - began
            yield step

    def _take(self, step: Step) -> None:
        self._rule.add(step)
        self._scores.append(torch.where(step.active, step.score, torch.nan))
        self._steps += step.active
        self._last = step
        self._way += step.way
        self._when.add_(step.way, alpha=step.index)

    def stop(self) -> None:
        """End the iteration before its next move. Safe to call from another thread."""
        self._stopped = True

    def attributions(self) -> Float[Tensor, "n c h w"]:
        """Return the attribution of the way walked so far, directions added up; costs no evaluation."""
        return self.by_direction().sum(0)

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
        length = (self.ends.end - self.ends.start).abs().sum((1, 2, 3))
        state = self.state
        left = (self.ends.end - state).abs().sum((1, 2, 3))
        arrived = left <= ARRIVED * length
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
            notes=self._notes(arrived, length, left),
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
            score[asked] = self._score.values(last[asked], self._images[asked])
        return score

    def _notes(self, arrived: Tensor, length: Tensor, left: Tensor) -> tuple[str, ...]:
        notes = []
        if not arrived.all():
            walked = 100 * (1 - (left.sum() / length.sum()).item())
            notes.append(
                f"Stopped early: the paths have walked {walked:.0f} % of their way, and the map covers only that."
            )
        images = self.paths // len(self.directions)
        for path in (length == 0).nonzero().squeeze(1).tolist():
            of = f" (image {path % images})" if images > 1 else ""
            notes.append(
                f"The {self.directions[path // images]} path{of} has no length: the image equals its baseline, so "
                "every attribution is 0. Choose another baseline."
            )
        return tuple(notes)


class PathAttribution(GradientAttribution):  # type: ignore[misc]  # captum ships no types for subclasses
    """A path method: a path, where it starts and ends, and a rule that adds it up.

    Subclasses captum's ``GradientAttribution``, so ``captum.attr.NoiseTunnel``, ``captum.metrics`` and code written
    for captum accept it. Memory grows with the number of images; gradients never flow into the parameters.

    Args:
        forward_func: images (N, C, H, W) to logits (N, K), or to one number an image, (N,) or (N, 1).
        accumulation: ``paper``, ``trapezoid``, ``gauss`` or ``isotonic``; see :mod:`samp_core.integrate`.
        gauss_nodes: nodes inside each move for ``gauss``.
        score: what of the logits is explained; see :mod:`samp_core.scores`.
        batch_size: most images sent through the network at once; None for no limit.
    """

    directions: tuple[str, ...] = ()

    def __init__(
        self,
        forward_func: Callable[..., Tensor],
        *,
        accumulation: str,
        gauss_nodes: int,
        score: Score | None,
        batch_size: int | None,
    ) -> None:
        super().__init__(forward_func)
        if accumulation not in RULES:
            raise ValueError(f"There is no accumulation rule {accumulation!r}. Choose one of: {', '.join(RULES)}.")
        if not 1 <= gauss_nodes <= MOST_NODES:
            raise ValueError(f"gauss_nodes must be from 1 to {MOST_NODES}, not {gauss_nodes}.")
        if batch_size is not None and batch_size < 1:
            raise ValueError(f"batch_size must be at least 1 or None, not {batch_size}.")
        self.accumulation = accumulation
        self.gauss_nodes = gauss_nodes
        self.score = Logit() if score is None else score
        self.batch_size = batch_size

    @property
    @abstractmethod
    def path(self) -> Path:
        """The path that this method walks."""

    @abstractmethod
    def endpoints(self, inputs: Float[Tensor, "n c h w"]) -> Endpoints:
        """Return the D * N paths' starts and ends, direction by direction."""

    def estimate(self, height: int, width: int) -> Estimate:
        """Return what a run on one image of this size will ask of the network."""
        steps = self.path.estimate(height, width)
        each = [n + rule_gradients(self.accumulation, n, self.gauss_nodes) for n in (steps.expected, steps.bound)]
        return Estimate(steps.expected, steps.bound, each[0] * len(self.directions), each[1] * len(self.directions))

    def start(
        self,
        inputs: Float[Tensor, "n c h w"],
        target: Target = None,
        additional_forward_args: Any = None,
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
            score = ScoreFunction(
                self.forward_func,
                as_target(target, len(inputs), inputs.device),
                self.score,
                () if additional_forward_args is None else extra,
                len(inputs),
                self.batch_size,
            )
            return PathRun(
                self.path,
                lambda ends, gradient_of: make_rule(self.accumulation, ends, gradient_of, self.gauss_nodes),
                score,
                self.endpoints(inputs),
                self.directions,
            )

    def walk(
        self, inputs: Float[Tensor, "n c h w"], target: Target = None, additional_forward_args: Any = None
    ) -> Iterator[Step]:
        """Yield the moves of all paths, for watching; see :class:`~samp_core.paths.Step`."""
        return iter(self.start(inputs, target, additional_forward_args))

    def explain(
        self, inputs: Float[Tensor, "n c h w"], target: Target = None, additional_forward_args: Any = None
    ) -> Explanation:
        """Walk to the end and return everything known about the result."""
        run = self.start(inputs, target, additional_forward_args)
        for _ in run:
            pass
        return run.result()

    @overload
    def attribute(
        self,
        inputs: Float[Tensor, "n c h w"],
        target: Target = None,
        additional_forward_args: Any = None,
        return_convergence_delta: Literal[False] = False,
    ) -> Float[Tensor, "n c h w"]: ...

    @overload
    def attribute(
        self,
        inputs: Float[Tensor, "n c h w"],
        target: Target = None,
        additional_forward_args: Any = None,
        *,
        return_convergence_delta: Literal[True],
    ) -> tuple[Float[Tensor, "n c h w"], Float[Tensor, " n"]]: ...

    def attribute(
        self,
        inputs: Float[Tensor, "n c h w"],
        target: Target = None,
        additional_forward_args: Any = None,
        return_convergence_delta: bool = False,
    ) -> Tensor | tuple[Tensor, Tensor]:
        """Return the attributions, same shape as ``inputs``; their sum over channels is the pixel map.

        Args:
            inputs: images in the network's normalised space, (N, C, H, W).
            target: explained class, one for all images or one for each.
            additional_forward_args: further arguments of ``forward_func``.
            return_convergence_delta: also return the completeness gap (N,), sum minus target over all directions.

        Raises:
            ValueError: inputs, targets or settings do not fit together.
            PathError: the path cannot be walked or finished.
        """
        explanation = self.explain(inputs, target, additional_forward_args)
        if not explanation.finished:
            raise PathError(" ".join(explanation.notes) + " Raise max_steps, or use start() to accept a partial map.")
        if return_convergence_delta:
            return explanation.attributions, explanation.completeness.gap.sum(0)
        return explanation.attributions

    def has_convergence_delta(self) -> bool:
        """Return True: path methods are held to completeness."""
        return True
