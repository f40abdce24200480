"""Accumulation rules: from the moves of a path to what each pixel is credited with.

A rule knows moves, scores and gradients, never the method that chose them, so every rule serves every path. Three
rules approximate the line integral of the gradient along the path, better and dearer in this order: ``paper``,
``trapezoid``, ``gauss``. ``isotonic`` and ``idgi`` deal out the measured changes of the score instead.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Bool, Float
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression
from torch import Tensor

from samp_core.paths.base import Endpoints, GradientFn, Step, spread


class Rule(ABC):
    """Accumulates the attribution of P paths, move by move.

    Attributes:
        wants_final_gradient: whether :meth:`close` needs the gradient at the last state.
        is_integral: whether the rule approximates the line integral of the gradient along the path.
    """

    wants_final_gradient = False
    is_integral = True

    def __init__(self, ends: Endpoints, gradient_of: GradientFn) -> None:
        self.ends = ends
        self.gradient_of = gradient_of

    @abstractmethod
    def add(self, step: Step) -> None:
        """Take in the next move."""

    def close(self, score: Float[Tensor, " p"], gradient: Float[Tensor, "p c h w"] | None) -> None:  # noqa: B027
        """Take in score and (if wanted) gradient at the state that the last move led to."""

    @abstractmethod
    def total(self) -> Float[Tensor, "p c h w"]:
        """Return the attribution of the moves so far; its sum approximates f(now) - f(start)."""


class Paper(Rule):
    """Steering gradient at a move's start times the move (the SAMP paper's algorithm): a first-order extrapolation."""

    def __init__(self, ends: Endpoints, gradient_of: GradientFn) -> None:
        super().__init__(ends, gradient_of)
        self._total = torch.zeros_like(ends.start)

    def add(self, step: Step) -> None:
        """Take in the next move."""
        self._total.addcmul_(step.steering, step.move)

    def total(self) -> Float[Tensor, "p c h w"]:
        """Return the attribution of the moves so far."""
        return self._total.clone()


class Trapezoid(Rule):
    """Mean of the gradients at both ends of a move, times the move; one gradient more than ``paper`` in all."""

    wants_final_gradient = True

    def __init__(self, ends: Endpoints, gradient_of: GradientFn) -> None:
        super().__init__(ends, gradient_of)
        self._total = torch.zeros_like(ends.start)
        self._open: tuple[Tensor, Tensor] | None = None  # gradient and move still without their far end

    def add(self, step: Step) -> None:
        """Take in the next move."""
        if self._open is None:
            self._open = step.gradient, step.move
            return
        gradient, move = self._open
        active = step.active.view(-1, 1, 1, 1)
        self._total = self._total + torch.where(active, (gradient + step.gradient) / 2 * move, 0)
        self._open = torch.where(active, step.gradient, gradient), torch.where(active, step.move, move)

    def close(self, score: Float[Tensor, " p"], gradient: Float[Tensor, "p c h w"] | None) -> None:
        """Finish every path's last move."""
        if self._open is not None and gradient is not None:
            before, move = self._open
            self._total = self._total + (before + gradient) / 2 * move
            self._open = None

    def total(self) -> Float[Tensor, "p c h w"]:
        """Return the attribution of the moves so far; the newest counts with the gradient at its start only."""
        if self._open is None:
            return self._total
        gradient, move = self._open
        return torch.addcmul(self._total, gradient, move)


@lru_cache(maxsize=32)
def _gauss_legendre(nodes: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    points, weights = np.polynomial.legendre.leggauss(nodes)
    return (points + 1) / 2, weights / 2


class Gauss(Rule):
    """Gauss-Legendre quadrature of the raw gradient with ``nodes`` nodes inside each move, evaluated in one batch."""

    def __init__(self, ends: Endpoints, gradient_of: GradientFn, nodes: int = 16) -> None:
        super().__init__(ends, gradient_of)
        if nodes < 1:
            raise ValueError(f"Gauss-Legendre quadrature needs at least one node a move, not {nodes}.")
        self._points, self._weights = _gauss_legendre(nodes)
        self._total = torch.zeros_like(ends.start)

    def add(self, step: Step) -> None:
        """Take in the next move."""
        rows = step.active.nonzero().squeeze(1)
        state, move = step.state[rows], step.move[rows]
        states = torch.cat([torch.add(state, move, alpha=float(t)) for t in self._points])
        _, gradients = self.gradient_of(states, rows.repeat(len(self._points)))
        weights = gradients.new_tensor(self._weights)
        mean = torch.tensordot(weights, gradients.view(len(weights), *state.shape), dims=1)
        self._total = self._total + spread(mean * move, rows, len(step.move))

    def total(self) -> Float[Tensor, "p c h w"]:
        """Return the attribution of the moves so far."""
        return self._total


class Idgi(Rule):
    """Integrated Directional Gradients: the measured change of each move, dealt out by squared gradient.

    Yang, Wang and Bilgic, "IDGI: A Framework to Eliminate Explanation Noise from Integrated Gradients", CVPR 2023,
    algorithm 1. Complete to rounding on any path; not a line integral. The change is shared among the values that
    moved, which on the straight line are all of them; in proportion to the way they moved where the gradient is 0.
    """

    is_integral = False

    def __init__(self, ends: Endpoints, gradient_of: GradientFn) -> None:
        super().__init__(ends, gradient_of)
        self._total = torch.zeros_like(ends.start)
        self._open: tuple[Tensor, Tensor] | None = None  # score and shares of the move whose outcome is not known

    def add(self, step: Step) -> None:
        """Take in the next move."""
        weight = torch.where(step.move != 0, step.gradient.square(), 0)
        flat = (weight == 0).flatten(1).all(1).view(-1, 1, 1, 1)
        weight = torch.where(flat, step.move.abs(), weight)
        share = weight / weight.sum((1, 2, 3), keepdim=True).clamp(min=torch.finfo(weight.dtype).tiny)
        if self._open is None:
            self._open = step.score, share
            return
        before, old = self._open
        gain = torch.where(step.active, step.score - before, 0)
        self._total = torch.addcmul(self._total, gain.view(-1, 1, 1, 1), old)
        active = step.active.view(-1, 1, 1, 1)
        self._open = torch.where(step.active, step.score, before), torch.where(active, share, old)

    def close(self, score: Float[Tensor, " p"], gradient: Float[Tensor, "p c h w"] | None) -> None:
        """Finish every path's last move."""
        if self._open is not None:
            before, share = self._open
            self._total = torch.addcmul(self._total, (score - before).view(-1, 1, 1, 1), share)
            self._open = None

    def total(self) -> Float[Tensor, "p c h w"]:
        """Return the attribution of the moves whose outcome is known."""
        return self._total


@dataclass
class _Dealing:
    """One path's moves as sparse rows: which pixels moved, how far, and the weight they are dealt by."""

    pixels: list[NDArray[np.int64]] = field(default_factory=list)
    way: list[NDArray[np.float64]] = field(default_factory=list)
    weight: list[NDArray[np.float64]] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)


class Isotonic(Rule):
    """The measured change of the score in each move, dealt out to the pixels that moved.

    This project's own rule. It is complete to rounding at any step size and needs no gradient beyond the search's;
    it is *not* a line integral of the gradient. Each move's gain over its mass (how much of the pixels' way it covers)
    is a density; the densities are made non-increasing along the path by weighted isotonic regression, because the
    greedy order is an order of importance; inside a move the gain goes to pixels in proportion to
    ``|sum over channels of steering * move|``. It speaks of pixels: channels share a pixel's credit equally.
    """

    is_integral = False

    def __init__(self, ends: Endpoints, gradient_of: GradientFn) -> None:
        super().__init__(ends, gradient_of)
        self._paths = [_Dealing() for _ in ends.start]

    def add(self, step: Step) -> None:
        """Take in the next move."""
        way = step.way.flatten(1).cpu().numpy()
        scores = step.score.tolist()
        for path in step.active.nonzero().squeeze(1).tolist():
            moved = np.flatnonzero(way[path] > 0)
            steering, move = (values[path].flatten(1)[:, moved] for values in (step.steering, step.move))
            dealing = self._paths[path]
            dealing.pixels.append(moved)
            dealing.way.append(way[path][moved].astype(np.float64))
            dealing.weight.append((steering * move).sum(0).abs().double().cpu().numpy())
            dealing.scores.append(scores[path])

    def close(self, score: Float[Tensor, " p"], gradient: Float[Tensor, "p c h w"] | None) -> None:
        """Take in the final scores."""
        for dealing, value in zip(self._paths, score.tolist(), strict=True):
            dealing.scores.append(value)

    def total(self) -> Float[Tensor, "p c h w"]:
        """Return the attribution of the moves whose outcome is known."""
        _, channels, height, width = self.ends.start.shape
        signs = self.ends.sign.tolist()
        maps = np.stack(
            [sign * self._deal(d, sign, height * width) for d, sign in zip(self._paths, signs, strict=True)]
        )
        pixel_map = torch.from_numpy(maps).to(self.ends.start).view(-1, 1, height, width)
        return pixel_map.expand(-1, channels, -1, -1) / channels

    def densities(self) -> list[NDArray[np.float64]]:
        """Return each path's non-increasing densities, one for each move whose outcome is known."""
        size = self.ends.start[0, 0].numel()
        return [self._fit(d, sign, size)[1] for d, sign in zip(self._paths, self.ends.sign.tolist(), strict=True)]

    @staticmethod
    def _fit(
        dealing: _Dealing, sign: float, size: int
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], list[NDArray[np.float64]]]:
        """Return mass and density of each move, and the share of each moved pixel's way."""
        gains = sign * np.diff(dealing.scores)
        known = len(gains)
        pixels, way = dealing.pixels[:known], dealing.way[:known]
        if not known:
            return np.zeros(0), np.zeros(0), []
        whole = np.bincount(np.concatenate(pixels), np.concatenate(way), size)
        shares = [w / whole[p] for p, w in zip(pixels, way, strict=True)]
        mass = np.array([s.sum() for s in shares])
        moved = mass > 0  # a move lost to rounding has no mass, and no gain either
        density = np.zeros(known)
        if moved.any():
            density[moved] = isotonic_regression(gains[moved] / mass[moved], weights=mass[moved], increasing=False).x
        return mass, density, shares

    def _deal(self, dealing: _Dealing, sign: float, size: int) -> NDArray[np.float64]:
        mass, density, shares = self._fit(dealing, sign, size)
        result = np.zeros(size)
        for k, share in enumerate(shares):
            weight = dealing.weight[k]
            weight = weight if weight.any() else share
            if mass[k] > 0:
                result[dealing.pixels[k]] += mass[k] * density[k] * weight / weight.sum()
        return result


MOST_NODES = 256  # more would only repeat themselves in single precision

RULES = {
    "paper": "Paper: gradient at the start of each move",
    "trapezoid": "Trapezoid: mean of the gradients at both ends",
    "gauss": "Gauss-Legendre: several gradients inside each move",
    "isotonic": "Isotonic: the measured score changes, dealt out",
    "idgi": "IDGI: the measured score changes, by squared gradient",
}
"""Name to title of the rules that :func:`make_rule` builds."""


def make_rule(name: str, ends: Endpoints, gradient_of: GradientFn, gauss_nodes: int = 16) -> Rule:
    """Build an accumulation rule by name.

    Raises:
        ValueError: no rule has this name.
    """
    if name == "gauss":
        return Gauss(ends, gradient_of, gauss_nodes)
    rules: dict[str, type[Rule]] = {"paper": Paper, "trapezoid": Trapezoid, "isotonic": Isotonic, "idgi": Idgi}
    if name not in rules:
        raise ValueError(f"There is no accumulation rule {name!r}. Choose one of: {', '.join(RULES)}.")
    return rules[name](ends, gradient_of)


def rule_gradients(name: str, steps: int, gauss_nodes: int = 16) -> int:
    """Return how many gradients a rule takes beyond the walk's own, for one path of ``steps`` moves."""
    return {"trapezoid": 1, "gauss": steps * gauss_nodes}.get(name, 0)


@dataclass(frozen=True)
class Completeness:
    """How far a map's sum is from the change of the score that it should explain, for D directions and N images.

    Attributes:
        sums: sum of the attribution of each direction, (D, N), in units of the score.
        targets: what it should be, (D, N): f(image) - f(baseline); for a stopped run the change so far.
    """

    sums: Float[Tensor, "d n"]
    targets: Float[Tensor, "d n"]

    @property
    def gap(self) -> Float[Tensor, "d n"]:
        """Sum minus target, in units of the score; 0 is complete."""
        return self.sums - self.targets

    @property
    def relative(self) -> Float[Tensor, "d n"]:
        """Size of the gap as a multiple of the target's size; 0 is complete, infinite if there was no change."""
        exact = (self.gap == 0) & (self.targets == 0)
        return torch.where(exact, 0.0, self.gap.abs() / self.targets.abs())

    def holds(self, tolerance: float = 0.05) -> Bool[Tensor, "d n"]:
        """Return where the gap is at most ``tolerance`` of the target."""
        return self.relative <= tolerance
