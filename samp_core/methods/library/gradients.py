"""Methods that look at gradients with respect to the image, and leave the network as it is."""

from __future__ import annotations

from collections.abc import Generator

import torch
from torch import Tensor

from samp_core.baselines import GaussianBlur
from samp_core.methods.direct import Decomposition, Task
from samp_core.methods.library.common import FORWARD, PhotoStreams, entry, every_image, pieces
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


ENTRIES = (
    entry(
        "gradient",
        "Gradient",
        FAMILY,
        "How much the score changes when a pixel changes a little.",
        "Simonyan, Vedaldi and Zisserman. Deep Inside Convolutional Networks. ICLR workshop 2014. arXiv:1312.6034",
        gradient,
        lambda asked: 1,
        limits="Says how sensitive the score is, not what it is made of; where the score saturates, it is near zero.",
    ),
    entry(
        "input-x-gradient",
        "Input × gradient",
        FAMILY,
        "The gradient times the pixel's value: what a linear network would owe to each pixel.",
        "Shrikumar, Greenside, Shcherbina and Kundaje. Not Just a Black Box. 2016. arXiv:1605.01713",
        input_x_gradient,
        lambda asked: 1,
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
        lambda asked: asked.options["samples"],
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
        lambda asked: asked.options["samples"] + FORWARD * (3 + asked.options["samples"] // 3),
        (Option("samples", "Samples", "Random points on lines from a random baseline.", 48, 3, 1000, 1),),
        limits="Adds up to the score's rise above the mean of its baselines, up to sampling noise.",
    ),
)
