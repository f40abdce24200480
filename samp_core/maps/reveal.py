"""Reveal-IG: the expected score along probes that go from broad noise to the very image."""

from __future__ import annotations

from collections.abc import Generator

import torch

from samp_core.attribution import Decomposition, Task
from samp_core.baselines import Baseline
from samp_core.maps.common import PhotoStreams, every_image, pieces


def reveal_ig(
    task: Task, baseline: Baseline, steps: int = 16, samples: int = 4, noise: float = 0.5
) -> Generator[float, None, Decomposition]:
    """Return the integral of the expected score's gradient along Gaussians that close in on the image.

    Murphy and Shrestha, "Attribution via Distributional Paths for Information Revelation", arXiv 2606.03885, of which
    this takes the idea, not the probes. A probe at time t of 0 to 1 has the mean ``lerp(baseline, image, t)`` and the
    standard deviation ``noise * (1 - t)`` in every value, independently. The gradients of its expected score with
    respect to mean and (log) deviation, times how these change, are the mean over draws of the score's gradient at
    ``mean + deviation * draw`` times the change of that point; so one draw kept over all times is a line to the image.
    Times are in the middles of ``steps`` equal parts. What is promised is f(image) less the mean of the score over the
    first probes drawn.

    Args:
        task: images (N, C, H, W) and what is explained.
        baseline: mean of the first probe.
        steps: number of times.
        samples: number of draws, each kept over all times.
        noise: standard deviation of the first probe, in the network's normalised space, at least 0.
    """
    inputs, n, images = task.inputs, len(task.inputs), every_image(task)
    random, before = PhotoStreams(task), baseline(inputs)
    whole = task.score.values(inputs, images)
    total, change = torch.zeros_like(inputs), torch.zeros_like(whole)
    for sample in range(samples):
        start = before + noise * random.normal(*inputs.shape[1:])
        way = inputs - start
        change += whole - task.score.values(start, images)
        for piece in pieces(steps, task.batch_size // n):
            count = piece.stop - piece.start
            states = [torch.lerp(start, inputs, (k + 0.5) / steps) for k in range(piece.start, piece.stop)]
            slopes = task.score.gradients(torch.cat(states), images.repeat(count))[1]
            total += way * slopes.view(count, *inputs.shape).sum(0) / steps
            yield (sample + piece.stop / steps) / samples
    return Decomposition(total / samples, change / samples)
