"""Where networks compute: found, tried out, and what to do when its memory runs out."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional

T = TypeVar("T")

_WHOLE: ContextVar[bool] = ContextVar("whole_parts", default=False)

AUTO = "auto"
"""Name of the best device that works here."""


def device_of(network: object) -> torch.device:
    """Return where a network's parameters are; the CPU for what has none."""
    parameters = network.parameters() if isinstance(network, nn.Module) else iter(())
    return next((parameter.device for parameter in parameters), torch.device("cpu"))


def dtype_of(network: nn.Module) -> torch.dtype:
    """Return the type of a network's parameters; float32 for what has none."""
    return next((parameter.dtype for parameter in network.parameters() if parameter.is_floating_point()), torch.float32)


def find_device(name: str) -> torch.device:
    """Return a device by name, tried out by a small convolution and its gradient.

    Args:
        name: ``cpu``, ``cuda``, ``cuda:1``, ``mps`` and so on; or ``auto`` for the best that works.

    Raises:
        ValueError: there is no such device here, or it computes wrongly.
    """
    if name == AUTO:
        return torch.device(devices()[0])
    try:
        device = torch.device(name)
        _try_out(device)
        device = torch.zeros(1, dtype=torch.float32, device=device).device  # "cuda" is one of several
    except Exception as error:  # each back end has its own way to say no
        reason = str(error).splitlines()[0].rstrip(".") or type(error).__name__
        raise ValueError(
            f"The device {name!r} cannot be used: {reason}. Use --device cpu, or auto for the best that works."
        ) from error
    return device


def devices() -> list[str]:
    """Return the names of the devices that work here, the fastest kind first; the CPU is always among them."""
    names = [f"cuda:{k}" for k in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        names.append("mps")
    found = []
    for name in names:
        try:
            _try_out(torch.device(name))
        except Exception:
            continue
        found.append(name)
    return [*found, "cpu"]


def device_in_words(device: torch.device | str) -> str:
    """Return a device as people call it, ``cuda:0 (NVIDIA H200)``."""
    device = torch.device(device)
    return f"{device} ({torch.cuda.get_device_name(device)})" if device.type == "cuda" else str(device)


def _try_out(device: torch.device) -> None:
    def slope(on: torch.device) -> Tensor:
        # In single precision whatever the default is: some devices know no double.
        image = torch.linspace(-1, 1, 16, dtype=torch.float32, device=on).view(1, 1, 4, 4).requires_grad_()
        value = functional.conv2d(image, torch.ones_like(image[:, :, :3, :3])).tanh().sum()
        (gradient,) = torch.autograd.grad(value, image)
        return gradient.cpu()

    if not torch.allclose(slope(device), slope(torch.device("cpu")), atol=1e-3):
        raise RuntimeError("it computes a small convolution's gradient wrongly")


def is_memory(error: BaseException) -> bool:
    """Return whether an exception, or what it was raised from, says that memory ran out."""
    says = ("out of memory", "allocate memory", "not enough memory", "alloc_failed")
    return any(
        isinstance(cause, MemoryError | torch.OutOfMemoryError)
        or (isinstance(cause, RuntimeError) and any(words in str(cause).lower() for words in says))
        for cause in causes(error)
    )


def causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception, what it was raised from, what that was raised from, and so on."""
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__


def free_memory() -> None:
    """Give back what nobody uses any more, also what a device's allocator keeps for later."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


@contextmanager
def whole_parts() -> Iterator[None]:
    """Keep parts as large as they were asked for in this context: whoever measures has to say how large they were."""
    token = _WHOLE.set(True)
    try:
        yield
    finally:
        _WHOLE.reset(token)


def in_parts(count: int, most: int, work: Callable[[slice], T]) -> tuple[list[T], int]:
    """Do work on ``count`` things in parts, smaller ones where memory runs out.

    Args:
        count: number of things.
        most: of them in a part; at least 1.
        work: does a part.

    Returns:
        What it gave for every part, in order, and the size of the parts that memory was enough for.

    Raises:
        Exception: whatever the work raises, also for want of memory with one thing at once.
    """
    done: list[T] = []
    at = 0
    while at < count:
        try:
            done.append(work(slice(at, min(at + most, count))))
        except Exception as error:
            if _WHOLE.get() or min(most, count - at) == 1 or not is_memory(error):
                raise
            short = True
        else:
            short = False
            at += most
        if short:  # outside of the handler, which would keep the tensors of the failed part
            free_memory()
            most = max(1, min(most, count - at) // 2)
    return done, most
