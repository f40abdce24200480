"""Torchvision's classification networks and their published weights."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import torch
import torchvision.models  # type: ignore[import-untyped]
from torch import nn

from samp_core.images import Preprocessing
from samp_core.networks import ClassifierError


def names() -> list[str]:
    """Return the names of all networks."""
    found: list[str] = torchvision.models.list_models(module=torchvision.models)
    return found


def built(name: str, **more: Any) -> nn.Module:
    """Return a network with random weights; ``more`` is ``num_classes`` and the like."""
    if name in ("googlenet", "inception_v3"):
        more["init_weights"] = False  # their own way takes a minute, and warns
    network: nn.Module = torchvision.models.get_model(name, weights=None, **more)
    return network


def preprocessing_of(name: str) -> Preprocessing:
    """Return how a network with its published weights wants its pictures."""
    preset = _weights(name).transforms()
    (resize,), (crop,) = preset.resize_size, preset.crop_size
    return Preprocessing(resize, (crop, crop), tuple(preset.mean), tuple(preset.std), preset.interpolation.value)


def labels_of(name: str) -> Sequence[str] | None:
    """Return the names of the classes of the published weights."""
    labels: Sequence[str] = _weights(name).meta["categories"]
    return labels


def megabytes_of(name: str) -> float:
    """Return the size of the file of the published weights, in units of 2^20 bytes."""
    return float(_weights(name).meta["_file_size"])


def file_of(name: str) -> Path:
    """Return where torch keeps the published weights once they are fetched."""
    return Path(torch.hub.get_dir(), "checkpoints", Path(urlparse(_weights(name).url).path).name)


def load(name: str, download: bool) -> nn.Module:
    """Return a network with its published weights, in eval mode.

    Raises:
        ClassifierError: the weights are absent and may not be fetched, cannot be, or are damaged.
    """
    weights, path = _weights(name), file_of(name)
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


def _weights(name: str) -> Any:
    return torchvision.models.get_model_weights(name).DEFAULT
