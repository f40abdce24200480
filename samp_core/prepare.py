"""The copy of a network that is fast for gradients with respect to the image."""

from __future__ import annotations

import copy
import threading
from collections import Counter
from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor, fx, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torch.nn.utils.parametrize import is_parametrized

from samp_core.images import Preprocessing
from samp_core.networks import ClassifierError, ask, duplicate, evaluate, probe_images

_TOLERANCE = 1e-4


def prepared(network: nn.Module, preprocessing: Preprocessing, name: str) -> nn.Module:
    """Return a fast copy; see :meth:`~samp_core.classifiers.Classifier.prepare`.

    Raises:
        ClassifierError: the network cannot be copied or changed, or does not evaluate.
    """
    try:
        plain = duplicate(network)
    except ClassifierError as error:
        raise ClassifierError(f"{error} Or use the classifier without prepare().") from error
    for module in plain.modules():  # flag by flag: an exported program has no eval()
        module.training = False
    plain.requires_grad_(False)
    # Once its batch norm is gone, an in-place activation would overwrite the convolution's output, which
    # hooks on that layer may have kept.
    for module in plain.modules():
        if getattr(module, "inplace", None) is True:
            setattr(module, "inplace", False)  # noqa: B010 - mypy takes a module's attributes for tensors
    probe = probe_images(plain, preprocessing)
    expected = evaluate(plain, probe, name)
    pairs = _foldable(copy.deepcopy(plain))
    # Channels last comes off first: a network that calls view() on its feature maps cannot have it.
    steps = ((pairs, torch.channels_last), (pairs, torch.contiguous_format), ((), torch.channels_last))
    for folds, layout in steps:
        rebuilt = _rebuild(plain, folds, layout, probe, expected)
        if rebuilt is not None:
            return rebuilt
    return plain


def _rebuild(
    plain: nn.Module,
    pairs: tuple[tuple[str, str], ...],
    layout: torch.memory_format,
    probe: Tensor,
    expected: Tensor,
) -> nn.Module | None:
    network = copy.deepcopy(plain)
    try:
        for conv, norm in pairs:
            fused = fuse_conv_bn_eval(
                cast(nn.Conv2d, network.get_submodule(conv)),
                cast(nn.BatchNorm2d, network.get_submodule(norm)),
            )
            network.set_submodule(conv, fused)
            network.set_submodule(norm, nn.Identity().eval())
        network.to(memory_format=layout)
        with torch.no_grad():
            error = (ask(network, probe) - expected).abs().max()
    except Exception:  # the forward may rely on what was changed; the caller has a next best
        return None
    return network if error <= _TOLERANCE * expected.abs().max().clamp(min=1) else None


# While fx traces, it patches nn.Module.__call__ for the whole process: two traces at once would undo each
# other's patches in the wrong order.
_TRACING = threading.Lock()


class _Tracer(fx.Tracer):
    """Traces down to convolutions and batch norms, in its own thread only."""

    def __init__(self) -> None:
        super().__init__(autowrap_modules=cast(Any, ()))  # annotated as a tuple of exactly one module
        self._thread = threading.get_ident()

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        kinds = (nn.Conv2d, nn.BatchNorm2d)
        return isinstance(m, kinds) or not any(isinstance(child, kinds) for child in m.modules())

    def call_module(
        self, m: nn.Module, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        # The patch also catches networks that other threads are evaluating.
        if threading.get_ident() != self._thread:
            return forward(*args, **kwargs)
        return super().call_module(m, forward, args, kwargs)


def _foldable(network: nn.Module) -> tuple[tuple[str, str], ...]:
    """Return the names of the convolution and batch norm of every pair that can be folded."""
    if not any(type(m) is nn.BatchNorm2d for m in network.modules()):
        return ()
    try:
        with _TRACING:
            graph = _Tracer().trace(network)
    except Exception:  # e.g. control flow that depends on the data: such a network works unfolded
        return ()
    modules = dict(network.named_modules())
    calls = {node: str(node.target) for node in graph.nodes if node.op == "call_module"}
    count = Counter(calls.values())
    pairs = []
    for node, norm in calls.items():
        source = node.args[0] if node.args else None
        if not isinstance(source, fx.Node) or source not in calls or len(source.users) > 1:
            continue
        conv = calls[source]
        if (
            isinstance(modules[conv], nn.Conv2d)
            and type(modules[norm]) is nn.BatchNorm2d  # subclasses may do more, e.g. activate
            and modules[norm].running_mean is not None
            and count[conv] == count[norm] == 1
            and not is_parametrized(modules[conv])
            and not any(map(_has_hooks, (modules[conv], modules[norm])))
        ):
            pairs.append((conv, norm))
    return tuple(pairs)


def _has_hooks(module: nn.Module) -> bool:
    return any((module._forward_hooks, module._forward_pre_hooks, module._backward_hooks, module._backward_pre_hooks))
