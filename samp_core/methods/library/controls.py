"""Maps that know nothing of the network: what every real method has to beat."""

from __future__ import annotations

from collections.abc import Generator

import numpy as np
import torch
from skimage.filters import sobel
from torch import Tensor

from samp_core.methods.direct import Task
from samp_core.methods.library.common import PhotoStreams, entry

FAMILY = "Controls"

# Rec. 709 weights of red, green and blue.
_LUMINANCE = (0.2126, 0.7152, 0.0722)


def random(task: Task) -> Generator[float, None, Tensor]:
    """Return noise, the same for one photo and seed, and otherwise independent of image and network."""
    yield 0.5
    return PhotoStreams(task).normal(1, *task.inputs.shape[2:])


def edges(task: Task, std: tuple[float, ...]) -> Generator[float, None, Tensor]:
    """Return the Sobel magnitude of each image's luminance; ``std`` undoes the scale of the normalisation."""
    channels = task.inputs.shape[1]
    weights = _LUMINANCE if channels == 3 else (1 / channels,) * channels
    scale = task.inputs.new_tensor(weights) * task.inputs.new_tensor(std)
    luminance = (task.inputs * scale.view(1, -1, 1, 1)).sum(1).cpu().double().numpy()
    maps = []
    for index, image in enumerate(luminance):
        maps.append(sobel(image))  # type: ignore[no-untyped-call]
        yield (index + 1) / len(luminance)
    return torch.from_numpy(np.stack(maps)).unsqueeze(1).to(task.inputs)


ENTRIES = (
    entry(
        "random",
        "Random",
        FAMILY,
        "Noise that knows neither image nor network: the floor of every comparison.",
        "A control as in Hooker, Erhan, Kindermans and Kim. A Benchmark for Interpretability Methods in Deep Neural "
        "Networks. NeurIPS 2019. arXiv:1806.10758",
        random,
        lambda asked: 0,
        limits="Explains nothing, on purpose.",
    ),
    entry(
        "edges",
        "Edges",
        FAMILY,
        "Where the photo has edges, whatever the network thinks: a map that merely looks convincing.",
        "A control as in Adebayo, Gilmer, Muelly, Goodfellow, Hardt and Kim. Sanity Checks for Saliency Maps. "
        "NeurIPS 2018. arXiv:1810.03292",
        edges,
        lambda asked: 0,
        limits="Explains nothing, on purpose: it is the same for every class.",
        extras=lambda preprocessing: {"std": tuple(preprocessing.std)},
    ),
)
