"""Methods that hide parts of the image and watch the score: occlusion and RISE."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator

import torch
import torch.nn.functional as F
from torch import Tensor

from samp_core.methods.direct import Task
from samp_core.methods.library.common import FORWARD, Asked, entry, every_image, fill_option, photo_seeds, pieces
from samp_core.methods.spec import Option

FAMILY = "Perturbation"


def occlusion(
    task: Task, fill: Callable[[Tensor], Tensor], window: int = 32, stride: int = 16
) -> Generator[float, None, Tensor]:
    """Return the mean fall of the score over the windows that hide a pixel."""
    inputs, n = task.inputs, len(task.inputs)
    down, across = (_starts(size, window, stride) for size in inputs.shape[2:])
    places = [(top, left) for top in down for left in across]
    hidden, images = fill(inputs), every_image(task)
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


def _windows(asked: Asked) -> int:
    window, stride = asked.options["window"], asked.options["stride"]
    return math.prod(len(_starts(size, window, stride)) for size in (asked.height, asked.width))


def rise(
    task: Task, fill: Callable[[Tensor], Tensor], masks: int = 500, cells: int = 7, shown: float = 0.5
) -> Generator[float, None, Tensor]:
    """Return how the score goes with a pixel being shown, over random smooth masks.

    The mean score is taken off first, so that a pixel that does not matter gets about zero. The order of the pixels
    is the published one, up to sampling noise.
    """
    inputs, n = task.inputs, len(task.inputs)
    size = inputs.shape[2:]
    randoms = [torch.Generator().manual_seed(seed) for seed in photo_seeds(task)]
    hidden, images = fill(inputs), every_image(task)
    scores: list[Tensor] = []
    weighted, plain = torch.zeros_like(inputs[:, :1]), torch.zeros_like(inputs[:, :1])
    for piece in pieces(masks, task.batch_size // n):
        drawn = torch.stack(
            [torch.stack([_mask(size, cells, shown, r) for r in randoms]) for _ in range(piece.start, piece.stop)]
        ).to(inputs)
        states = (inputs * drawn + hidden * (1 - drawn)).flatten(0, 1)
        values = task.score.values(states, images.repeat(len(drawn))).view(-1, n)
        scores.append(values)
        weighted += torch.einsum("mn,mnchw->nchw", values, drawn)
        plain += drawn.sum(0)
        yield piece.stop / masks
    mean = torch.cat(scores).mean(0).view(-1, 1, 1, 1)
    return (weighted - mean * plain) / (masks * shown)


def _mask(size: torch.Size, cells: int, shown: float, random: torch.Generator) -> Tensor:
    """Return a coarse random grid, enlarged smoothly and shifted by a random part of a cell, (1, H, W)."""
    cell = [math.ceil(length / cells) for length in size]
    grid = (torch.rand((1, 1, cells + 1, cells + 1), generator=random) < shown).float()
    large = F.interpolate(grid, [(cells + 1) * c for c in cell], mode="bilinear", align_corners=False)
    top, left = (int(torch.randint(c, (1,), generator=random)) for c in cell)
    return large[0, :, top : top + size[0], left : left + size[1]]


ENTRIES = (
    entry(
        "occlusion",
        "Occlusion",
        FAMILY,
        "How far the score falls when a window over the pixel is hidden.",
        "Zeiler and Fergus. Visualizing and Understanding Convolutional Networks. ECCV 2014. arXiv:1311.2901",
        occlusion,
        lambda asked: FORWARD * (1 + _windows(asked)),
        (
            Option("window", "Window", "Side of the hidden square, in pixels.", 32, 1, 128, 1),
            Option("stride", "Stride", "How far the window moves, in pixels; at most its side.", 16, 1, 128, 1),
            fill_option(),
        ),
        "Cannot see what hides behind a second copy: hiding one of two cats changes little.",
    ),
    entry(
        "rise",
        "RISE",
        FAMILY,
        "Many random masks; a pixel counts as far as the score is higher when it is shown.",
        "Petsiuk, Das and Saenko. RISE: Randomized Input Sampling for Explanation. BMVC 2018. arXiv:1806.07421",
        rise,
        lambda asked: FORWARD * asked.options["masks"],
        (
            Option("masks", "Masks", "Number of random masks; the paper uses 4000 to 8000.", 500, 2, 10000, 1),
            Option("cells", "Cells", "Cells of the coarse grid along a side.", 7, 2, 32, 1),
            Option("shown", "Shown", "Probability that a cell is shown.", 0.5, 0.05, 0.95, 0.05),
            fill_option(),
        ),
        "A sampled mean: few masks leave blotches that mean nothing.",
    ),
)
