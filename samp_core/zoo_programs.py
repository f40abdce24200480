"""Exported programs (torch.export, .pt2) in a folder that whoever starts this names; never what somebody sends.

Reading a program may execute what is in it, so only the owner of the machine can put one there. Beside ``NAME.pt2``
lies ``NAME.json``, how it wants its pictures, and perhaps ``NAME.labels.txt`` (or .csv or .json), names of its classes.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

from samp_core.heads import with_head
from samp_core.images import Preprocessing
from samp_core.networks import ClassifierError, probe_images, tried
from samp_core.own import MOST_WORDS, read_bytes, read_intake, read_labels

PREFIX = "program/"
"""What the names of these networks begin with."""

FOLDER = "SAMP_MODELS_DIR"
"""The environment variable that names the folder."""


class OneByOne(nn.Module):
    """A network that takes one image at a time, for any number."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n k"]:
        """Return the logits of images."""
        return torch.cat([self.network(image) for image in torch.split(x, 1)])


def names() -> list[str]:
    """Return the names of all programs; none without a folder."""
    folder = os.environ.get(FOLDER, "")
    found = sorted(Path(folder).expanduser().glob("*.pt2")) if folder else []
    return [f"{PREFIX}{path.stem}" for path in found]


def preprocessing_of(name: str) -> Preprocessing:
    """Return how a program wants its pictures.

    Raises:
        ClassifierError: the file that says so is absent or no such thing.
    """
    path = file_of(name).with_suffix(".json")
    if not path.is_file():
        raise ClassifierError(
            f"How {name} wants its pictures is not known: {path} is missing. Write json there, like "
            '{"resize": 256, "crop": 224, "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}.'
        )
    intake = read_intake(read_bytes(path, MOST_WORDS, "preprocessing"))
    if intake.bgr:
        raise ClassifierError(f"{path} asks for BGR, which a program has to turn to by itself. Export it so.")
    return intake.preprocessing


def labels_of(name: str) -> Sequence[str] | None:
    """Return the names of a program's classes, if a file says them.

    Raises:
        ClassifierError: the file is none of labels.
    """
    for ending in (".txt", ".csv", ".json"):
        path = file_of(name).with_suffix(f".labels{ending}")
        if path.is_file():
            return read_labels(read_bytes(path, MOST_WORDS, "labels"), ending)
    return None


def megabytes_of(name: str) -> float:
    """Return the size of a program, in units of 2^20 bytes."""
    return file_of(name).stat().st_size / 2**20


def file_of(name: str) -> Path:
    """Return where a program is."""
    return Path(os.environ.get(FOLDER, "")).expanduser() / f"{name.removeprefix(PREFIX)}.pt2"


def load(name: str, download: bool) -> nn.Module:
    """Return a program as a network that gives logits; one that was exported for a single image is asked one by one.

    Raises:
        ClassifierError: the file is no program, one that answers at random, or one without class scores.
    """
    try:
        network: nn.Module = torch.export.load(file_of(name)).module()
    except Exception as error:  # a damaged file can raise anything
        raise ClassifierError(
            f"The program {file_of(name)} cannot be read: {error}. Export it again with this version of torch: "
            "torch.export.save(torch.export.export(network, (images,)), FILE)."
        ) from error
    for module in network.modules():  # a program has no eval()
        module.training = False
    probe = probe_images(network, preprocessing_of(name))
    try:
        first = tried(network, probe, name)
    except ClassifierError:
        network = OneByOne(network)
        network.training = False
        first = tried(network, probe, name)
    if isinstance(first, Tensor) and not torch.allclose(first, tried(network, probe, name), equal_nan=True):
        raise ClassifierError(
            f"{name} answers the same images otherwise each time: it was exported in train mode, with its dropout. "
            "Export it again after network.eval()."
        )
    return with_head(network, preprocessing_of(name), name)
