"""Networks as anybody's modules: asked in eval mode and left as they were, copied, tried out."""

from __future__ import annotations

import copy
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from samp_core.images import Preprocessing


class ClassifierError(ValueError):
    """A classifier that cannot be loaded or asked this; the message says why and what to do."""


# Networks that somebody is evaluating: how many are, and which submodules were in train mode before the first.
_EVALUATED: dict[nn.Module, tuple[int, list[nn.Module]]] = {}
_MODES = threading.Lock()


@contextmanager
def preserved(module: object) -> Iterator[None]:
    """Put ``module`` in eval mode inside this context and restore the mode of every submodule afterwards.

    Networks are shared between threads: nothing is written when all are in eval mode already, and whoever leaves last
    restores. Anything but an ``nn.Module`` is left alone.
    """
    if not isinstance(module, nn.Module):
        yield
        return
    with _MODES:
        users, training = _EVALUATED.pop(module, (0, []))
        if not users:
            training = [m for m in module.modules() if m.training]
        # Flags are set one by one: train() would recurse, and networks override it.
        for submodule in training:
            submodule.training = False
        if training:
            _EVALUATED[module] = users + 1, training
    try:
        yield
    finally:
        if training:
            with _MODES:
                users, _ = _EVALUATED.pop(module)
                if users > 1:
                    _EVALUATED[module] = users - 1, training
                else:
                    for submodule in training:
                        submodule.training = True


def ask(network: Callable[..., Any], images: Float[Tensor, "n c h w"], *further: Any) -> Any:
    """Return whatever the network gives, in eval mode, for a copy of the images: it may write into its input."""
    with preserved(network):
        return network(images.clone(), *further)


def duplicate(network: nn.Module, *, weights: bool = True) -> nn.Module:
    """Return a deep copy of a network.

    Args:
        network: the network.
        weights: whether the copy has weights of its own. Without, its parameters are others that hold the same
            values: enough for a copy that is hooked or put in another mode, and no memory for large networks.

    Raises:
        ClassifierError: it cannot be copied, or is TorchScript, whose modules can be neither hooked nor replaced.
    """
    if any(isinstance(module, torch.jit.ScriptModule) for module in network.modules()):
        raise ClassifierError(
            f"{type(network).__name__} is compiled by TorchScript, so its layers cannot be looked into or replaced. "
            "Use the module that it was compiled from."
        )
    # Parameters of other kinds (not initialised yet, quantised) are copied as they know best themselves.
    shared = [] if weights else [p for p in network.parameters() if type(p) is nn.Parameter]
    # A module has a dozen dictionaries of hooks, nearly all empty: copying those takes about four tenths of the time.
    parts = [part for module in network.modules() for part in vars(module).values()]
    known: dict[int, Any] = {id(part): OrderedDict() for part in parts if type(part) is OrderedDict and not part}
    try:
        return copy.deepcopy(network, known | {id(p): nn.Parameter(p.detach(), p.requires_grad) for p in shared})
    except (RuntimeError, TypeError) as error:
        raise ClassifierError(
            f"{type(network).__name__} cannot be copied: {error}. It probably keeps activations or an open resource "
            "in an attribute. Clear it."
        ) from error


class Watched:
    """A network that also shows the features which enter its last dense layer, by a hook in a copy of its own.

    Of a network without a dense layer, or that is no module, the outputs stand for the features.

    Raises:
        ClassifierError: at the first call, the network cannot be copied.
    """

    def __init__(self, network: Callable[..., Any]) -> None:
        self._network, self._features = network, torch.empty(0)
        self._copy: Callable[..., Any] | None = None

    def __call__(self, images: Float[Tensor, "n c h w"], *further: Any) -> Any:
        """Return whatever the network gives, in eval mode."""
        if self._copy is None:
            self._copy = self._watched()
        self._features = torch.empty(0)
        with preserved(self._copy):
            return self._copy(images, *further)

    def look(self, output: Float[Tensor, "n ..."]) -> Float[Tensor, "n _"]:
        """Return the features of the images of the newest call, given its output."""
        found = self._features if len(self._features) == len(output) else output
        return found.flatten(1) if found.ndim > 1 else found.unsqueeze(1)

    def _watched(self) -> Callable[..., Any]:
        if not isinstance(self._network, nn.Module):
            return self._network
        network = duplicate(self._network, weights=False)
        for parameter in network.parameters():
            parameter.requires_grad_(False)
        # The last one that is called counts; in what order they were declared says nothing.
        for module in network.modules():
            if isinstance(module, nn.Linear):
                module.register_forward_pre_hook(self._keep, with_kwargs=True)
        return network

    def _keep(self, module: nn.Module, args: tuple[Any, ...], named: dict[str, Any]) -> None:
        self._features = args[0] if args else named["input"]


def probe_images(network: nn.Module, preprocessing: Preprocessing) -> Float[Tensor, "2 c h w"]:
    """Return noise of the size, type and device that a network takes, to try it out with."""
    # Two images, so that a network that mixes up batch and class dimensions is found out.
    like = next((p for p in network.parameters() if p.is_floating_point()), torch.empty(0, dtype=torch.float32))
    shape = (2, len(preprocessing.mean), *preprocessing.crop)
    return torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float32).to(like)


def tried(network: nn.Module, probe: Float[Tensor, "n c h w"], name: str) -> Any:
    """Return whatever a network gives for images that it is tried out with, without a graph.

    Raises:
        ClassifierError: it fails on them.
    """
    try:
        with torch.no_grad():
            return ask(network, probe)
    except Exception as error:  # the network is anybody's code
        raise ClassifierError(
            f"{name} fails on images of shape {tuple(probe.shape)}: {error}. Check that the preprocessing's "
            "crop and number of channels are what the network takes."
        ) from error


def evaluate(network: nn.Module, probe: Float[Tensor, "n c h w"], name: str) -> Float[Tensor, "n k"]:
    """Return a network's logits of images that it is tried out with.

    Raises:
        ClassifierError: it fails on them, or gives something else than finite logits (N, K).
    """
    logits = tried(network, probe, name)
    if not isinstance(logits, Tensor) or logits.ndim != 2 or len(logits) != len(probe):
        got = f"shape {tuple(logits.shape)}" if isinstance(logits, Tensor) else f"type {type(logits).__name__}"
        raise ClassifierError(
            f"{name} returns an output of {got} for {len(probe)} images, not logits (images, classes). Wrap "
            "it in a module that returns those."
        )
    if not logits.isfinite().all():
        raise ClassifierError(
            f"{name} returns NaN or infinity for normally distributed noise. Its weights are probably "
            "damaged, or overflow in half precision: load them again, or use float32."
        )
    return logits
