"""Torchvision's networks, which take two seconds to import and are imported by who asks for one."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import torch
import torchvision.models  # type: ignore[import-untyped]
from torch import Tensor, nn

from samp_core.bundled import BUNDLED
from samp_core.images import Preprocessing
from samp_core.networks import ClassifierError


def weights_of(name: str) -> Any:
    """Return torchvision's description of a network's weights.

    Raises:
        ClassifierError: no network has this name.
    """
    known = names()
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


def random(name: str) -> nn.Module:
    """Return a network with random weights, always the same ones, in eval mode; it knows nothing.

    Raises:
        ClassifierError: no network has this name.
    """
    weights_of(name)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return _built(name).eval()


def filled(name: str, state: Mapping[str, Tensor]) -> nn.Module:
    """Return a network with somebody's weights, in eval mode; how many classes it has is read off them.

    Args:
        name: of the architecture.
        state: its state dict; of the last layer, which may stand in a ``Sequential`` of its own, as people put it there
            when they train for other classes.

    Raises:
        ClassifierError: no network has this name, or these are no weights of it; the message says what does not fit.
    """
    weights_of(name)
    more = {}
    if name in ("googlenet", "inception_v3"):  # whose further heads only help in training
        more = {"aux_logits": any(key.lower().startswith("aux") for key in state)}
    heads = _heads(name, more)
    state = dict(state)
    place = next((head for head in heads if f"{head}.weight" in state), None)
    inner = None
    if place is None:
        place, inner = _replaced(name, heads, state)
    count = len(state[f"{place}.weight" if inner is None else f"{place}.{inner}.weight"])
    if not 1 <= count <= 1_000_000:
        raise ClassifierError(f"The weights are no weights of {name}: their last layer has {count} classes.")
    with torch.random.fork_rng(devices=[]):
        network = _built(name, num_classes=count, **more)
    if inner is not None:
        last = network.get_submodule(place)
        layers: list[nn.Module] = [nn.Identity() for _ in range(int(inner))]
        network.set_submodule(place, nn.Sequential(*layers, last))
    try:
        missing, unexpected = network.load_state_dict(state, strict=False)
    except RuntimeError as error:
        lines = [line.strip() for line in str(error).splitlines()[1:]]
        raise ClassifierError(
            f"The weights are no weights of {name}: {' '.join(lines[:1])[:300]} Choose the architecture that they were "
            "trained for."
        ) from error
    missing = [key for key in missing if not key.endswith("num_batches_tracked")]
    if missing or unexpected:
        parts = [
            f"{len(keys)} {what} ({', '.join(keys[:3])}{', ...' if len(keys) > 3 else ''})"
            for what, keys in (("are missing", missing), ("belong nowhere", unexpected))
            if keys
        ]
        raise ClassifierError(
            f"The weights are no weights of {name}: {' and '.join(parts)}. Choose the architecture that they were "
            "trained for."
        )
    return network.eval()


def _built(name: str, **more: Any) -> nn.Module:
    if name in ("googlenet", "inception_v3"):
        more["init_weights"] = False  # their own way takes a minute, and warns
    network: nn.Module = torchvision.models.get_model(name, weights=None, **more)
    return network


def _heads(name: str, more: Mapping[str, Any]) -> list[str]:
    """Return the layers whose size is the number of classes, the last one first."""
    with torch.device("meta"):
        few, many = (dict(_built(name, num_classes=n, **more).named_parameters()) for n in (7, 11))
    found = [key.removesuffix(".weight") for key in few if key.endswith("weight") and few[key].shape != many[key].shape]
    return found[::-1]


def _replaced(name: str, heads: Sequence[str], state: dict[str, Tensor]) -> tuple[str, str]:
    """Return the last layer's place and its number in the sequence that stands there instead.

    Raises:
        ClassifierError: there is nothing of the kind.
    """
    for head in heads:
        layers = {
            match.group(1)
            for key, value in state.items()
            if (match := re.fullmatch(re.escape(head) + r"\.(\d{1,2})\.weight", key)) and value.ndim == 2
        }
        if len(layers) == 1:
            return head, layers.pop()
        if layers:
            raise ClassifierError(
                f"The last layer of {name} was replaced by {len(layers)} layers ({head}.*), and the weights do not say "
                "what stands between them. Build the network in Python and give it to load_classifier() or by --module."
            )
    raise ClassifierError(
        f"The weights are no weights of {name}: its last layer, {' or '.join(heads)}, is not among them. Choose the "
        "architecture that they were trained for."
    )


def names() -> list[str]:
    """Return the names of torchvision's classification networks."""
    found: list[str] = torchvision.models.list_models(module=torchvision.models)
    return found


def preprocessing_of(weights: Any) -> Preprocessing:
    """Return how a network with these weights wants its pictures."""
    preset = weights.transforms()
    (resize,), (crop,) = preset.resize_size, preset.crop_size
    return Preprocessing(resize, (crop, crop), tuple(preset.mean), tuple(preset.std), preset.interpolation.value)
