"""Torchvision's networks, which take two seconds to import and are imported by who asks for one."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import torch
import torchvision.models  # type: ignore[import-untyped]
from torch import nn

from samp_core.bundled import BUNDLED
from samp_core.images import Preprocessing
from samp_core.networks import ClassifierError


def weights_of(name: str) -> Any:
    """Return torchvision's description of a network's weights.

    Raises:
        ClassifierError: no network has this name.
    """
    known = torchvision.models.list_models(module=torchvision.models)
    if name not in known:
        near = difflib.get_close_matches(name.casefold(), [*BUNDLED, *known], n=5, cutoff=0.5)
        raise ClassifierError(
            f"There is no network {name!r}. Close names: {', '.join(near) or 'none'}. Give one of "
            f"{', '.join(BUNDLED)}, the name of a torchvision classification network, or a module of your own."
        )
    return torchvision.models.get_model_weights(name).DEFAULT


def weights_file(weights: Any) -> Path:
    """Return where torch keeps these weights once they are fetched."""
    return Path(torch.hub.get_dir(), "checkpoints", Path(urlparse(weights.url).path).name)


def load(name: str, weights: Any, download: bool) -> nn.Module:
    """Return a network with these weights, in eval mode.

    Raises:
        ClassifierError: the weights are absent and may not be fetched, cannot be, or are damaged.
    """
    path = weights_file(weights)
    absent = not path.is_file()
    if absent and not download:
        raise ClassifierError(
            f"The weights of {name} ({weights.meta['_file_size']:.0f} MB) are not on this computer, and "
            f"nothing is downloaded unasked. Allow it with load_classifier({name!r}, download=True), or put "
            f"the file from {weights.url} at {path}."
        )
    try:
        network: nn.Module = torchvision.models.get_model(name, weights=weights)
    except Exception as error:  # a damaged pickle can raise anything
        if absent:
            path.unlink(missing_ok=True)
            raise ClassifierError(
                f"The weights of {name} could not be downloaded from {weights.url}: {error}. Check the "
                f"connection and the free disk space and try again, or put the file at {path} yourself."
            ) from error
        raise ClassifierError(
            f"The weights of {name} in {path} cannot be read: {error}. The file is probably damaged. Delete "
            f"it and fetch it again with load_classifier({name!r}, download=True)."
        ) from error
    return network.eval()


def preprocessing_of(weights: Any) -> Preprocessing:
    """Return how a network with these weights wants its pictures."""
    preset = weights.transforms()
    (resize,), (crop,) = preset.resize_size, preset.crop_size
    return Preprocessing(resize, (crop, crop), tuple(preset.mean), tuple(preset.std), preset.interpolation.value)
