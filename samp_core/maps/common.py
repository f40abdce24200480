"""What methods without a path share: private copies of a network, draws of a photo's own, pieces of work."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from samp_core.attribution import Task, UnsupportedError
from samp_core.checkpoints import checkpoint
from samp_core.classifiers import ClassifierError, duplicate
from samp_core.scores import Contrast, Cost, Logit

MOST_PREFIX = 8
"""Most tokens of a transformer before those of the patches: of the class, of a teacher, registers."""


def private(task: Task) -> nn.Module:
    """Return a copy of the network that may be hooked: eval mode, nothing in place, no gradients of parameters.

    Its parameters hold the network's own values, so nothing may be written into them.

    What goes through the copy is counted as the task's cost, and its input is a copy, too.

    Raises:
        UnsupportedError: the network cannot be copied.
    """
    try:
        network = duplicate(task.network, weights=False)
    except ClassifierError as error:
        raise UnsupportedError.of_copy(error) from error
    for module in network.modules():
        module.training = False
        if getattr(module, "inplace", None) is True:
            setattr(module, "inplace", False)  # noqa: B010 - mypy takes a module's attributes for tensors
    for parameter in network.parameters():
        parameter.requires_grad_(False)
        parameter.grad = None
    for module in _layers(network):
        module.register_forward_pre_hook(_by_place, with_kwargs=True)
    network.register_forward_pre_hook(_Counter(task.cost))
    return network


def _layers(network: nn.Module) -> list[nn.Module]:
    """Return torch's own layers that the network's code may call by keyword; torch itself calls its own by place."""
    whole = (nn.MultiheadAttention, nn.TransformerEncoderLayer, nn.TransformerDecoderLayer)
    inside = {part for module in network.modules() if isinstance(module, whole) for part in module.modules()}
    leaves = [module for module in network.modules() if module not in inside and not list(module.children())]
    return [module for module in leaves if type(module).forward.__module__.startswith("torch.nn.")]


def _by_place(
    module: nn.Module, args: tuple[Any, ...], named: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
    """Hand on by its place what a layer was given as ``input=``: that is where the hooks of libraries look for it."""
    if args or "input" not in named:
        return None
    rest = {name: value for name, value in named.items() if name != "input"}
    return (named["input"],), rest


class _Counter:
    """A forward pre-hook that counts images and calls, and gives the network images that it may write into."""

    def __init__(self, cost: Cost) -> None:
        self._cost = cost

    def __call__(self, module: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
        checkpoint()
        images, *rest = args
        if torch.is_grad_enabled() and images.requires_grad:
            self._cost.gradients += len(images)
        else:
            self._cost.forwards += len(images)
        self._cost.batches += 1
        return images.clone(), *rest


def photo_seeds(task: Task) -> list[int]:
    """Return a seed for each photo, from the task's seed and the photo's own values.

    So a photo gets the same draws whichever others it is explained with, and no two photos share theirs.
    """
    # In single precision, so that the network's precision does not matter; adding 0 takes the sign off a zero.
    values = (task.inputs.detach().float() + 0.0).cpu().contiguous().numpy()
    digests = (hashlib.sha256(f"{task.seed} {photo.shape} ".encode() + photo.tobytes()).digest() for photo in values)
    return [int.from_bytes(digest[:7]) for digest in digests]


class PhotoStreams:
    """Random numbers for each photo from a stream of its own, the same on every device and in every precision."""

    def __init__(self, task: Task) -> None:
        self._like = task.inputs
        self._streams = [torch.Generator().manual_seed(seed) for seed in photo_seeds(task)]

    def normal(self, *shape: int) -> Float[Tensor, "n ..."]:
        """Return standard normal numbers of this shape for each photo, ``(N, *shape)``."""
        return self._draw(torch.randn, shape)

    def uniform(self, *shape: int) -> Float[Tensor, "n ..."]:
        """Return uniform numbers from 0 to 1 of this shape for each photo, ``(N, *shape)``."""
        return self._draw(torch.rand, shape)

    def _draw(self, draw: Callable[..., Tensor], shape: tuple[int, ...]) -> Tensor:
        return torch.stack([draw(shape, generator=s, dtype=torch.float32) for s in self._streams]).to(self._like)


def pieces(count: int, size: int) -> Iterator[slice]:
    """Yield slices of at most ``size`` that cover ``count`` things."""
    for start in range(0, count, max(1, size)):
        yield slice(start, min(count, start + max(1, size)))


def every_image(task: Task, repeats: int = 1) -> Tensor:
    """Return the indices of the images, each ``repeats`` times in a row."""
    return torch.arange(len(task.inputs), device=task.inputs.device).repeat_interleave(repeats)


def require_linear_score(task: Task, method: str) -> None:
    """Refuse a score that is not a sum of logits.

    Raises:
        UnsupportedError: the score is a probability or a logarithm of one.
    """
    if not isinstance(task.score.score, Logit | Contrast):
        raise UnsupportedError(
            f"{method} can explain logits and differences of logits only: it has no rule for what makes a "
            "probability of them. Choose the logit or a contrast."
        )


def as_picture(image: Tensor) -> Tensor:
    """Return one image (C, H, W) stretched to 0 ... 1 as (H, W, C), on the CPU in float64: for segmentations."""
    picture = image.detach().double().cpu().movedim(0, -1)
    low, high = picture.min(), picture.max()
    return (picture - low) / (high - low).clamp(min=1e-12)
