"""Methods that look at gradients with respect to the image, and leave the network as it is."""

from __future__ import annotations

from collections.abc import Generator

import torch
from torch import Tensor

from samp_core.baselines import GaussianBlur
from samp_core.methods.direct import Task
from samp_core.methods.library.common import entry, every_image, pieces
from samp_core.methods.spec import Option

FAMILY = "Gradients"


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
    random = torch.Generator().manual_seed(task.seed)
    spread = noise * (inputs.amax((1, 2, 3), keepdim=True) - inputs.amin((1, 2, 3), keepdim=True))
    total = torch.zeros_like(inputs)
    for piece in pieces(samples, task.batch_size // n):
        noisy = [inputs + spread * _normal(inputs, random) for _ in range(piece.start, piece.stop)]
        slopes = task.score.gradients(torch.cat(noisy), every_image(task).repeat(len(noisy)))[1]
        total += slopes.view(len(noisy), *inputs.shape).sum(0)
        yield piece.stop / samples
    return total / samples


def expected_gradients(task: Task, samples: int = 48) -> Generator[float, None, Tensor]:
    """Return expected gradients over three kinds of baseline: zero, blurred image, noise of the image's spread."""
    inputs, n = task.inputs, len(task.inputs)
    random = torch.Generator().manual_seed(task.seed)
    small = max(inputs.shape[2:]) <= 64
    blurred = GaussianBlur(11 if small else 31, 5.0)(inputs)
    deviation = inputs.std((1, 2, 3), keepdim=True)
    total = torch.zeros_like(inputs)
    for piece in pieces(samples, task.batch_size // n):
        states, ways = [], []
        for sample in range(piece.start, piece.stop):
            kinds = (torch.zeros_like(inputs), blurred, deviation * _normal(inputs, random))
            way = inputs - kinds[sample % 3]
            # Where on the line: one place in each of as many strata as there are samples of this kind.
            of_kind = len(range(sample % 3, samples, 3))
            place = torch.rand((n, 1, 1, 1), generator=random, dtype=inputs.dtype).to(inputs.device)
            states.append(inputs - way * (1 - (sample // 3 + place) / of_kind))
            ways.append(way)
        slopes = task.score.gradients(torch.cat(states), every_image(task).repeat(len(states)))[1]
        total += (torch.cat(ways) * slopes).view(len(states), *inputs.shape).sum(0)
        yield piece.stop / samples
    return total / samples


def _normal(like: Tensor, random: torch.Generator) -> Tensor:
    return torch.randn(like.shape, generator=random, dtype=like.dtype).to(like.device)


ENTRIES = (
    entry(
        "gradient",
        "Gradient",
        FAMILY,
        "How much the score changes when a pixel changes a little.",
        "Simonyan, Vedaldi and Zisserman. Deep Inside Convolutional Networks. ICLR workshop 2014. arXiv:1312.6034",
        gradient,
        lambda values: 1,
        limits="Says how sensitive the score is, not what it is made of; where the score saturates, it is near zero.",
    ),
    entry(
        "input-x-gradient",
        "Input × gradient",
        FAMILY,
        "The gradient times the pixel's value: what a linear network would owe to each pixel.",
        "Shrikumar, Greenside, Shcherbina and Kundaje. Not Just a Black Box. 2016. arXiv:1605.01713",
        input_x_gradient,
        lambda values: 1,
        limits="Pixels of the training data's mean colour get nothing, because their normalised value is zero.",
    ),
    entry(
        "smoothgrad",
        "SmoothGrad",
        FAMILY,
        "The mean gradient of noisy copies of the image, which is calmer than the gradient itself.",
        "Smilkov, Thorat, Kim, Viégas and Wattenberg. SmoothGrad: removing noise by adding noise. 2017. "
        "arXiv:1706.03825",
        smoothgrad,
        lambda values: float(values["samples"]),
        (
            Option("samples", "Samples", "Number of noisy copies.", 25, 1, 500, 1),
            Option("noise", "Noise", "Standard deviation as a fraction of the image's range.", 0.15, 0.0, 1.0, 0.01),
        ),
        limits="Like the gradient it measures sensitivity, averaged over a neighbourhood whose size is a choice.",
    ),
    entry(
        "gradient-shap",
        "GradientSHAP (expected gradients)",
        FAMILY,
        "Integrated Gradients from many random baselines at once: zero, blur and noise.",
        "Erion, Janizek, Sturmfels, Lundberg and Lee. Improving performance of deep learning models with axiomatic "
        "attribution priors and expected gradients. Nature Machine Intelligence 2021. arXiv:1906.10670",
        expected_gradients,
        lambda values: float(values["samples"]),
        (Option("samples", "Samples", "Random points on lines from a random baseline.", 48, 3, 1000, 1),),
        limits="Adds up to the score's rise above the mean of its baselines, up to sampling noise.",
    ),
)
