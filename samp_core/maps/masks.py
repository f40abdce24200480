"""Methods that hide parts of the image and watch the score: occlusion and RISE."""

from __future__ import annotations

import math
from collections.abc import Generator

import torch
import torch.nn.functional as F
from torch import Tensor

from samp_core.attribution import Task
from samp_core.maps.common import every_image, photo_seeds, pieces


def occlusion(task: Task, fill: str, window: int = 32, stride: int = 16) -> Generator[float, None, Tensor]:
    """Return the mean fall of the score over the windows that hide a pixel."""
    inputs, n = task.inputs, len(task.inputs)
    down, across = (_starts(size, window, stride) for size in inputs.shape[2:])
    places = [(top, left) for top in down for left in across]
    hidden, images = task.baseline(fill)(inputs), every_image(task)
    whole = task.score.values(inputs, images)
    total, count = torch.zeros_like(inputs[:, :1]), torch.zeros_like(inputs[:, :1])
    for piece in pieces(len(places), task.batch_size // n):
        states = []
        for top, left in places[piece]:
            state = inputs.clone()
            state[:, :, top : top + window, left : left + window] = hidden[
                :, :, top : top + window, left : left + window
            ]
            states.append(state)
        falls = whole - task.score.values(torch.cat(states), images.repeat(len(states))).view(-1, n)
        for (top, left), fall in zip(places[piece], falls, strict=True):
            total[:, :, top : top + window, left : left + window] += fall.view(-1, 1, 1, 1)
            count[:, :, top : top + window, left : left + window] += 1
        yield piece.stop / len(places)
    return total / count


def _starts(size: int, window: int, stride: int) -> range:
    """Return where windows begin along a side of ``size`` pixels; they leave no pixel out."""
    stride = min(stride, window)
    return range(0, max(0, size - window) + stride, stride)


def occlusion_windows(height: int, width: int, window: int, stride: int) -> int:
    """Return in how many places a window is hidden."""
    return math.prod(len(_starts(size, window, stride)) for size in (height, width))


def rise(task: Task, fill: str, masks: int = 500, cells: int = 7, shown: float = 0.5) -> Generator[float, None, Tensor]:
    """Return how the score goes with a pixel being shown, over random smooth masks.

    The mean score is taken off first, so that a pixel that does not matter gets about zero. The order of the pixels
    is the published one, up to sampling noise.
    """
    inputs, n = task.inputs, len(task.inputs)
    size = inputs.shape[2:]
    randoms = [torch.Generator().manual_seed(seed) for seed in photo_seeds(task)]
    hidden, images = task.baseline(fill)(inputs), every_image(task)
    scores: list[Tensor] = []
    weighted, plain = torch.zeros_like(inputs[:, :1]), torch.zeros_like(inputs[:, :1])
    for piece in pieces(masks, task.batch_size // n):
        drawn = torch.stack(
            [torch.stack([_mask(size, cells, shown, r) for r in randoms]) for _ in range(piece.start, piece.stop)]
        ).to(inputs)
        states = (inputs * drawn + hidden * (1 - drawn)).flatten(0, 1)
        values = task.score.values(states, images.repeat(len(drawn))).view(-1, n)
        scores.append(values)
        weighted += torch.einsum("mn,mnchw->nchw", values.to(drawn), drawn)
        plain += drawn.sum(0)
        yield piece.stop / masks
    mean = torch.cat(scores).mean(0).view(-1, 1, 1, 1)
    return (weighted - mean * plain) / (masks * shown)


def _mask(size: torch.Size, cells: int, shown: float, random: torch.Generator) -> Tensor:
    """Return a coarse random grid, enlarged smoothly and shifted by a random part of a cell, (1, H, W)."""
    cell = [math.ceil(length / cells) for length in size]
    # In a dtype of its own: other precisions draw other numbers.
    drawn = torch.rand((1, 1, cells + 1, cells + 1), generator=random, dtype=torch.float32)
    grid = (drawn < shown).float()
    large = F.interpolate(grid, [(cells + 1) * c for c in cell], mode="bilinear", align_corners=False)
    top, left = (int(torch.randint(c, (1,), generator=random)) for c in cell)
    return large[0, :, top : top + size[0], left : left + size[1]]
