"""Random walks with a fixed end, and how real paths compare with them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor, nn

from samp_core.baselines import GaussianBlur
from samp_core.faces import SAMP


def bridges(count: int, steps: int, sigma: float, seed: int, end: float = 1.0) -> Float[NDArray[np.float64], "c s"]:
    """Return Brownian bridges from 0 to ``end``: random walks of ``steps`` moves that are forced to end there.

    SAMP paper, assumption 1: the output along a random path is modelled so. The mean is a straight line, and the
    variance at time t is sigma^2 t (1 - t).

    Args:
        count: number of bridges.
        steps: moves of each.
        sigma: standard deviation of the free walk after all its moves.
        seed: seed of the draws.
        end: where they end.

    Returns:
        Values at time 0, 1/steps, ..., 1, (count, steps + 1).
    """
    moves = np.random.default_rng(seed).normal(0, sigma / np.sqrt(steps), (count, steps))
    free = np.concatenate([np.zeros((count, 1)), moves.cumsum(1)], axis=1)
    time = np.linspace(0, 1, steps + 1)
    bridge: NDArray[np.float64] = free - time * free[:, -1:] + end * time
    return bridge


@dataclass(frozen=True)
class Outputs:
    """How a score rises along real paths from the blurred image to the image, as a share of its whole rise.

    Attributes:
        random: along paths that insert pixels in random order, (count, steps + 1).
        searched: along the path that SAMP finds with as many pixels a move, (moves + 1,).
        rise: the score's whole rise.
        states: the images along SAMP's path, (moves + 1, channels, H, W).
    """

    random: Float[NDArray[np.float64], "c s"]
    searched: Float[NDArray[np.float64], " k"]
    rise: float
    states: Float[Tensor, "k channels h w"]


def outputs(
    network: nn.Module,
    inputs: Float[Tensor, "1 c h w"],
    target: int,
    *,
    steps: int,
    count: int,
    seed: int,
    blur: int = 11,
) -> Outputs:
    """Return the logit along random paths and along SAMP's, from the blurred image to the image.

    Raises:
        ValueError: the score is the same at both ends, so there is no share of its rise.
    """
    start = GaussianBlur(blur, 5.0)(inputs)
    pixels = inputs[0, 0].numel()
    per_step = -(-pixels // steps)
    generator = torch.Generator().manual_seed(seed)
    place = torch.stack([torch.randperm(pixels, generator=generator) for _ in range(count)])
    place = place.view(count, 1, 1, *inputs.shape[2:])
    bounds = (torch.arange(steps + 1) * per_step).view(1, -1, 1, 1, 1)
    states = torch.where(place < bounds, inputs, start).flatten(0, 1)
    with torch.no_grad():
        values = network(states)[:, target].view(count, steps + 1).double().numpy()
    low, high = float(values[0, 0]), float(values[0, -1])
    if low == high:
        raise ValueError("The score is the same for the blurred image and the image: choose another.")
    search = SAMP(
        network,
        pixels_per_step=per_step,
        momentum=0.0,
        ic_tolerance=None,
        directions=("insertion",),
        insertion_baseline=GaussianBlur(blur, 5.0),
    )
    run = search.start(inputs, target)
    walked = [step.state for step in run.moves()]
    scores = run.result().scores[:, 0, 0].double().numpy()
    rise = high - low
    return Outputs((values - low) / rise, (scores - low) / rise, rise, torch.cat([*walked, run.ends.end]))
