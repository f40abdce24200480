"""The paper's rule: first-order extrapolation from the start of each move."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from samp_core.paths import Endpoints, GradientFn, Step
from samp_core.rules.base import Rule, rule


class Paper(Rule):
    """Steering gradient at a move's start times the move (the SAMP paper's algorithm): a first-order extrapolation.

    Of a method that credits its moves otherwise it is that method's own.
    """

    def __init__(self, ends: Endpoints, gradient_of: GradientFn) -> None:
        super().__init__(ends, gradient_of)
        self._total = torch.zeros_like(ends.start)

    def add(self, step: Step) -> None:
        """Take in the next move."""
        if step.credit is None:
            self._total.addcmul_(step.steering, step.move)
        else:
            self._total.add_(step.credit)

    def total(self) -> Float[Tensor, "p c h w"]:
        """Return the attribution of the moves so far."""
        return self._total.clone()


RULE = rule("paper", "Paper", "gradient at the start of each move", Paper)
