"""Methods that change the rules of the backward pass; each hooks a copy of the network."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, ClassVar, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from zennit.composites import EpsilonPlus, LayerMapComposite  # type: ignore[import-untyped]
from zennit.rules import ReLUGuidedBackprop  # type: ignore[import-untyped]
from zennit.types import Activation, AvgPool, BatchNorm, Linear, MaxPool  # type: ignore[import-untyped]

from samp_core.attribution import Decomposition, Task, UnsupportedError
from samp_core.maps.common import pieces, private, require_linear_score
from samp_core.scores import NO_GRADIENT, PathError, differentiable, explained, gradient_of, require_finite

_Unary = Callable[[Tensor], Tensor]


def guided_backprop(task: Task) -> Generator[float, None, Tensor]:
    """Return the gradient that goes back through a ReLU only where it is positive."""
    network = private(task)
    relus = (nn.ReLU, nn.ReLU6)
    if not any(isinstance(module, relus) for module in network.modules()):
        raise UnsupportedError(
            "Guided backpropagation changes the gradient of ReLUs, and this network has none (as modules). Choose "
            "another method, such as SmoothGrad."
        )
    scored, seen = task.scored(network), _Rectifications(network, relus)
    parts: list[Tensor] = []
    # Module by module, because a composite's mapping has one hook for each; a ReLU6 is a ReLU here.
    with LayerMapComposite([(relus, ReLUGuidedBackprop())]).context(network):
        for piece in pieces(len(task.inputs), task.batch_size):
            with torch.enable_grad(), nullcontext() if parts else seen:  # what is counted once holds for all
                leaf = task.inputs[piece].detach().requires_grad_()
                scores = scored(leaf, task.target[piece])
            if not parts and seen.loose:
                task.notes.append(
                    f"{seen.loose} of {seen.all} rectifications of this network are no modules, so gradients go back "
                    "through them as they are: this is guided backpropagation in part."
                )
            parts.append(gradient_of(scores, leaf))
            yield piece.stop / len(task.inputs)
    return torch.cat(parts)


class _Rectifications(TorchFunctionMode):
    """Counts how often ReLUs are computed, and how often by none of the network's own modules.

    Attributes:
        all: all of them.
    """

    def __init__(self, network: nn.Module, relus: tuple[type[nn.Module], ...]) -> None:
        super().__init__()
        self._functions = _named("relu", "relu_", "relu6")
        self.all = self._guided = 0
        for module in network.modules():
            if isinstance(module, relus):
                module.register_forward_pre_hook(self._count)

    def _count(self, module: nn.Module, args: tuple[Any, ...]) -> None:
        self._guided += 1

    @property
    def loose(self) -> int:
        """How many were none of a module."""
        return max(0, self.all - self._guided)

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        self.all += func in self._functions
        return func(*args, **(kwargs or {}))


def deeplift(task: Task, fill: str) -> Generator[float, None, Decomposition]:
    """Return DeepLIFT against a baseline: the rescale rule for activations, the cross maximum for max pools.

    They promise the score's rise from the baseline to the image.
    """
    require_linear_score(task, "DeepLIFT")
    network = private(task)
    _require_known(
        network,
        (*_RESCALED, nn.MaxPool2d, nn.AdaptiveMaxPool2d, BatchNorm),
        "DeepLIFT has no rule for {}, which this network uses. Choose Integrated Gradients or GradientSHAP instead.",
    )
    parts, totals = [], []
    for piece in pieces(len(task.inputs), task.batch_size // 2):
        inputs, target = task.inputs[piece], task.target[piece]
        reference = task.baseline(fill)(inputs)
        leaf = torch.cat([inputs, reference]).requires_grad_()
        with torch.enable_grad():
            with _Differences(2 * len(inputs)):
                scores = task.scored(network)(leaf, target.repeat(2))
            above, below = scores.chunk(2)
            # Of the images alone: what goes back to the references is zero all the way.
            multipliers = gradient_of(above, leaf)[: len(inputs)]
        parts.append((inputs - reference) * multipliers)
        totals.append((above - below).detach())
        yield piece.stop / len(task.inputs)
    return Decomposition(torch.cat(parts), torch.cat(totals))


_HARMLESS = (nn.Flatten, nn.Unflatten, nn.Identity, nn.ZeroPad2d)
_CONTAINERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)


# Activations that DeepLIFT's rescale rule serves, as modules.
_RESCALED = (
    nn.ReLU, nn.ReLU6, nn.ELU, nn.CELU, nn.SELU, nn.LeakyReLU, nn.PReLU, nn.GELU, nn.SiLU, nn.Mish, nn.Sigmoid, nn.Tanh,
    nn.Softplus, nn.Softsign, nn.LogSigmoid, nn.Hardtanh, nn.Hardswish, nn.Hardsigmoid,
)  # fmt: skip


def _require_known(network: nn.Module, known: tuple[type, ...], sentence: str) -> None:
    """Refuse modules that compute something of their own and have no rule."""
    linear = (Linear, AvgPool, nn.modules.dropout._DropoutNd, *_HARMLESS)
    for module in network.modules():
        leaf = not list(module.children())
        attention = isinstance(module, nn.MultiheadAttention)
        ours = type(module).__module__.startswith("torch.nn.modules")
        if attention or (leaf and ours and not isinstance(module, (*known, *linear, *_CONTAINERS))):
            raise UnsupportedError(sentence.format(type(module).__name__))


def _named(*names: str) -> set[Callable[..., Any]]:
    found = [getattr(place, name, None) for name in names for place in (torch, torch.Tensor, F)]
    return {function for function in found if function is not None}


class _Rules(TorchFunctionMode):
    """Gives a network's operations, modules or not, a rule for the backward pass. Lives in its own thread only."""

    method = ""
    products = _named("mul", "mul_", "__mul__", "__rmul__", "__imul__")
    quotients = _named("div", "div_", "__truediv__", "__itruediv__")
    matrix_products = _named("matmul", "__matmul__", "__rmatmul__", "mm", "bmm", "baddbmm", "einsum")
    inverses = ("reciprocal", "reciprocal_", "rsqrt", "rsqrt_", "__rtruediv__", "__rdiv__", "__rpow__")
    without = _named(
        "softmax", "log_softmax", "layer_norm", "group_norm", "instance_norm", "normalize", "prod", "norm", "std",
        "var", "scaled_dot_product_attention", "multi_head_attention_forward", "max", "amax", "maximum", "min", "amin",
        "minimum",
    )  # fmt: skip

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        active = [i for i, a in enumerate(args) if isinstance(a, Tensor) and a.requires_grad]
        if not active:
            return func(*args, **kwargs)
        # By a constant, products and quotients are linear.
        several, divides = len(active) > 1, func in self.quotients and active != [0]
        if func in self.without or divides or (several and func in self.products | self.matrix_products):
            raise UnsupportedError(
                f"{self.method} has no rule for this network: it computes {func.__name__.strip('_')} of its own "
                "activations (as gates, attention and normalisations do). Choose Integrated Gradients instead."
            )
        if func is F.batch_norm and kwargs.get("training", False):
            raise UnsupportedError(
                f"{self.method} has no rule for this network: its batch norms take the statistics of the batch in "
                "hand. Choose Integrated Gradients instead."
            )
        return self.run(func, active, args, kwargs)

    def run(self, func: Callable[..., Any], active: list[int], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Call a function of activations, some of ``args``, so that its backward pass follows the rule."""
        raise NotImplementedError


def _by_rule(
    func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], rule: Callable[[Tensor, _Unary], Tensor]
) -> Tensor:
    """Call a function of one activation by ``rule``; what it wrote in place is written in place."""
    source, *rest = args
    writes = func.__name__.endswith("_") and not func.__name__.endswith("__")
    if not (writes or kwargs.get("inplace") or any(value is True for value in rest)):
        return rule(source, lambda x: func(x, *rest, **kwargs))
    made = rule(source.clone(), lambda x: func(x.clone(), *rest, **kwargs))
    return cast(Tensor, source.copy_(made))


class _Differences(_Rules):
    """DeepLIFT's rules, for a batch whose second half holds the references of its first.

    Activations have the rescale rule, ``difference out / difference in``. A max pool credits the place of the larger
    maximum, the image's or the reference's, with the difference (as SHAP's and captum's DeepLIFT do); places that
    belong to several windows add up.
    """

    method = "DeepLIFT"
    rescaled = _named(
        "relu", "relu_", "relu6", "elu", "elu_", "celu", "celu_", "selu", "selu_", "leaky_relu", "leaky_relu_", "gelu",
        "silu", "mish", "sigmoid", "sigmoid_", "tanh", "tanh_", "softplus", "softsign", "logsigmoid", "hardtanh",
        "hardtanh_", "prelu", "hardswish", "hardsigmoid", "clamp", "clamp_", "clip", "clip_", "threshold", "threshold_",
        "exp", "exp_", "log", "log_", "sqrt", "sqrt_", "abs", "abs_", "square", "square_", "pow", "pow_", "__pow__",
        *_Rules.inverses,
    )  # fmt: skip
    pools: ClassVar[dict[Callable[..., Any], Callable[..., tuple[Tensor, Tensor]]]] = {
        F.max_pool2d: F.max_pool2d_with_indices,
        torch.max_pool2d: F.max_pool2d_with_indices,
        F.adaptive_max_pool2d: F.adaptive_max_pool2d_with_indices,
    }

    def __init__(self, count: int) -> None:
        super().__init__()
        self.count = count  # of images and references

    def run(self, func: Callable[..., Any], active: list[int], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Call a function of activations; see the class."""
        if active != [0] or not (func in self.rescaled or func in self.pools):
            return func(*args, **kwargs)
        if not args[0].ndim or len(args[0]) % self.count:
            raise UnsupportedError(
                "DeepLIFT compares each image's activations with those of its reference, and this network mixes the "
                "images of a batch. Choose Integrated Gradients instead."
            )
        if func in self.pools:
            rest = {key: value for key, value in kwargs.items() if key != "return_indices"}
            made = self.pools[func](args[0].detach(), *args[1:], **rest)
            return _CrossMaximum.apply(args[0], *made)
        return _by_rule(func, args, kwargs, _Rescale.apply)


# Both keep tensors of their own only, so that a network may write into its activations afterwards.


class _Rescale(torch.autograd.Function):
    """An activation whose multiplier is the difference of its outputs over that of its inputs."""

    @staticmethod
    def forward(ctx: Any, source: Tensor, function: _Unary) -> Tensor:
        value = function(source)
        image = source.chunk(2)[0].detach().clone()
        with torch.enable_grad():
            (slope,) = torch.autograd.grad(function(image.requires_grad_()).sum(), image)
        change = _change(source)
        ctx.save_for_backward(torch.where(change.abs() < _NEAR, slope, _change(value) / change))
        return value

    @staticmethod
    def backward(ctx: Any, multiplier: Tensor) -> tuple[Tensor, None]:
        own = multiplier.chunk(2)[0] * ctx.saved_tensors[0]
        return torch.cat([own, torch.zeros_like(own)]), None


class _CrossMaximum(torch.autograd.Function):
    """A max pool that hands each window's difference to the place where the larger of its two maxima is."""

    @staticmethod
    def forward(ctx: Any, source: Tensor, value: Tensor, places: Tensor) -> Tensor:
        image, reference = value.chunk(2)
        higher = torch.maximum(image, reference)
        ctx.save_for_backward(_change(source), higher - reference, image - higher, places)
        return value.clone()

    @staticmethod
    def backward(ctx: Any, multiplier: Tensor) -> tuple[Tensor, None, None]:
        change, rise, fall, places = ctx.saved_tensors
        multiplier, (own_place, other_place) = multiplier.chunk(2)[0], places.chunk(2)

        def hand_back(values: Tensor, where: Tensor) -> Tensor:
            flat = torch.zeros_like(change).flatten(-2)
            return flat.scatter_add_(-1, where.flatten(-2), values.flatten(-2)).view_as(change)

        credit = hand_back(multiplier * rise, own_place) + hand_back(multiplier * fall, other_place)
        own = torch.where(change.abs() < _NEAR, hand_back(multiplier, own_place), credit / change)
        return torch.cat([own, torch.zeros_like(own)]), None, None


_NEAR = 1e-7  # inputs closer than this have the gradient for a multiplier, as in the authors' code


def _change(pairs: Tensor) -> Tensor:
    image, reference = pairs.chunk(2)
    return image - reference


class _Relevance(_Rules):
    """LRP's rules for the operations that a network writes without a module."""

    method = "LRP"
    # These would hand back gradients, not relevance.
    without = _Rules.without | _Rules.matrix_products | _named(*_Rules.inverses)
    sums = _named("add", "add_", "__add__", "__radd__", "__iadd__")
    written = _named("add_", "__iadd__")
    means = _named("mean", "avg_pool2d", "adaptive_avg_pool2d")
    passed = _named("relu", "relu_", "relu6")

    def run(self, func: Callable[..., Any], active: list[int], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Call a function of activations; see the class."""
        if func in self.passed:
            return _by_rule(func, args, kwargs, _Pass.apply)
        if not ((func in self.sums and len(active) == 2) or func in self.means):
            return func(*args, **kwargs)

        def run(*tensors: Tensor) -> Tensor:
            filled = list(args)
            for i, tensor in zip(active, tensors, strict=True):
                filled[i] = tensor
            plain = torch.add if len(active) == 2 else func
            return cast(Tensor, plain(*filled, **kwargs))

        writes = func in self.written
        value = _Share.apply(run, *(args[i].clone() if writes else args[i] for i in active))
        return args[0].copy_(value) if writes else value


class _Pass(torch.autograd.Function):
    """An activation whose relevance goes back to its source unchanged."""

    @staticmethod
    def forward(ctx: Any, source: Tensor, function: _Unary) -> Tensor:
        return function(source)

    @staticmethod
    def backward(ctx: Any, relevance: Tensor) -> tuple[Tensor, None]:
        return relevance, None


class _Share(torch.autograd.Function):
    """A sum or mean whose relevance goes back in proportion to what each part gave."""

    @staticmethod
    def forward(ctx: Any, run: Callable[..., Tensor], *tensors: Tensor) -> Tensor:
        value = run(*tensors)
        ctx.run = run
        ctx.save_for_backward(value, *tensors)
        return value

    @staticmethod
    def backward(ctx: Any, relevance: Tensor) -> tuple[Tensor | None, ...]:
        value, *tensors = ctx.saved_tensors
        stable = value + torch.where(value < 0, -1e-6, 1e-6).to(value)
        leaves = [tensor.detach().requires_grad_() for tensor in tensors]
        with torch.enable_grad():
            again = ctx.run(*leaves)
            slopes = torch.autograd.grad(again, leaves, relevance / stable)
        return None, *(leaf.detach() * slope for leaf, slope in zip(leaves, slopes, strict=True))


@contextmanager
def _connected() -> Iterator[None]:
    """Say in words what zennit's hooks stumble over: activations that belong to no graph.

    Raises:
        PathError: there are some.
    """
    try:
        yield
    except AttributeError as error:
        if "register_hook" in str(error):
            raise PathError(NO_GRADIENT) from error
        raise


def lrp(task: Task) -> Generator[float, None, Decomposition]:
    """Return zennit's LRP: positive contributions in convolutions (z+), the epsilon rule in dense layers.

    They promise the score itself: what is handed back from layer to layer is meant to stay the same.
    """
    require_linear_score(task, "LRP")
    network = private(task)
    folded = "LRP has no rule for {}. Choose Integrated Gradients or GradientSHAP instead."
    if any(isinstance(module, BatchNorm) for module in network.modules()):
        raise UnsupportedError(
            "LRP needs batch norms folded into the convolutions before them, and this network has some that are not. "
            "Prepare it first (Classifier.prepare), or choose Integrated Gradients."
        )
    _require_known(network, (Activation, MaxPool), folded)
    parts, totals = [], []
    # Biases get nothing: folded batch norms have large ones, which would swallow all of the relevance.
    with EpsilonPlus(zero_params=["bias"]).context(network):
        for piece in pieces(len(task.inputs), task.batch_size):
            with torch.enable_grad():
                leaf = task.inputs[piece].detach().requires_grad_()
                with _Relevance(), differentiable(), _connected():
                    logits = network(leaf)
                totals.append(explained(task.score.score, logits, task.target[piece], len(leaf)).detach())
                require_finite(totals[-1], "score")
                outputs = logits.detach().requires_grad_()
                weights = torch.autograd.grad(task.score.score(outputs, task.target[piece]).sum(), outputs)[0]
                parts.append(gradient_of(logits, leaf, weights * outputs.detach()))
            yield piece.stop / len(task.inputs)
    return Decomposition(torch.cat(parts), torch.cat(totals))
