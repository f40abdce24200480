"""The isotonic rule, this project's own: measured changes, dealt out so that earlier pixels never get less."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from samp_core.paths import Endpoints, GradientFn, Step
from samp_core.rules.base import Rule, rule


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
        from scipy.optimize import isotonic_regression  # noqa: PLC0415 - rules are listed and others used without it

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


RULE = rule("isotonic", "Isotonic", "the measured score changes, dealt out", Isotonic)
