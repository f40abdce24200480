"""Maps that know nothing of the network: what every real method has to beat."""

from __future__ import annotations

from collections.abc import Generator

import numpy as np
import torch
from skimage.filters import sobel
from torch import Tensor

from samp_core.attribution import Task
from samp_core.maps.common import PhotoStreams

# Rec. 709 weights of red, green and blue.
_LUMINANCE = (0.2126, 0.7152, 0.0722)


def random(task: Task) -> Generator[float, None, Tensor]:
    """Return noise, the same for one photo and seed, and otherwise independent of image and network."""
    yield 0.5
    return PhotoStreams(task).normal(1, *task.inputs.shape[2:])


def edges(task: Task) -> Generator[float, None, Tensor]:
    """Return the Sobel magnitude of each image's luminance, with the scale of the normalisation undone."""
    channels = task.inputs.shape[1]
    weights = _LUMINANCE if channels == 3 else (1 / channels,) * channels
    scale = task.inputs.new_tensor(weights) * task.inputs.new_tensor(task.preprocessing.std)
    luminance = (task.inputs * scale.view(1, -1, 1, 1)).sum(1).cpu().double().numpy()
    maps = []
    for index, image in enumerate(luminance):
        maps.append(sobel(image))  # type: ignore[no-untyped-call]
        yield (index + 1) / len(luminance)
    return torch.from_numpy(np.stack(maps)).unsqueeze(1).to(task.inputs)
