"""Methods that look at gradients with respect to the image, and leave the network as it is."""

from __future__ import annotations

from collections.abc import Generator

import torch
from torch import Tensor

from samp_core.attribution import Decomposition, Task
from samp_core.baselines import GaussianBlur
from samp_core.maps.common import PhotoStreams, every_image, pieces


def gradient(task: Task) -> Generator[float, None, Tensor]:
    """Return the gradient of the score."""
    images, parts = every_image(task), []
    for piece in pieces(len(images), task.batch_size):
        parts.append(task.score.gradients(task.inputs[piece], images[piece])[1])
        yield piece.stop / len(images)
    return torch.cat(parts)


def input_x_gradient(task: Task) -> Generator[float, None, Tensor]:
    """Return input times gradient."""
    slope = yield from gradient(task)
    return task.inputs * slope


def smoothgrad(task: Task, samples: int = 25, noise: float = 0.15) -> Generator[float, None, Tensor]:
    """Return the mean gradient of noisy copies; ``noise`` is a fraction of each image's range of values."""
    inputs, n = task.inputs, len(task.inputs)
    random = PhotoStreams(task)
    spread = noise * (inputs.amax((1, 2, 3), keepdim=True) - inputs.amin((1, 2, 3), keepdim=True))
    total = torch.zeros_like(inputs)
    for piece in pieces(samples, task.batch_size // n):
        noisy = [inputs + spread * random.normal(*inputs.shape[1:]) for _ in range(piece.start, piece.stop)]
        slopes = task.score.gradients(torch.cat(noisy), every_image(task).repeat(len(noisy)))[1]
        total += slopes.view(len(noisy), *inputs.shape).sum(0)
        yield piece.stop / samples
    return total / samples


def expected_gradients(task: Task, samples: int = 48) -> Generator[float, None, Decomposition]:
    """Return expected gradients over three kinds of baseline: zero, blurred image, noise of the image's spread.

    They promise the mean over all samples of the score's rise from the baseline drawn to the image.
    """
    inputs, n, images = task.inputs, len(task.inputs), every_image(task)
    random = PhotoStreams(task)
    small = max(inputs.shape[2:]) <= 64
    fixed = (torch.zeros_like(inputs), GaussianBlur(11 if small else 31, 5.0)(inputs))
    deviation = inputs.std((1, 2, 3), keepdim=True)
    whole = task.score.values(inputs, images)
    falls = [whole - task.score.values(baseline, images) for baseline in fixed]
    total, change = torch.zeros_like(inputs), torch.zeros_like(whole)
    for piece in pieces(samples, task.batch_size // n):
        states, ways, noises = [], [], []
        for sample in range(piece.start, piece.stop):
            kind = sample % 3
            baseline = fixed[kind] if kind < 2 else deviation * random.normal(*inputs.shape[1:])
            if kind < 2:
                change += falls[kind]
            else:
                noises.append(baseline)
            way = inputs - baseline
            # Where on the line: one place in each of as many strata as there are samples of this kind.
            of_kind = len(range(kind, samples, 3))
            states.append(inputs - way * (1 - (sample // 3 + random.uniform(1, 1, 1)) / of_kind))
            ways.append(way)
        slopes = task.score.gradients(torch.cat(states), images.repeat(len(states)))[1]
        total += (torch.cat(ways) * slopes).view(len(states), *inputs.shape).sum(0)
        if noises:
            before = task.score.values(torch.cat(noises), images.repeat(len(noises)))
            change += (whole - before.view(-1, n)).sum(0)
        yield piece.stop / samples
    return Decomposition(total / samples, change / samples)
