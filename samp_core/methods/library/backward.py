"""Methods that change the rules of the backward pass; each hooks a copy of the network."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Generator, Sequence
from typing import Any, cast

import torch
import torch.nn.functional as F
from captum.attr import DeepLift
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from zennit.composites import EpsilonPlus, LayerMapComposite  # type: ignore[import-untyped]
from zennit.rules import ReLUGuidedBackprop  # type: ignore[import-untyped]
from zennit.types import Activation, AvgPool, BatchNorm, Linear, MaxPool  # type: ignore[import-untyped]

from samp_core.methods.direct import Task, UnsupportedError
from samp_core.methods.library.common import FORWARD, entry, fill_option, pieces, private, require_linear_score

FAMILY = "Gradients"


def guided_backprop(task: Task) -> Generator[float, None, Tensor]:
    """Return the gradient that goes back through a ReLU only where it is positive."""
    network = private(task)
    relus = (nn.ReLU, nn.ReLU6)
    if not any(isinstance(module, relus) for module in network.modules()):
        raise UnsupportedError(
            "Guided backpropagation changes the gradient of ReLUs, and this network has none (as modules). Choose "
            "another method, such as SmoothGrad."
        )
    scored, parts = task.scored(network), []
    # Module by module, because a composite's mapping has one hook for each; a ReLU6 is a ReLU here.
    with LayerMapComposite([(relus, ReLUGuidedBackprop())]).context(network):
        for piece in pieces(len(task.inputs), task.batch_size):
            with torch.enable_grad():
                leaf = task.inputs[piece].clone().requires_grad_()
                parts.append(torch.autograd.grad(scored(leaf, task.target[piece]).sum(), leaf)[0])
            yield piece.stop / len(task.inputs)
    return torch.cat(parts)


class _Calls(nn.Module):
    """Stands for an activation that is called several times in a pass: every call has modules of its own."""

    def __init__(self, calls: Sequence[nn.Module]) -> None:
        super().__init__()
        self.calls, self._next = nn.ModuleList(calls), 0

    def forward(self, x: Tensor) -> Tensor:
        call = self.calls[self._next % len(self.calls)]
        self._next += 1
        return cast(Tensor, call(x.clone()))  # captum hooks the input, which others may use too


class _Clipped(nn.Module):
    """A ReLU6 as a difference of two ReLUs: the rescale rule of the parts adds up to that of the whole."""

    def __init__(self) -> None:
        super().__init__()
        self.low, self.high = nn.ReLU(), nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.low(x.clone()) - self.high(x - 6))


def _per_call(module: nn.Module) -> nn.Module:
    return _Clipped() if type(module) is nn.ReLU6 else copy.deepcopy(module)


# Activations that captum has a rule for, or whose parts have one.
_RESCALED = (nn.ReLU, nn.ReLU6, nn.ELU, nn.LeakyReLU, nn.Sigmoid, nn.Tanh, nn.Softplus, nn.MaxPool2d)


def deeplift(task: Task, fill: Callable[[Tensor], Tensor]) -> Generator[float, None, Tensor]:
    """Return captum's DeepLIFT (rescale rule) against a baseline."""
    require_linear_score(task, "DeepLIFT")
    network = private(task)
    _require_known(
        network,
        (*_RESCALED, BatchNorm),
        "DeepLIFT has no rule for {}, which this network uses. Choose Integrated Gradients or GradientSHAP instead.",
    )
    _separate_calls(network, task.inputs[:1])
    explainer = DeepLift(task.scored(network))
    parts = []
    for piece in pieces(len(task.inputs), task.batch_size // 2):
        # The hooks that captum announces are those on our copy. Entered once, however often it is asked for.
        warnings.filterwarnings("ignore", message=r"Setting forward, backward hooks", category=UserWarning)
        inputs = task.inputs[piece].clone()
        reference = fill(inputs)
        with torch.enable_grad():
            part = explainer.attribute(
                inputs.requires_grad_(), reference, additional_forward_args=(task.target[piece],)
            )
        parts.append(part.detach())
        yield piece.stop / len(task.inputs)
    return torch.cat(parts)


def _separate_calls(network: nn.Module, images: Tensor) -> None:
    """Give every call of an activation a module of its own, because captum keeps one call's values in each."""
    for name, module in list(network.named_modules(remove_duplicate=False)):  # one may hang under several names
        if type(module) in _RESCALED and name:
            network.set_submodule(name, copy.deepcopy(module))
    names = [name for name, m in network.named_modules(remove_duplicate=False) if type(m) in _RESCALED]
    calls = _count_calls(network, images)
    named = {name: module for name, module in network.named_modules() if type(module) in _RESCALED}
    if len(names) > len(named):
        raise UnsupportedError(
            "DeepLIFT follows every activation by itself, and this network uses one block in several places. Choose "
            "Integrated Gradients or GradientSHAP instead."
        )
    for name, module in named.items():
        if module in calls:
            network.set_submodule(name, _Calls([_per_call(module) for _ in range(calls[module])]).eval())


def _count_calls(network: nn.Module, images: Tensor) -> dict[nn.Module, int]:
    calls: dict[nn.Module, int] = {}

    def count(module: nn.Module, args: Any) -> None:
        calls[module] = calls.get(module, 0) + 1

    handles = [module.register_forward_pre_hook(count) for module in network.modules()]
    try:
        with torch.no_grad():
            network(images)
    finally:
        for handle in handles:
            handle.remove()
    return calls


_HARMLESS = (nn.Flatten, nn.Unflatten, nn.Identity, nn.ZeroPad2d)
_CONTAINERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)


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


class _Relevance(TorchFunctionMode):
    """Gives the operations that a network writes without a module their LRP rule. Lives in its own thread only."""

    sums = _named("add", "add_", "__add__", "__radd__", "__iadd__")
    means = _named("mean", "avg_pool2d", "adaptive_avg_pool2d")
    passed = _named("relu", "relu_", "relu6")
    scaling = ("mul", "mul_", "__mul__", "__rmul__", "__imul__", "div", "__truediv__")  # by a constant: linear
    without = _named(
        "mul", "mul_", "__mul__", "__rmul__", "__imul__", "matmul", "__matmul__", "bmm", "softmax", "layer_norm",
        "scaled_dot_product_attention", "multi_head_attention_forward", "div", "__truediv__",
    )  # fmt: skip

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        active = [i for i, a in enumerate(args) if isinstance(a, Tensor) and a.requires_grad]
        if func in self.without and active and (len(active) > 1 or func.__name__ not in self.scaling):
            raise UnsupportedError(
                f"LRP has no rule for this network: it computes {func.__name__.strip('_')} of its own activations "
                "(a gate or an attention). Choose Integrated Gradients instead."
            )
        if active and func in self.passed:
            rest = {key: value for key, value in kwargs.items() if key != "inplace"}
            plain = _PLAIN.get(func, func)
            return _Pass.apply(plain(args[0].detach(), **rest), args[0])  # type: ignore[no-untyped-call]
        if (func in self.sums and len(active) == 2) or (func in self.means and active):

            def run(*tensors: Tensor) -> Tensor:
                filled = list(args)
                for i, tensor in zip(active, tensors, strict=True):
                    filled[i] = tensor
                plain = torch.add if len(active) == 2 else func
                return cast(Tensor, plain(*filled, **kwargs))

            return _Share.apply(run, *(args[i] for i in active))
        return func(*args, **kwargs)


# Versions that write into a new tensor, of the functions that may write into their input.
_PLAIN = {F.relu: torch.relu, torch.relu_: torch.relu, torch.Tensor.relu_: torch.relu}


class _Pass(torch.autograd.Function):
    """A value whose relevance goes back to its source unchanged."""

    @staticmethod
    def forward(ctx: Any, value: Tensor, source: Tensor) -> Tensor:
        return value.clone()

    @staticmethod
    def backward(ctx: Any, relevance: Tensor) -> tuple[None, Tensor]:
        return None, relevance


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


def lrp(task: Task) -> Generator[float, None, Tensor]:
    """Return zennit's LRP: positive contributions in convolutions (z+), the epsilon rule in dense layers."""
    require_linear_score(task, "LRP")
    network = private(task)
    folded = "LRP has no rule for {}. Choose Integrated Gradients or GradientSHAP instead."
    if any(isinstance(module, BatchNorm) for module in network.modules()):
        raise UnsupportedError(
            "LRP needs batch norms folded into the convolutions before them, and this network has some that are not. "
            "Prepare it first (Classifier.prepare), or choose Integrated Gradients."
        )
    _require_known(network, (Activation, MaxPool), folded)
    parts = []
    # Biases get nothing: folded batch norms have large ones, which would swallow all of the relevance.
    with EpsilonPlus(zero_params=["bias"]).context(network):
        for piece in pieces(len(task.inputs), task.batch_size):
            with torch.enable_grad():
                leaf = task.inputs[piece].clone().requires_grad_()
                with _Relevance():
                    logits = network(leaf)
                outputs = logits.detach().requires_grad_()
                weights = torch.autograd.grad(task.score.score(outputs, task.target[piece]).sum(), outputs)[0]
                parts.append(torch.autograd.grad(logits, leaf, weights * outputs.detach())[0])
            yield piece.stop / len(task.inputs)
    return torch.cat(parts)


ENTRIES = (
    entry(
        "guided-backprop",
        "Guided backpropagation",
        FAMILY,
        "A gradient that is cut off at every ReLU where it would be negative: crisp, but partly an edge detector.",
        "Springenberg, Dosovitskiy, Brox and Riedmiller. Striving for Simplicity. ICLR workshop 2015. arXiv:1412.6806",
        guided_backprop,
        lambda values: 1,
        limits="Hardly depends on the class or the upper layers; needs ReLUs that are modules.",
    ),
    entry(
        "deeplift",
        "DeepLIFT",
        FAMILY,
        "Compares every activation with that of a baseline image and hands the differences back (rescale rule).",
        "Shrikumar, Greenside and Kundaje. Learning Important Features Through Propagating Activation Differences. "
        "ICML 2017. arXiv:1704.02685",
        deeplift,
        lambda values: 2 + FORWARD,
        (fill_option(),),
        "Needs activations that are modules and have a rule (ReLU, ReLU6, ELU, sigmoid, tanh), and only for logits.",
    ),
    entry(
        "lrp",
        "LRP",
        FAMILY,
        "Hands the logit back layer by layer, in proportion to what each input gave (rules epsilon and z+).",
        "Bach, Binder, Montavon, Klauschen, Müller and Samek. On Pixel-Wise Explanations for Non-Linear Classifier "
        "Decisions by Layer-Wise Relevance Propagation. PLOS ONE 2015; Montavon et al. 2019",
        lrp,
        lambda values: 3,
        limits="No rule for attention, gates and layer norms, batch norms must be folded, and only for logits.",
    ),
)
