"""Gauss-Legendre quadrature along the path."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from samp_core.paths import Endpoints, GradientFn, Step
from samp_core.paths.base import spread
from samp_core.rules.base import Rule, rule


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


RULE = rule(
    "gauss",
    "Gauss-Legendre",
    "several gradients inside each move",
    Gauss,
    lambda moves, nodes: moves * nodes,
    takes_nodes=True,
)
