"""One move taken apart: gradient, predicted change, choice, constraint, momentum, credit.

Everything is read off the :class:`~samp_core.paths.Step` that the path yielded; nothing is computed again.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, UInt8
from numpy.typing import NDArray
from torch import Tensor

from samp_core.films.levels import compand
from samp_core.paths import Endpoints, OpenPath, Path, Search, Step


@dataclass(frozen=True)
class Picture:
    """A map of one value a pixel, as grey levels.

    Attributes:
        levels: see :func:`~samp_core.films.levels.compand`, (H, W).
        peak: magnitude of the strongest value.
        total: sum of the values before they became levels.
    """

    levels: UInt8[NDArray[np.uint8], "h w"]
    peak: float
    total: float

    @classmethod
    def of(cls, values: Float[Tensor, "h w"]) -> Picture:
        """Return the picture of a map."""
        levels, peak = compand(values.cpu().numpy())
        return cls(levels, peak, float(values.double().sum()))


@dataclass(frozen=True)
class Anatomy:
    """One move of one path, taken apart. Changes are in units of the score.

    Attributes:
        move: its number, from 1.
        score: score where the gradient was taken.
        toward: +1 on the way to the photo, -1 on the way from it: the sign of the change that the search looks for.
        gradient: the gradient there, channels added up.
        promise: change of the score that the gradient predicts if a pixel goes all the way to its end.
        old, steered: the same by the direction kept from before, and by the mixed one that chose; None where the path
            has no momentum or this is its first move.
        chosen: pixels that moved, (H, W).
        full: L1 length of the move if every chosen pixel went all the way; None if the path is no search.
        bound: longest L1 length that the infinitesimal constraint allows; None without one.
        length: L1 length of the move as it was made.
        credit: gradient (mixed, where there is momentum) times the move, channels added up: the first-order credit, or
            what the path's method takes for it.
        momentum: weight of the old direction, 0 to below 1.
    """

    move: int
    score: float
    toward: int
    gradient: Picture
    promise: Picture
    old: Picture | None
    steered: Picture | None
    chosen: Bool[NDArray[np.bool_], "h w"]
    full: float | None
    bound: float | None
    length: float
    credit: Picture
    momentum: float


def anatomies(
    path: Path | OpenPath, ends: Endpoints, step: Step, before: Float[Tensor, "p c h w"] | None
) -> tuple[Anatomy | None, ...]:
    """Take a move apart.

    Args:
        path: what made it.
        ends: where the paths start and end.
        step: the move.
        before: the steering of the move before it; None for the first.

    Returns:
        One anatomy for each path; None for paths that had arrived.
    """
    search = path if isinstance(path, Search) else None
    momentum = search.momentum if search is not None else 0.0
    mixed = bool(momentum) and before is not None
    found: list[Anatomy | None] = []
    for p, (active, score) in enumerate(zip(step.active.tolist(), step.score.tolist(), strict=True)):
        if not active:
            found.append(None)
            continue
        way, move = ends.end[p] - step.state[p], step.move[p]
        chosen = step.way[p] > 0
        tolerance = search.ic_tolerance if search is not None else None
        bound = None if tolerance is None else float(tolerance * (ends.end[p] - ends.start[p]).abs().sum())
        found.append(
            Anatomy(
                move=step.index + 1,
                score=score,
                toward=1 if ends.sign[p] > 0 else -1,
                gradient=Picture.of(step.gradient[p].sum(0)),
                promise=Picture.of((step.gradient[p] * way).sum(0)),
                old=Picture.of((before[p] * way).sum(0)) if mixed and before is not None else None,
                steered=Picture.of((step.steering[p] * way).sum(0)) if mixed else None,
                chosen=chosen.cpu().numpy(),
                full=float((way.abs().sum(0) * chosen).sum()) if search is not None else None,
                bound=bound,
                length=float(step.way[p].sum()),
                credit=Picture.of((step.steering[p] * move if step.credit is None else step.credit[p]).sum(0)),
                momentum=momentum,
            )
        )
    return tuple(found)


def is_shortened(anatomy: Anatomy) -> bool:
    """Say whether the constraint shortened the move."""
    return anatomy.bound is not None and anatomy.full is not None and anatomy.full > anatomy.bound
