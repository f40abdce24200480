"""The classification networks of timm, an optional extra, and their published weights on the Hugging Face hub."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import nn

from samp_core.images import Preprocessing
from samp_core.networks import ClassifierError

PREFIX = "timm/"
"""What the names of these networks begin with."""

_FILE = "model.safetensors"  # which is read without executing anything


def is_installed() -> bool:
    """Return whether there is timm."""
    return find_spec("timm") is not None


@cache
def names() -> list[str]:
    """Return the names of all networks; none without timm."""
    if not is_installed():
        return []
    import timm  # noqa: PLC0415 - an extra, and two seconds

    return [f"{PREFIX}{name}" for name in timm.list_models()]


def built(name: str, **more: Any) -> nn.Module:
    """Return a network with random weights; ``more`` is ``num_classes`` and the like."""
    import timm  # noqa: PLC0415

    network: nn.Module = timm.create_model(name.removeprefix(PREFIX), pretrained=False, **more)
    return network


def preprocessing_of(name: str) -> Preprocessing:
    """Return how a network with its published weights wants its pictures."""
    published = _published(name)
    _, height, width = published.input_size
    squashed = published.crop_mode == "squash" or height != width
    interpolation: Any = "bilinear" if published.interpolation == "bilinear" else "bicubic"
    return Preprocessing(
        None if squashed else int(height / published.crop_pct),
        (height, width),
        tuple(published.mean),
        tuple(published.std),
        interpolation,
    )


def labels_of(name: str) -> Sequence[str] | None:
    """Return the names of the classes of the published weights, if they are known: of ImageNet's 1,000."""
    from samp_core.bundled import imagenet_labels  # noqa: PLC0415

    return imagenet_labels() if _published(name).num_classes == 1000 else None


@cache
def megabytes_of(name: str) -> float:
    """Return the size of the published weights, by the number of parameters, in units of 2^20 bytes."""
    with torch.device("meta"):
        return sum(parameter.numel() for parameter in built(name).parameters()) * 4 / 2**20


def file_of(name: str) -> Path | None:
    """Return where the published weights are, once they are fetched; None until then."""
    from huggingface_hub import try_to_load_from_cache  # noqa: PLC0415

    place = _published(name).hf_hub_id
    found = try_to_load_from_cache(place, _FILE) if place else None
    return Path(found) if isinstance(found, str) else None


def load(name: str, download: bool) -> nn.Module:
    """Return a network with its published weights, in eval mode.

    Raises:
        ClassifierError: the weights are absent and may not be fetched, cannot be, or are damaged.
    """
    from huggingface_hub import hf_hub_download  # noqa: PLC0415
    from safetensors.torch import load_file  # noqa: PLC0415

    published = _published(name)
    if not published.hf_hub_id or published.custom_load:
        raise ClassifierError(
            f"timm publishes no weights of {name} as safetensors. Give weights of your own, or random ones."
        )
    path = file_of(name)
    if path is None and not download:
        raise ClassifierError(
            f"The weights of {name} (about {megabytes_of(name):.0f} MB) are not on this computer, and nothing is "
            f"downloaded unasked. Allow it with load_classifier({name!r}, download=True)."
        )
    try:
        path = path or Path(hf_hub_download(published.hf_hub_id, _FILE))
    except Exception as error:  # whatever a network or a hub has to say
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ClassifierError(
            f"The weights of {name} could not be downloaded from huggingface.co/{published.hf_hub_id}: {reason}. Check "
            "the connection and the free disk space and try again."
        ) from error
    network = built(name)
    try:
        network.load_state_dict(load_file(path))
    except Exception as error:
        raise ClassifierError(
            f"The weights of {name} in {path} cannot be read: {error}. The file is probably damaged: delete it and "
            f"fetch it again with load_classifier({name!r}, download=True)."
        ) from error
    return network.eval()


def _published(name: str) -> Any:
    import timm  # noqa: PLC0415

    return timm.get_pretrained_cfg(name.removeprefix(PREFIX))
