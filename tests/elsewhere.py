"""A device that is not there: tensors that say they are elsewhere, refuse to meet those of the CPU, and yet compute.

It calls itself ``meta``, the one device besides the CPU that autograd serves on every build; what is on it is kept and
worked out on the CPU. Whatever would fail on an accelerator fails here: mixing devices, ``numpy()``, making a tensor on
the CPU and using it with one that is not.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode, return_and_correct_aliasing
from torch.utils._pytree import tree_flatten, tree_map_only

ELSEWHERE = torch.device("meta")


class Distant(Tensor):
    """A tensor elsewhere; ``held`` are its values."""

    held: Tensor

    @staticmethod
    def __new__(cls, held: Tensor) -> Distant:
        made: Distant = Tensor._make_wrapper_subclass(  # type: ignore[attr-defined]
            cls, held.shape, strides=held.stride(), storage_offset=held.storage_offset(), dtype=held.dtype,
            device=ELSEWHERE, requires_grad=False,
        )  # fmt: skip
        made.held = held
        return made

    def __init__(self, held: Tensor) -> None:
        pass

    def __repr__(self, **_: Any) -> str:
        return f"Distant({self.held})"

    def new_tensor(self, data: Any, **kwargs: Any) -> Tensor:
        """Return a new tensor of this type, here."""
        return Distant(self.held.new_tensor(data, **kwargs))

    def __format__(self, how: str) -> str:
        return format(self.held, how)

    def tolist(self) -> Any:
        """Return the values, which every device can."""
        return self.held.tolist()

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _compute(func, args, kwargs or {})


class _Mode(TorchDispatchMode):
    """Makes what is asked for on the device."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _compute(func, args, kwargs or {})


class _Making(TorchFunctionMode):
    """Makes tensors of given values on the device, which no dispatch tells of."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if func in (Tensor.__getitem__, Tensor.__setitem__):  # which make a tensor of a list
            places = args[1] if isinstance(args[1], tuple) else (args[1],)
            places = tuple(torch.tensor(each) if isinstance(each, list) else each for each in places)
            args = (args[0], places, *args[2:])
        if func in (torch.tensor, torch.as_tensor) and _is_elsewhere(kwargs.get("device")):
            kwargs.pop("device")
            return func(*args, **kwargs).to(ELSEWHERE)
        return func(*args, **kwargs)


def _is_elsewhere(device: Any) -> bool:
    return device is not None and torch.device(device) == ELSEWHERE


def _compute(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    tensors = [t for t in tree_flatten((args, kwargs))[0] if isinstance(t, Tensor)]
    distant = [t for t in tensors if isinstance(t, Distant)]
    name = func.overloadpacket.__name__
    target = kwargs.get("device")
    if "device" in kwargs:
        kwargs = {**kwargs, "device": torch.device("cpu")}
    assert not any(t.is_meta for t in tensors if not isinstance(t, Distant)), f"{name} was given a tensor of no values"
    # Numbers alone may cross, and so may what is copied from one to the other, and what says which ones are meant.
    near = [t for t in tensors if not isinstance(t, Distant) and t.ndim]
    if name in ("index", "index_put", "index_put_", "_index_put_impl_"):
        near = [t for t in near if t.is_floating_point()]
    if distant and near and name not in ("copy_", "_to_copy"):
        raise RuntimeError(
            f"Expected all tensors to be on the same device, but found at least two devices, elsewhere and cpu ({name})"
        )
    bare_args, bare_kwargs = tree_map_only(Distant, lambda t: t.held, (args, kwargs))
    result = func(*bare_args, **bare_kwargs)
    if name == "_to_copy":
        goes = _is_elsewhere(target) if target is not None else bool(distant)
        return Distant(result) if goes else result
    if name in ("_local_scalar_dense", "equal", "is_same_size"):
        return result
    if name == "copy_":
        return args[0]
    if distant or _is_elsewhere(target):
        wrapped = tree_map_only(Tensor, lambda t: t if isinstance(t, Distant) else Distant(t), result)
        return return_and_correct_aliasing(func, args, kwargs, wrapped) if distant else wrapped
    return result


@contextmanager
def elsewhere() -> Iterator[torch.device]:
    """Let there be another device; yields it."""
    with _Mode(), _Making():
        yield ELSEWHERE


def bring(network: nn.Module) -> nn.Module:
    """Bring a network there, in place."""
    for module in network.modules():
        for name, parameter in list(module._parameters.items()):
            if parameter is not None:
                module._parameters[name] = nn.Parameter(Distant(parameter.detach()), parameter.requires_grad)
        for name, buffer in list(module._buffers.items()):
            if buffer is not None:
                module._buffers[name] = Distant(buffer)
    return network
