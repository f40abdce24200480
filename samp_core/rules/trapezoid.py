"""The trapezoid rule along the path."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from samp_core.paths import Endpoints, GradientFn, Step
from samp_core.rules.base import Rule, rule


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


RULE = rule("trapezoid", "Trapezoid", "mean of the gradients at both ends", Trapezoid, lambda moves, nodes: 1)
