"""What of a network's output is explained: one number for each image, and its gradient.

A path method explains a *score*, a function from an image to one number. By default that is the logit of the
explained class; probability, log-probability and the contrast between two classes are the other choices, and the
sigmoid where classes do not exclude each other. A table or a picture that mixes scores compares nothing, so the score
travels with every result.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from samp_core import catalogue
from samp_core.checkpoints import checkpoint
from samp_core.classifiers import ask
from samp_core.devices import in_parts, is_memory

T = TypeVar("T")


class PathError(RuntimeError):
    """A path that cannot be walked, or a map that cannot be finished; the message says why and what to change."""


@runtime_checkable
class Score(Protocol):
    """Logits (N, K) and target classes (N,) to one number an image (N,)."""

    def __call__(self, logits: Float[Tensor, "n k"], target: Int[Tensor, " n"]) -> Float[Tensor, " n"]:
        """Return the explained number of every image."""
        ...

    def describe(self, label: Callable[[int], str], target: int) -> str:
        """Name the score in words, given a function from class index to label."""
        ...


def _pick(values: Tensor, target: Tensor) -> Tensor:
    return values.gather(1, target.unsqueeze(1)).squeeze(1)


def _require_class(index: int, classes: int) -> None:
    if not 0 <= index < classes:
        raise ValueError(
            f"The network has {classes} classes, numbered from 0 to {classes - 1}; there is no class {index}."
        )


@dataclass(frozen=True)
class Logit:
    """The network's raw output for the target class, in logits (any real number)."""

    def __call__(self, logits: Float[Tensor, "n k"], target: Int[Tensor, " n"]) -> Float[Tensor, " n"]:
        """Return the target's logit."""
        return _pick(logits, target)

    def describe(self, label: Callable[[int], str], target: int) -> str:
        """Return e.g. ``logit of tabby``."""
        return f"logit of {label(target)}"


@dataclass(frozen=True)
class Probability:
    """The softmax probability of the target class, 0 to 1. It saturates: gradients vanish near 1."""

    def __call__(self, logits: Float[Tensor, "n k"], target: Int[Tensor, " n"]) -> Float[Tensor, " n"]:
        """Return the target's probability."""
        return _pick(logits.softmax(1), target)

    def describe(self, label: Callable[[int], str], target: int) -> str:
        """Return e.g. ``probability of tabby``."""
        return f"probability of {label(target)}"


@dataclass(frozen=True)
class LogProbability:
    """The natural logarithm of the target's softmax probability, at most 0, in nats."""

    def __call__(self, logits: Float[Tensor, "n k"], target: Int[Tensor, " n"]) -> Float[Tensor, " n"]:
        """Return the target's log-probability."""
        return _pick(logits.log_softmax(1), target)

    def describe(self, label: Callable[[int], str], target: int) -> str:
        """Return e.g. ``log-probability of tabby``."""
        return f"log-probability of {label(target)}"


@dataclass(frozen=True)
class Sigmoid:
    """The sigmoid of the target's logit, 0 to 1: its probability where classes do not exclude each other.

    It saturates as the softmax does: gradients vanish near 0 and 1.
    """

    def __call__(self, logits: Float[Tensor, "n k"], target: Int[Tensor, " n"]) -> Float[Tensor, " n"]:
        """Return the target's probability, whatever the other classes'."""
        return _pick(logits, target).sigmoid()

    def describe(self, label: Callable[[int], str], target: int) -> str:
        """Return e.g. ``probability of tabby (sigmoid)``."""
        return f"probability of {label(target)} (sigmoid)"


@dataclass(frozen=True)
class Contrast:
    """Logit of class ``a`` minus logit of class ``b``: why ``a`` rather than ``b``. The target is not used.

    Raises:
        ValueError: ``a`` and ``b`` are the same class, so the score would be 0 everywhere.
    """

    a: int
    b: int

    def __post_init__(self) -> None:
        if self.a == self.b:
            raise ValueError(
                f"A contrast needs two different classes, but both are class {self.a}: the score would be 0 for "
                "every image. Choose another class to contrast with."
            )

    def __call__(self, logits: Float[Tensor, "n k"], target: Int[Tensor, " n"]) -> Float[Tensor, " n"]:
        """Return the difference of the two logits."""
        _require_class(self.a, logits.shape[1])
        _require_class(self.b, logits.shape[1])
        return logits[:, self.a] - logits[:, self.b]

    def describe(self, label: Callable[[int], str], target: int) -> str:
        """Return e.g. ``logit of tabby minus logit of tiger cat``."""
        return f"logit of {label(self.a)} minus logit of {label(self.b)}"


@dataclass(frozen=True)
class ScoreDeclaration:
    """One score of a class, as pages, command line and files know it.

    Attributes:
        name: what command line and files call it.
        title: what people call it.
        summary: its range, and what is to be known of it, in a few words.
        make: builds it.
        multi_label: whether it is of networks whose classes do not exclude each other (True), of those whose classes do
            (False), or of both (None).
    """

    name: str
    title: str
    summary: str
    make: Callable[[], Score]
    multi_label: bool | None = None


DECLARED = (
    ScoreDeclaration("logit", "Logit", "the network's raw output, any real number", Logit),
    ScoreDeclaration(
        "probability", "Probability", "softmax, 0 to 1; its gradient vanishes near both", Probability, False
    ),
    ScoreDeclaration(
        "log-probability", "Log-probability", "logarithm of the softmax, at most 0", LogProbability, False
    ),
    ScoreDeclaration(
        "sigmoid", "Probability (sigmoid)", "of the class by itself, 0 to 1, for multi-label networks", Sigmoid, True
    ),
)

SCORES: catalogue.Catalogue[ScoreDeclaration] = catalogue.SCORES
"""All scores of one class by name."""


def scores_for(multi_label: bool) -> list[str]:
    """Return the names of the scores that mean something for a network, multi-label or not, the usual one first."""
    return [name for name, score in SCORES.items() if score.multi_label in (None, multi_label)]


def probability_of(multi_label: bool) -> Score:
    """Return the score that is a class's probability in a network, multi-label or not."""
    return Sigmoid() if multi_label else Probability()


def require_score(name: str, multi_label: bool) -> None:
    """Refuse a score that means nothing for a network.

    Raises:
        ValueError: it is of the other kind of network, multi-label or not.
    """
    if name not in (fitting := scores_for(multi_label)):
        why = (
            "the network is multi-label: its classes do not exclude each other, and have no softmax"
            if multi_label
            else "the network's classes exclude each other; if they do not, load it as multi-label"
        )
        raise ValueError(f"The score {name!r} means nothing here: {why}. Choose one of: {', '.join(fitting)}.")


@dataclass
class Cost:
    """What was asked of the network.

    Attributes:
        gradients: images sent forward and backward.
        forwards: images sent forward only.
        batches: calls of the network, of either kind.
    """

    gradients: int = 0
    forwards: int = 0
    batches: int = 0


@dataclass
class ScoreFunction:
    """The score of a batch of images as a function of their pixels, and its gradient.

    The network is evaluated in eval mode and left as it was found; parameters receive no gradients.

    Attributes:
        forward_func: images (N, C, H, W) to logits (N, K), or to one number an image, (N,) or (N, 1).
        target: explained class of each of the N images; None if ``forward_func`` gives one number an image.
        score: what of the logits is explained.
        extra: further arguments of ``forward_func``; tensors of N rows are matched to the images.
        count: number of images N.
        batch_size: most images sent through the network at once; None for no limit. Less from where memory ran out.
        cost: running count of what was asked of the network.
        enough: images at once that memory was enough for, after it was not enough for more; None if it always was.
    """

    forward_func: Callable[..., Tensor]
    target: Int[Tensor, " n"] | None
    score: Score
    extra: tuple[Any, ...]
    count: int
    batch_size: int | None = None
    cost: Cost = field(default_factory=Cost)
    enough: int | None = None

    def values(self, states: Float[Tensor, "m c h w"], images: Int[Tensor, " m"]) -> Float[Tensor, " m"]:
        """Return the score of each state; ``images`` says which of the N images a state belongs to.

        Raises:
            PathError: a score is not a finite number.
        """

        def part(which: slice) -> Tensor:
            with torch.no_grad():
                return self._score(states[which], images[which])

        parts = self._in_parts(len(states), part)
        self.cost.forwards += len(states)
        values = torch.cat(parts)
        require_finite(values, "score")
        return values

    def gradients(
        self, states: Float[Tensor, "m c h w"], images: Int[Tensor, " m"]
    ) -> tuple[Float[Tensor, " m"], Float[Tensor, "m c h w"]]:
        """Return the score of each state and the gradient with respect to it.

        Raises:
            PathError: a score or gradient is not a finite number, or does not depend on the image.
        """

        def part(which: slice) -> tuple[Tensor, Tensor]:
            with torch.enable_grad():  # a worker thread or a caller's no_grad must not switch the search off
                leaf = states[which].detach().requires_grad_()
                value = self._score(leaf, images[which])
                # A prepared network's comes in channels-last memory, which everything after would be slow with.
                return value.detach(), gradient_of(value, leaf).contiguous()

        parts = self._in_parts(len(states), part)
        self.cost.gradients += len(states)
        value, gradient = parts[0] if len(parts) == 1 else map(torch.cat, zip(*parts, strict=True))
        require_finite(value, "score")
        require_finite(gradient, "gradient")
        return value, gradient

    def steered(
        self,
        states: Float[Tensor, "m c h w"],
        images: Int[Tensor, " m"],
        objective: Callable[[Tensor, slice], Tensor],
        look: Callable[[Tensor], Tensor] | None = None,
    ) -> tuple[Float[Tensor, " m"], Float[Tensor, "m c h w"], Float[Tensor, "m ..."], Float[Tensor, "m c h w"]]:
        """Return score and gradient of each state, what is seen of it, and the gradient of an objective of that.

        One pass forward serves both gradients; they count as two.

        Args:
            states: images.
            images: which of the N images a state belongs to.
            objective: what is seen of some states (K, ...), and which of the M they are, to one number each (K,).
            look: from the outputs of the network just called to what is seen; the outputs themselves if not given.

        Raises:
            PathError: a score or gradient is not a finite number, or does not depend on the image.
        """

        def part(which: slice) -> tuple[Tensor, Tensor, Tensor, Tensor]:
            with torch.enable_grad():
                leaf = states[which].detach().requires_grad_()
                output = self._outputs(leaf, images[which])
                value = self._explained(output, images[which])
                seen = output if look is None else look(output)
                aim = objective(seen, which)
                gradient = gradient_of(value, leaf, keep=True).contiguous()
                steering = gradient_of(aim, leaf).contiguous()
                return value.detach(), gradient, seen.detach(), steering

        parts = self._in_parts(len(states), part)
        self.cost.gradients += 2 * len(states)
        value, gradient, seen, steering = (torch.cat(part) for part in zip(*parts, strict=True))
        require_finite(value, "score")
        require_finite(gradient, "gradient")
        require_finite(steering, "gradient")
        return value, gradient, seen, steering

    def seen(
        self,
        states: Float[Tensor, "m c h w"],
        images: Int[Tensor, " m"],
        look: Callable[[Tensor], Tensor] | None = None,
    ) -> Float[Tensor, "m ..."]:
        """Return what is seen of each state, as in :meth:`steered`, without any gradient.

        Raises:
            ValueError: the network's output is not what is explained.
            PathError: it is not finite.
        """

        def part(which: slice) -> Tensor:
            with torch.no_grad():
                output = self._outputs(states[which], images[which])
                self._explained(output, images[which])  # refuses what are no logits
                return output if look is None else look(output)

        found = torch.cat(self._in_parts(len(states), part))
        self.cost.forwards += len(states)
        require_finite(found, "value")
        return found

    def _in_parts(self, count: int, part: Callable[[slice], T]) -> list[T]:
        try:
            parts, most = in_parts(max(count, 1), self.batch_size or max(count, 1), part)
        except Exception as error:
            if isinstance(error, PathError) or not is_memory(error):
                raise
            raise PathError(
                f"Memory is not enough for this network, even with one image at once: {error}. Close what else uses "
                "it, choose a smaller network or crop, or compute on the CPU."
            ) from error
        if most < min(count, self.batch_size or count):
            self.batch_size = self.enough = most  # what was too much once is not tried again
        return parts

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of a result has to know about how the network was asked, in sentences."""
        if self.enough is None:
            return ()
        images = f"{self.enough} image{'s' * (self.enough != 1)}"
        return (f"Memory ran out with more, so the network was sent {images} at once.",)

    def _score(self, states: Tensor, images: Tensor) -> Tensor:
        return self._explained(self._outputs(states, images), images)

    def _outputs(self, states: Tensor, images: Tensor) -> Any:
        extra = (a[images] if isinstance(a, Tensor) and a.ndim and len(a) == self.count else a for a in self.extra)
        checkpoint()
        with differentiable():
            output = ask(self.forward_func, states, *extra)
        self.cost.batches += 1
        return output

    def _explained(self, output: object, images: Tensor) -> Tensor:
        return explained(self.score, output, None if self.target is None else self.target[images], len(images))


def explained(score: Score, output: object, target: Int[Tensor, " m"] | None, count: int) -> Float[Tensor, " m"]:
    """Return the score of each of ``count`` images from what a network gave for them.

    Args:
        score: what of the logits is explained; not used without a target.
        output: logits (M, K), or one number an image, (M,) or (M, 1), if there is no target.
        target: explained class of each.
        count: number of images M.

    Raises:
        ValueError: the output is something else, or has no such class.
    """
    if not isinstance(output, Tensor):
        raise ValueError(
            f"The network returns a {type(output).__name__}, not a tensor. Wrap it so that it returns logits "
            "(images, classes)."
        )
    if target is None:
        if output.numel() != count:
            raise ValueError(
                f"The network gives {tuple(output.shape)} outputs for {count} images, so a target class is needed. "
                "Pass target=."
            )
        return output.reshape(-1)
    if output.ndim != 2 or len(output) != count:
        raise ValueError(
            f"The network's output for {count} images has shape {tuple(output.shape)}; with a target class it must be "
            "(images, classes). Wrap the network so that it returns logits."
        )
    _require_class(int(target.min()), output.shape[1])
    _require_class(int(target.max()), output.shape[1])
    return score(output, target)


NO_GRADIENT = (
    "The score has no gradient with respect to the image, and this method needs one. The network probably detaches "
    "its input, or runs under torch.no_grad() or torch.inference_mode(): remove that, or choose a method that only "
    "asks for scores, such as Occlusion or RISE."
)


def gradient_of(
    value: Float[Tensor, "*m"],
    leaf: Float[Tensor, "m c h w"],
    weight: Float[Tensor, "*m"] | None = None,
    keep: bool = False,
) -> Float[Tensor, "m c h w"]:
    """Return the gradient of a network's output, summed with these weights, with respect to each image.

    The graph is kept for another gradient if ``keep`` says so.

    Raises:
        PathError: the score does not depend on the image, as far as autograd knows.
    """
    # Without a graph there is nothing to ask; with one, of the parameters alone, the answer is None.
    gradient = None
    if value.requires_grad:
        with differentiable():
            total = value.sum() if weight is None else (weight * value).sum()
            (gradient,) = torch.autograd.grad(total, leaf, retain_graph=keep, allow_unused=True)
    if gradient is None:
        raise PathError(NO_GRADIENT)
    return gradient


@contextmanager
def differentiable() -> Iterator[None]:
    """Say in words why a network cannot be differentiated, where autograd's own error tells users nothing.

    Raises:
        PathError: it computes with tensors of inference mode, or overwrites what the backward pass needs.
    """
    try:
        yield
    except RuntimeError as error:
        if "nference tensor" in str(error):
            raise PathError(
                "The network computes with tensors that were made under torch.inference_mode(), which have no "
                "gradients. Load it, or make its inputs, outside of that mode."
            ) from error
        if "modified by an inplace operation" in str(error):
            raise PathError(
                "The network overwrites a value that its gradient needs (an operation in place). Let it write into a "
                "new tensor, or choose a method that only asks for scores, such as Occlusion or RISE."
            ) from error
        raise


def is_finite(values: Tensor) -> bool:
    """Return whether every value is a finite number. NaN and infinity show in the extremes; one pass, no copy."""
    return not values.numel() or all(math.isfinite(extreme.item()) for extreme in values.aminmax())


def require_finite(values: Tensor, what: str) -> None:
    """Refuse values of a network that are not finite.

    Raises:
        PathError: one is NaN or infinite.
    """
    if not is_finite(values):
        raise PathError(
            f"The network returned a {what} that is not a finite number (NaN or infinity), so there is nothing to go "
            "by. Likely causes: overflow in half precision, a division by zero or a logarithm of zero in the "
            "network. Run it in float32 or choose another baseline."
        )


def _is_whole(values: Tensor) -> bool:
    if values.is_floating_point():
        return bool((values.isfinite() & (values == values.trunc())).all())
    return not values.is_complex()


def as_target(target: int | Sequence[int] | Tensor | None, count: int, device: torch.device) -> Tensor | None:
    """Return captum-style ``target`` as class indices of shape (count,), or None.

    Raises:
        ValueError: a target is no whole number, or the number of targets is neither 1 nor ``count``.
    """
    if target is None:
        return None
    try:
        given = torch.as_tensor(target)
    except (TypeError, ValueError, RuntimeError):  # words, lists of lists, numbers without end
        given = None
    # Labels that were read from a table are often 2.0, and nothing is lost by that.
    if given is None or given.dtype == torch.bool or not _is_whole(given):
        raise ValueError(
            f"A target must be the number of a class, or one for each image, not {target!r:.80}: classes are counted "
            "in whole numbers from 0. Pass integers, such as those of logits.argmax(1)."
        )
    indices = given.to(device).long().reshape(-1)
    if len(indices) not in (1, count):
        raise ValueError(f"{len(indices)} targets were given for {count} images. Give one for all, or one for each.")
    return indices.expand(count)
