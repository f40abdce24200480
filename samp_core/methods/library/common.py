"""What the methods without a path share: entries of the registry, private copies of a network, pieces of work."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from samp_core.baselines import BASELINES, make_baseline
from samp_core.checkpoints import checkpoint
from samp_core.images import Preprocessing
from samp_core.methods.direct import DirectMethod, Task, UnsupportedError, Work
from samp_core.methods.spec import Method, Option, Settings
from samp_core.scores import Contrast, Cost, Logit

Values = Mapping[str, Any]

# A forward pass takes about a third of a gradient evaluation's time.
FORWARD = 1 / 3


def fill_option(default: str = "zero") -> Option:
    """Return the option that says what stands in for a hidden pixel."""
    return Option("fill", "Hidden pixels become", "What stands where the image is hidden.", default,
                  choices=tuple(BASELINES))  # fmt: skip


def entry(
    name: str,
    title: str,
    family: str,
    summary: str,
    citation: str,
    work: Work,
    evaluations: Callable[[Values], float],
    options: tuple[Option, ...] = (),
    limits: str = "",
    extras: Callable[[Preprocessing], Values] = lambda preprocessing: {},
) -> Method:
    """Return a registry entry; the names of its options are keywords of ``work``.

    ``extras`` gives further keywords that follow from the preprocessing. An option ``fill`` names a baseline, and
    the work receives the baseline itself.
    """

    def build(network: nn.Module, preprocessing: Preprocessing, s: Settings) -> DirectMethod:
        values = _settle(title, options, s.options)
        count = evaluations(values)
        if "fill" in values:
            values["fill"] = make_baseline(values["fill"], preprocessing, s.seed)
        return DirectMethod(
            network,
            work,
            score=s.make_score(),
            options={**values, **extras(preprocessing)},
            evaluations=count,
            batch_size=s.batch_size,
            seed=s.seed,
        )

    defaults = Settings(name, options={option.name: option.default for option in options})
    return Method(name, title, family, summary, citation, False, defaults, build, options, limits)


def _settle(title: str, options: tuple[Option, ...], given: Mapping[str, float | str]) -> dict[str, Any]:
    known = {option.name: option for option in options}
    if unknown := sorted(set(given) - set(known)):
        raise ValueError(f"{title} has no option {', '.join(unknown)}. It has: {', '.join(known) or 'none'}.")
    values: dict[str, Any] = {}
    for name, option in known.items():
        value = given.get(name, option.default)
        if isinstance(option.default, str):
            value = str(value)
            if option.choices and value not in option.choices:
                choices = ", ".join(option.choices)
                raise ValueError(f"{title}: {name} must be one of {choices}, not {value!r}.")
        else:
            value = float(value)
            if not option.low <= value <= option.high:
                raise ValueError(f"{title}: {name} must be from {option.low:g} to {option.high:g}, not {value:g}.")
            value = int(value) if isinstance(option.default, int) else value
        values[name] = value
    return values


def private(task: Task) -> nn.Module:
    """Return a copy of the network that may be hooked: eval mode, nothing in place, no gradients of parameters.

    What goes through the copy is counted as the task's cost.
    """
    network = copy.deepcopy(task.network)
    for module in network.modules():
        module.training = False
        if getattr(module, "inplace", None) is True:
            setattr(module, "inplace", False)  # noqa: B010 - mypy takes a module's attributes for tensors
    for parameter in network.parameters():
        parameter.requires_grad_(False)
        parameter.grad = None
    network.register_forward_pre_hook(_Counter(task.cost))
    return network


class _Counter:
    """A forward pre-hook that counts images and calls."""

    def __init__(self, cost: Cost) -> None:
        self._cost = cost

    def __call__(self, module: nn.Module, args: tuple[Any, ...]) -> None:
        checkpoint()
        images = args[0]
        if torch.is_grad_enabled() and images.requires_grad:
            self._cost.gradients += len(images)
        else:
            self._cost.forwards += len(images)
        self._cost.batches += 1


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
            f"{method} can explain logits and differences of logits only: it has no rule for the softmax behind a "
            "probability. Choose the logit or a contrast."
        )


def as_picture(image: Tensor) -> Tensor:
    """Return one image (C, H, W) stretched to 0 ... 1 as (H, W, C), on the CPU in float64: for segmentations."""
    picture = image.detach().double().cpu().movedim(0, -1)
    low, high = picture.min(), picture.max()
    return (picture - low) / (high - low).clamp(min=1e-12)
