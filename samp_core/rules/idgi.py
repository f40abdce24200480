"""Integrated Directional Gradients: measured changes, dealt out by squared gradient."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from samp_core.paths import Endpoints, GradientFn, Step
from samp_core.rules.base import Rule, rule


class Idgi(Rule):
    """Integrated Directional Gradients: the measured change of each move, dealt out by squared gradient.

    Yang, Wang and Bilgic, "IDGI: A Framework to Eliminate Explanation Noise from Integrated Gradients", CVPR 2023,
    algorithm 1. Complete to rounding on any path; not a line integral. The change is shared among the values that
    moved, which on the straight line are all of them; in proportion to the way they moved where the gradient is 0.
    """

    is_integral = False
    behind = 1

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


RULE = rule("idgi", "IDGI", "the measured score changes, by squared gradient", Idgi)
