"""Class scores of networks that give something else than logits (images, classes): named, nested, or a single one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from samp_core.devices import dtype_of
from samp_core.images import Preprocessing
from samp_core.networks import ClassifierError, evaluate, probe_images, tried

_NAMES = ("logits", "logit", "scores", "class_logits", "out", "output", "outputs", "pred", "preds", "prediction", "y")
# What else a network may give that has a row an image: never its class scores.
_NEVER = ("loss", "aux", "aux_logits", "aux_logits1", "aux_logits2", "features", "embedding", "embeddings",
          "hidden_states", "attentions", "pooler_output", "last_hidden_state")  # fmt: skip


class Called(nn.Module):
    """A function, from images (N, C, H, W) to whatever it gives, as a module."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Any:
        """Return what the function gives."""
        return self.function(x)


@dataclass(frozen=True)
class Head:
    """Where in what a network gives its class scores are.

    Attributes:
        way: keys, numbers or names of attributes that lead to them, from the outermost on.
        single: whether they are one logit an image.
        flat: whether they carry dimensions of one pixel (N, K, 1, 1).
    """

    way: tuple[str | int, ...] = ()
    single: bool = False
    flat: bool = False

    @property
    def plain(self) -> bool:
        """Whether the network gives logits (N, K) as they are."""
        return self == Head()

    def __call__(self, output: Any) -> Float[Tensor, "n k"]:
        """Return logits (N, K) of what the network gave."""
        for step in self.way:
            output = getattr(output, step) if isinstance(step, str) and not _is_mapping(output) else output[step]
        logits: Tensor = output.flatten(1) if self.flat else output
        if self.single:
            # Two classes whose softmax is the sigmoid of the one logit z, and whose difference is z.
            half = logits.reshape(-1, 1) / 2
            logits = torch.cat([-half, half], 1)
        return logits


class Headed(nn.Module):
    """A network together with where its class scores are; gives logits (N, K).

    A single logit z is given as two classes with the logits -z/2 and z/2: their probabilities are those of the sigmoid,
    and their contrast is z. A network of half precision is given its images in its own type and answers in float32, so
    that paths are walked and summed in float32.
    """

    def __init__(self, network: nn.Module, head: Head, half: torch.dtype | None = None) -> None:
        super().__init__()
        self.network, self.head, self.half_type = network, head, half
        self.training = network.training

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n k"]:
        """Return the logits of images."""
        if self.half_type is None:
            return self.head(self.network(x))
        return self.head(self.network(x.to(self.half_type))).float()


def find_head(network: nn.Module, preprocessing: Preprocessing, name: str) -> Head:
    """Try a network out, and return where its class scores are.

    Raises:
        ClassifierError: it fails, or gives no class scores, or several tensors that could be them.
    """
    probe = probe_images(network, preprocessing)
    output = tried(network, probe, name)
    if isinstance(output, Tensor):
        return _shape(output, (), len(probe), name)
    found = {way: value for way, value in _tensors(output) if len(value) == len(probe)}
    scores = {
        way: value
        for way, value in found.items()
        if value.ndim <= 2 or value[0].numel() == value.shape[1]  # no map and no sequence
    }
    for known in _NAMES:
        named = [way for way in scores if way[-1] == known]
        if len(named) == 1:
            return _shape(scores[named[0]], named[0], len(probe), name)
    left = [way for way in scores if not set(way) & set(_NEVER)]
    if len(left) > 1 and all(isinstance(way[-1], int) for way in left):
        left = [way for way in left if way[-1] == 0][:1]  # of a tuple, the first is what it is about
    if len(left) == 1:
        return _shape(scores[left[0]], left[0], len(probe), name)
    there = ", ".join(f"{_words(way)} {tuple(value.shape)}" for way, value in found.items()) or "no tensors"
    raise ClassifierError(
        f"{name} returns a {type(output).__name__} with {there}, and which of it the class scores are cannot be told. "
        "Call them 'logits', or wrap the network in a module that returns them alone."
    )


def with_head(network: nn.Module, preprocessing: Preprocessing, name: str) -> nn.Module:
    """Return the network itself if it takes and gives floats of a sensible width and logits (N, K), else one that does.

    Raises:
        ClassifierError: as :func:`find_head` does, or the logits are not finite.
    """
    head = find_head(network, preprocessing, name)
    half = dtype if (dtype := dtype_of(network)) in (torch.float16, torch.bfloat16) else None
    if head.plain and half is None:
        return network
    headed = Headed(network, head, half)
    evaluate(headed, probe_images(network, preprocessing), name)
    return headed


def _shape(value: Tensor, way: tuple[str | int, ...], count: int, name: str) -> Head:
    if value.ndim > 2 and len(value) == count and value[0].numel() == value.shape[1]:
        return Head(way, value.shape[1] == 1, value.shape[1] > 1)
    if value.ndim in (1, 2) and value.numel() == count == len(value):
        return Head(way, single=True)
    if value.ndim != 2 or len(value) != count:
        raise ClassifierError(
            f"{name} returns an output of shape {tuple(value.shape)} for {count} images, not logits (images, classes). "
            "Wrap it in a module that returns those."
        )
    return Head(way)


def _is_mapping(value: Any) -> bool:
    return isinstance(value, Mapping)


def _tensors(value: Any, way: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], Tensor]]:
    """Yield every tensor with rows inside what a network gave, and the way to it."""
    if isinstance(value, Tensor):
        if value.ndim:
            yield way, value
    elif len(way) < 4:
        for step, inner in _parts(value):
            yield from _tensors(inner, (*way, step))


def _parts(value: Any) -> list[tuple[str | int, Any]]:
    if _is_mapping(value):
        return [(key, inner) for key, inner in value.items() if isinstance(key, str | int)]
    if hasattr(value, "_fields"):  # a named tuple
        return [(key, getattr(value, key)) for key in value._fields]
    if isinstance(value, tuple | list):
        return list(enumerate(value))
    if is_dataclass(value):
        return [(field.name, getattr(value, field.name)) for field in fields(value)]
    return []


def _words(way: tuple[str | int, ...]) -> str:
    return ".".join(map(str, way))
