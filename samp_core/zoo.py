"""The networks of torchvision and timm, and programs: seconds to import, so they are imported by who asks for one."""

from __future__ import annotations

import difflib
import os
import re
import warnings
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from samp_core import zoo_programs, zoo_timm, zoo_torchvision
from samp_core.bundled import BUNDLED
from samp_core.images import Preprocessing
from samp_core.networks import ClassifierError


def names() -> list[str]:
    """Return the names of all networks: programs, then torchvision's, then timm's."""
    return [*zoo_programs.names(), *zoo_torchvision.names(), *zoo_timm.names()]


def require(name: str) -> None:
    """Refuse what is not the name of a network.

    Raises:
        ClassifierError: no network has this name.
    """
    if name.startswith(zoo_timm.PREFIX) and not zoo_timm.is_installed():
        raise ClassifierError(
            f"{name} is one of timm's networks, and timm is not installed. Install it with: "
            "pip install -r requirements-timm.txt"
        )
    if is_program(name) and not os.environ.get(zoo_programs.FOLDER):
        raise ClassifierError(
            f"{name} is an exported program, and no folder of programs is named. Start with {zoo_programs.FOLDER} set "
            "to the folder where it lies."
        )
    known = _zoo(name).names()
    if name not in known:
        near = difflib.get_close_matches(name.casefold(), [*BUNDLED, *known], n=5, cutoff=0.5)
        raise ClassifierError(
            f"There is no network {name!r}. Close names: {', '.join(near) or 'none'}. Give one of "
            f"{', '.join(BUNDLED)}, the name of a torchvision classification network, timm/ and the name of one of "
            "timm's, or a module of your own."
        )


def is_program(name: str) -> bool:
    """Return whether a name is that of an exported program, whose weights cannot be others."""
    return name.startswith(zoo_programs.PREFIX)


def preprocessing_of(name: str) -> Preprocessing:
    """Return how a network with its published weights wants its pictures."""
    found: Preprocessing = _zoo(name).preprocessing_of(name)
    return found


def labels_of(name: str) -> Sequence[str] | None:
    """Return the names of the classes of the published weights, if they are known."""
    found: Sequence[str] | None = _zoo(name).labels_of(name)
    return found


def megabytes_of(name: str) -> float:
    """Return the size of the published weights, in units of 2^20 bytes."""
    found: float = _zoo(name).megabytes_of(name)
    return found


def file_of(name: str) -> Path | None:
    """Return where the published weights are or would be; None if that is not known before they are fetched."""
    found: Path | None = _zoo(name).file_of(name)
    return found


def load(name: str, download: bool) -> nn.Module:
    """Return a network with its published weights, in eval mode.

    Raises:
        ClassifierError: the weights are absent and may not be fetched, cannot be, or are damaged.
    """
    network: nn.Module = _zoo(name).load(name, download)
    return network


def _zoo(name: str) -> ModuleType:
    if is_program(name):
        return zoo_programs
    return zoo_timm if name.startswith(zoo_timm.PREFIX) else zoo_torchvision


def random(name: str) -> nn.Module:
    """Return a network with random weights, always the same ones, in eval mode; it knows nothing.

    Raises:
        ClassifierError: no network has this name.
    """
    _require_architecture(name)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return _built(name).eval()


def filled(name: str, state: Mapping[str, Tensor]) -> nn.Module:
    """Return a network with somebody's weights, in eval mode; classes and colours or grey are read off them.

    Args:
        name: of the architecture.
        state: its state dict; of the last layer, which may stand in a ``Sequential`` of its own, as people put it there
            when they train for other classes.

    Raises:
        ClassifierError: no network has this name, or these are no weights of it; the message says what does not fit.
    """
    _require_architecture(name)
    more = {}
    if name in ("googlenet", "inception_v3"):  # whose further heads only help in training
        more = {"aux_logits": any(key.lower().startswith("aux") for key in state)}
    sketch, sized = _sketched(name, more)
    heads = [key.removesuffix(".weight") for key in sized if key.endswith("weight")][::-1]
    state = dict(state)
    place = next((head for head in heads if f"{head}.weight" in state), None)
    inner = None
    if place is None:
        place, inner = _replaced(name, heads, state)
    rows = state[f"{place}.weight" if inner is None else f"{place}.{inner}.weight"]
    count = len(rows) if rows.ndim else 0
    if not 1 <= count <= 1_000_000:
        raise ClassifierError(f"The weights are no weights of {name}: their last layer has {count} classes.")
    # Whoever sends a few numbers that are called the last of a million classes is sent away before there is memory
    # for those: all else is looked at in a network without any, and the last layers' sizes by themselves.
    _fit_channels(sketch, name, state)
    theirs = state
    if inner is not None:
        within = f"{place}.{inner}."
        theirs = {f"{place}.{k.removeprefix(within)}" if k.startswith(within) else k: v for k, v in state.items()}
    for key, (few, more_classes) in sized.items():
        shape = tuple(count if pair == _CLASSES else pair[0] for pair in zip(few, more_classes, strict=True))
        if key in theirs and tuple(theirs[key].shape) != shape:
            raise ClassifierError(
                f"The weights are no weights of {name}: {key} has the shape {tuple(theirs[key].shape)}, not {shape}. "
                f"{_OTHER_ARCHITECTURE}"
            )
    _fill(sketch, name, {key: v for key, v in theirs.items() if key not in sized}, sized.keys() & theirs.keys())
    with torch.random.fork_rng(devices=[]):
        network = _built(name, num_classes=count, **more)
    if inner is not None:
        last = network.get_submodule(place)
        layers: list[nn.Module] = [nn.Identity() for _ in range(int(inner))]
        network.set_submodule(place, nn.Sequential(*layers, last))
    _fit_channels(network, name, state)
    _fill(network, name, state)
    return network.eval()


_OTHER_ARCHITECTURE = "Choose the architecture that they were trained for."
_CLASSES = (7, 11)  # of two sketches of a network, to see what grows with the number of classes


def _fill(network: nn.Module, name: str, state: Mapping[str, Tensor], known: Collection[str] = ()) -> None:
    """Put weights into a network; ``known`` are those that it may well go without.

    Raises:
        ClassifierError: they are others.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # that nothing is put into a network without memory
            missing, unexpected = network.load_state_dict(state, strict=False)
    except RuntimeError as error:
        lines = [line.strip() for line in str(error).splitlines()[1:]]
        raise ClassifierError(
            f"The weights are no weights of {name}: {' '.join(lines[:1])[:300]} {_OTHER_ARCHITECTURE}"
        ) from error
    missing = [key for key in missing if not key.endswith("num_batches_tracked") and key not in known]
    if missing or unexpected:
        parts = [
            f"{len(keys)} {what} ({', '.join(keys[:3])}{', ...' if len(keys) > 3 else ''})"
            for what, keys in (("are missing", missing), ("belong nowhere", unexpected))
            if keys
        ]
        raise ClassifierError(f"The weights are no weights of {name}: {' and '.join(parts)}. {_OTHER_ARCHITECTURE}")


def is_grey(network: nn.Module) -> bool:
    """Return whether a network's first convolution takes one channel."""
    found = _first_convolution(network)
    return found is not None and found[1].in_channels == 1


def _first_convolution(network: nn.Module) -> tuple[str, nn.Conv2d] | None:
    return next(((place, each) for place, each in network.named_modules() if isinstance(each, nn.Conv2d)), None)


def _fit_channels(network: nn.Module, name: str, state: Mapping[str, Tensor]) -> None:
    """Let the first convolution take as many channels as the weights have, colours or grey.

    Raises:
        ClassifierError: they have neither.
    """
    if (found := _first_convolution(network)) is None:
        return
    place, first = found
    weight = state.get(f"{place}.weight")
    # What is folded before the first convolution, as some networks do, is not the image's channels any more.
    if weight is None or weight.ndim != 4 or (first.in_channels, first.groups) != (3, 1):
        return
    channels = weight.shape[1]
    if channels == 3:
        return
    if channels != 1:
        raise ClassifierError(
            f"The first layer of these weights of {name} ({place}) takes images of {channels} channels; a photo has 3, "
            "or 1 in grey. Build the network in Python in a module that makes its input from a photo, and give that to "
            "load_classifier() or by --module. Tensors of any number of channels are explained in Python: "
            "SAMP(network).attribute(images, target=...)."
        )
    first.in_channels, first.weight = 1, nn.Parameter(torch.empty_like(first.weight[:, :1]))


def _require_architecture(name: str) -> None:
    require(name)
    if is_program(name):
        raise ClassifierError(f"{name} is a program: its weights are its own. Leave --weights out.")


def _built(name: str, **more: Any) -> nn.Module:
    network: nn.Module = _zoo(name).built(name, **more)
    return network


def _sketched(name: str, more: Mapping[str, Any]) -> tuple[nn.Module, dict[str, tuple[torch.Size, torch.Size]]]:
    """Return a network for a few classes, without memory where that can be, and whatever grows with their number.

    Returns:
        The network, and its parameters of other shapes for other numbers of classes, by their names with both shapes.
    """
    few, many = (_sketch(name, num_classes=n, **more) for n in _CLASSES)
    shapes = {key: parameter.shape for key, parameter in many.named_parameters()}
    return few, {key: (p.shape, shapes[key]) for key, p in few.named_parameters() if p.shape != shapes[key]}


def _sketch(name: str, **more: Any) -> nn.Module:
    try:
        with torch.device("meta"):
            return _built(name, **more)
    except NotImplementedError:  # RegNets work out their widths with tensors
        with torch.random.fork_rng(devices=[]):
            return _built(name, **more)


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
