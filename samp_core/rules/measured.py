"""What the rules share that deal out measured changes of the score: this project's own.

Each move's gain over its mass (how much of the pixels' way it covers) is a density. The densities are made
non-increasing along the path by weighted isotonic regression, because the greedy order is an order of importance;
pooling keeps the weighted sum, so the map stays complete to rounding. Inside a move the pixels get their part in one
of two ways, and the scores themselves may be made monotone before their changes are measured.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from samp_core.paths import Endpoints, GradientFn, Step
from samp_core.rules.base import Rule

Vector = NDArray[np.float64]

SPREAD = 0.3
"""How far pixels of one move are set apart, in standard deviations of the densities for one of the promise."""

_FURTHEST = 3.0  # standard deviations of the promise beyond which a pixel is set no further apart


@dataclass
class Moves:
    """One path's moves as sparse rows.

    Attributes:
        pixels: which pixels moved.
        way: how far each went, L1 norm over channels.
        promise: ``sum over channels of steering * move`` of each, in units of the score.
        scores: score before each move and, once known, after the last.
    """

    pixels: list[NDArray[np.int64]] = field(default_factory=list)
    way: list[Vector] = field(default_factory=list)
    promise: list[Vector] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)


def _array(values: Tensor) -> NDArray[Any]:
    """Return values row by row for numpy, which knows no bfloat16."""
    known = values.float() if values.dtype == torch.bfloat16 else values
    rows: NDArray[Any] = known.flatten(1).cpu().numpy()
    return rows


class Measured(Rule):
    """The measured change of the score in each move, dealt out to the pixels that moved.

    Complete to rounding at any step size and for any path, at no gradient beyond the walk's; *not* a line integral of
    the gradient. It speaks of pixels: channels share a pixel's credit equally.

    Attributes:
        monotone: which part of the gains is measured on scores that were made monotone, 0 to 1. With 1 every credit
            has the sign of the score's change from start to end.
        by_promise: which part of a move's gain is dealt out in proportion to the size of the promise, 0 to 1; the rest
            goes by share of the way, with pixels of larger promise :data:`SPREAD` above the others.
        by_place: which part of the whole change is dealt out by the place of each pixel on the path alone, 0 to 1: the
            first gets most and the last nothing, and inside a move those of larger promise come first.
        falling: whether what moves later never gets more, inside a move and from one move to the next, so that the map
            keeps the order of the path.
    """

    is_integral = False
    behind = 1
    monotone = 0.0
    by_promise = 1.0
    by_place = 0.0
    falling = False

    def __init__(self, ends: Endpoints, gradient_of: GradientFn) -> None:
        super().__init__(ends, gradient_of)
        self._paths = [Moves() for _ in ends.start]

    def add(self, step: Step) -> None:
        """Take in the next move."""
        way = _array(step.way)
        scores = step.score.tolist()
        for path in step.active.nonzero().squeeze(1).tolist():
            moved = np.flatnonzero(way[path] > 0)
            steering, move = (_array(values[path]).take(moved, axis=1) for values in (step.steering, step.move))
            moves = self._paths[path]
            moves.pixels.append(moved)
            moves.way.append(way[path][moved].astype(np.float64))
            moves.promise.append((steering * move).sum(0).astype(np.float64))
            moves.scores.append(scores[path])

    def close(self, score: Float[Tensor, " p"], gradient: Float[Tensor, "p c h w"] | None) -> None:
        """Take in the final scores."""
        for moves, value in zip(self._paths, score.tolist(), strict=True):
            moves.scores.append(value)

    def total(self) -> Float[Tensor, "p c h w"]:
        """Return the attribution of the moves whose outcome is known."""
        _, channels, height, width = self.ends.start.shape
        signs = self.ends.sign.tolist()
        maps = np.stack(
            [sign * self._deal(moves, sign, height * width) for moves, sign in zip(self._paths, signs, strict=True)]
        )
        pixel_map = torch.from_numpy(maps).to(self.ends.start).view(-1, 1, height, width)
        return pixel_map.expand(-1, channels, -1, -1) / channels

    def densities(self) -> list[Vector]:
        """Return each path's non-increasing densities, one for each move whose outcome is known."""
        size = self.ends.start[0, 0].numel()
        return [
            self._fit(moves, sign, size)[1] for moves, sign in zip(self._paths, self.ends.sign.tolist(), strict=True)
        ]

    def _fit(self, moves: Moves, sign: float, size: int) -> tuple[Vector, Vector, list[Vector]]:
        """Return mass and density of each move, and the share of each moved pixel's way."""
        known = len(moves.scores) - 1
        if known < 1:
            return np.zeros(0), np.zeros(0), []
        pixels, way = moves.pixels[:known], moves.way[:known]
        whole = np.bincount(np.concatenate(pixels), np.concatenate(way), size)
        shares = [w / whole[p] for p, w in zip(pixels, way, strict=True)]
        mass = np.array([share.sum() for share in shares])
        scores = sign * np.array(moves.scores)
        density = np.zeros(known)
        if self.monotone < 1:
            density += (1 - self.monotone) * _densities(scores, mass)
        if self.monotone:
            density += self.monotone * _densities(_monotone(scores), mass)
        return mass, density, shares

    def _deal(self, moves: Moves, sign: float, size: int) -> Vector:
        mass, density, shares = self._fit(moves, sign, size)
        result = np.zeros(size)
        if not mass.any():
            return result
        apart = SPREAD * _deviation(density, mass)
        credits = [np.zeros_like(share) for share in shares]
        for k in np.flatnonzero(mass):
            share, promise = shares[k], moves.promise[k]
            credit = np.zeros_like(share)
            if self.by_promise:
                weight = np.abs(promise) if promise.any() else share
                credit += self.by_promise * mass[k] * density[k] * weight / weight.sum()
            if self.by_promise < 1:
                better = _standard(sign * promise / share, share)
                credit += (1 - self.by_promise) * share * (density[k] + apart * better)
            credits[k] = credit
        firsts = []
        if self.falling or self.by_place:  # sorted for those alone: every picture of a film deals anew
            firsts = [np.argsort(-sign * promise, kind="stable") for promise in moves.promise[: len(shares)]]
        if self.falling:
            credits = _falling(credits, shares, firsts)
        for pixels, credit in zip(moves.pixels, credits, strict=False):
            result[pixels] += (1 - self.by_place) * credit
        if self.by_place:
            change = self.by_place * sign * (moves.scores[len(shares)] - moves.scores[0])
            weights = _by_place(shares, firsts, mass, backwards=self.falling and change < 0)
            for pixels, weight in zip(moves.pixels, weights, strict=False):
                result[pixels] += change * weight
        return result


def _by_place(shares: list[Vector], firsts: list[NDArray[np.int64]], mass: Vector, backwards: bool) -> list[Vector]:
    """Return weights, 1 in all, in proportion to the way that is still to come, or ``backwards`` to that behind.

    Args:
        shares: of each move, the share of each moved pixel's way.
        firsts: of each move, which of its pixels comes first, second, ...
        mass: of each move, the sum of its shares.
        backwards: whether the last pixel has most.
    """
    whole, before, weights = mass.sum(), 0.0, []
    for share, first, weighs in zip(shares, firsts, mass, strict=True):
        passed = np.empty_like(share)
        passed[first] = np.cumsum(share[first])
        way = before + passed - share if backwards else whole - before - passed
        weights.append(share * np.maximum(way, 0))
        before += weighs
    total = sum(float(weight.sum()) for weight in weights)
    return [weight / total if total > 0 else share / whole for weight, share in zip(weights, shares, strict=True)]


def _falling(credits: list[Vector], shares: list[Vector], firsts: list[NDArray[np.int64]]) -> list[Vector]:
    """Return the credits closest to these, in least squares, of which none is more than one before it on the path.

    What a pixel gets is measured by its share of the way; the sum of all stays as it is.
    """
    from scipy.optimize import isotonic_regression  # noqa: PLC0415

    share, credit = (
        np.concatenate([v[f] for v, f in zip(values, firsts, strict=True)]) for values in (shares, credits)
    )
    fitted = share * isotonic_regression(credit / share, weights=share, increasing=False).x
    found, begin = [], 0
    for first in firsts:
        moved = np.empty(len(first))
        moved[first] = fitted[begin : begin + len(first)]
        found.append(moved)
        begin += len(first)
    return found


def _densities(scores: Vector, mass: Vector) -> Vector:
    """Return the non-increasing densities closest to the moves' gains over their masses, in least squares."""
    from scipy.optimize import isotonic_regression  # noqa: PLC0415 - rules are listed and others used without it

    density = np.zeros(len(mass))
    moved = mass > 0  # a move lost to rounding has no mass, and no gain either
    if moved.any():
        gains = np.diff(scores)[moved]
        density[moved] = isotonic_regression(gains / mass[moved], weights=mass[moved], increasing=False).x
    return density


def _monotone(scores: Vector) -> Vector:
    """Return the monotone sequence from the first score to the last that is closest to all, in least squares."""
    from scipy.optimize import isotonic_regression  # noqa: PLC0415

    first, last = scores[0], scores[-1]
    inside = np.clip(scores, min(first, last), max(first, last))
    found: Vector = isotonic_regression(inside, increasing=bool(last >= first)).x
    found[0], found[-1] = first, last
    return found


def _deviation(density: Vector, mass: Vector) -> float:
    """Return the standard deviation of the densities, each counted by its mass."""
    mean = np.average(density, weights=mass)
    return float(np.sqrt(np.average((density - mean) ** 2, weights=mass)))


def _standard(value: Vector, mass: Vector) -> Vector:
    """Return how many standard deviations each value is above the mean, by mass; their sum, by mass, is zero.

    The furthest are drawn in, so that one pixel cannot take what all others are given. Where the values differ by no
    more than rounding they are all alike: a deviation that vanishes would make noise of it.
    """
    above = value - np.average(value, weights=mass)
    deviation = np.sqrt(np.average(above**2, weights=mass))
    if deviation <= 1e-6 * np.abs(value).max():
        return np.zeros_like(value)
    near = np.clip(above / deviation, -_FURTHEST, _FURTHEST)
    centred: Vector = near - np.average(near, weights=mass)
    return centred
