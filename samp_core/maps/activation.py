"""Class activation maps: which places of the last feature maps speak for the class."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchcam.methods import CAM, GradCAM, GradCAMpp, LayerCAM

from samp_core.attribution import Task, UnsupportedError
from samp_core.maps.common import MOST_PREFIX, every_image, pieces, private, require_linear_score
from samp_core.scores import differentiable, explained, require_finite

_Output = TypeVar("_Output")


@dataclass(frozen=True)
class _Layer:
    name: str
    features: Tensor  # of the first image, (1, C, H, W)
    logits: Tensor
    arrange: Callable[[Tensor], Tensor] | None = None  # from what the layer gives to (N, C, H, W), if that is no map


@dataclass(frozen=True)
class _Seen:
    """What a layer gave for an image.

    Attributes:
        name: of the layer.
        output: what it gave.
        grid: rows and columns of the last feature maps before it, where the patches of a transformer come from.
        channels_last: whether it gave (N, H, W, C).
    """

    name: str
    output: Tensor
    grid: tuple[int, int] | None
    channels_last: bool

    @property
    def is_map(self) -> bool:
        size = self.output.shape[1:3] if self.channels_last else self.output.shape[2:]
        return self.output.ndim == 4 and size[0] * size[1] > 1

    @property
    def before(self) -> int | None:
        """Number of tokens before the patches; None if these are no tokens of patches."""
        if self.grid is None or self.output.ndim != 3:
            return None
        more = self.output.shape[1] - self.grid[0] * self.grid[1]
        return more if 0 <= more <= MOST_PREFIX else None

    @property
    def arrange(self) -> Callable[[Tensor], Tensor] | None:
        if self.channels_last:
            return lambda output: output.permute(0, 3, 1, 2)
        if (before := self.before) is None or self.grid is None:
            return None
        rows, columns = self.grid
        return lambda output: output[:, before:].transpose(1, 2).reshape(len(output), -1, rows, columns)


def _find_layer(network: nn.Module, task: Task, wanted: str) -> _Layer:
    """Find the layer to look at by watching the first image go through.

    Raises:
        UnsupportedError: the network has no feature maps, or ``wanted`` is not a layer that has them.
        ValueError: the network's output is not logits with the explained class.
        PathError: the feature maps are not finite.
    """
    with torch.no_grad():
        seen, logits = _watch(network, wanted, lambda: network(task.inputs[:1]))
    explained(task.score.score, logits, task.target[:1], 1)  # refuses what are no logits
    chosen, features = _choose(network, task, wanted, seen)
    return _Layer(chosen.name, features, logits, chosen.arrange)


def _choose(network: nn.Module, task: Task, wanted: str, seen: list[_Seen]) -> tuple[_Seen, Tensor]:
    """Return the layer to look at of those that were seen, and its feature maps, (N, C, H, W).

    Of a transformer, whose feature maps become tokens, that is the last normalisation whose patches still make a
    difference to the score: behind the last attention, only the class token does.

    Raises:
        UnsupportedError: the network has no feature maps, or ``wanted`` is not a layer that has them.
        PathError: the feature maps are not finite.
    """
    maps = [k for k, each in enumerate(seen) if each.is_map and wanted in ("", each.name)]
    if wanted and not maps:
        maps = [k for k, each in enumerate(seen) if each.before is not None and each.name == wanted]
    if wanted and not maps:
        raise UnsupportedError(f"The layer {wanted!r} gives no feature maps. Choose a convolution, or leave it empty.")
    if not maps or not any(isinstance(module, nn.Conv2d) for module in network.modules()):
        raise UnsupportedError(
            "Class activation maps need a convolutional network: this one has no feature maps with places. Choose "
            "a gradient or perturbation method."
        )
    chosen = seen[maps[-1]]
    if not wanted and any(each.output.ndim == 3 and each.output.shape[1] > 1 for each in seen[maps[-1] + 1 :]):
        chosen = _of_patches(network, task, seen)
    features = chosen.output if chosen.arrange is None else chosen.arrange(chosen.output)
    require_finite(features, "feature map")
    return chosen, features


def _watch(network: nn.Module, wanted: str, work: Callable[[], _Output]) -> tuple[list[_Seen], _Output]:
    """Return what every layer gives while some work is done, in the order of the calls, and what the work returns.

    Raises:
        UnsupportedError: there is no layer ``wanted``; nothing was done.
    """
    names = {module: name for name, module in network.named_modules()}
    if wanted and wanted not in names.values():
        raise UnsupportedError(f"This network has no layer {wanted!r}. Leave the layer empty to have it chosen.")
    seen: list[_Seen] = []
    grid: tuple[int, int] | None = None

    def watch(module: nn.Module, args: Any, output: Any) -> None:
        nonlocal grid
        if not isinstance(output, Tensor):
            return
        if isinstance(module, nn.Conv2d) and output.ndim == 4:
            grid = (output.shape[2], output.shape[3])
        # What is normalised over its last dimension has its channels there.
        last = isinstance(module, nn.LayerNorm) and output.ndim == 4
        seen.append(_Seen(names[module], output, grid, last))

    handles = [module.register_forward_hook(watch) for module in network.modules() if module is not network]
    try:
        return seen, work()
    finally:
        for handle in handles:
            handle.remove()


def _of_patches(network: nn.Module, task: Task, seen: list[_Seen]) -> _Seen:
    """Return the last normalisation of a transformer whose patches make a difference to the score.

    Raises:
        UnsupportedError: there is none.
    """
    none = UnsupportedError(
        "Class activation maps need feature maps, or tokens of which each belongs to a patch, and this network turns "
        "its feature maps into tokens of another kind. Choose a gradient or perturbation method, or name a layer."
    )
    modules = dict(network.named_modules())
    known = {
        each.name: each for each in seen if each.before is not None and isinstance(modules[each.name], nn.LayerNorm)
    }
    outputs: dict[str, Tensor] = {}
    handles = [
        modules[name].register_forward_hook(lambda module, args, output, name=name: outputs.update({name: output}))
        for name in known
    ]
    try:
        with torch.enable_grad(), differentiable():
            leaf = task.inputs[:1].detach().requires_grad_()
            score = explained(task.score.score, network(leaf), task.target[:1], 1).sum()
            slopes = torch.autograd.grad(score, list(outputs.values()), allow_unused=True) if outputs else ()
    except RuntimeError as error:  # there is no graph
        raise none from error
    finally:
        for handle in handles:
            handle.remove()
    connected = {name: slope for name, slope in zip(outputs, slopes, strict=True) if slope is not None}
    speaking = [name for name, slope in connected.items() if slope[:, known[name].before :].any()]
    if not any(slope.any() for slope in connected.values()):
        # Of a network that was never trained nothing may make a difference: its last weights are often zeros.
        speaking = list(connected)
    if not speaking:
        raise none
    return known[max(speaking, key=list(known).index)]


def feature_maps(network: nn.Module, layer: str) -> int:
    """Return how many feature maps the layer probably has: those of the last convolution in it or before it."""
    modules = list(network.named_modules())
    inside = [k for k, (name, _) in enumerate(modules) if f"{name}.".startswith(f"{layer}.")]
    known = modules[: inside[-1] + 1] if layer and inside else modules
    return next((module.out_channels for _, module in reversed(known) if isinstance(module, nn.Conv2d)), 1)


def _enlarge(maps: Tensor, like: Tensor) -> Tensor:
    return F.interpolate(maps.unsqueeze(1), like.shape[2:], mode="bilinear", align_corners=False)


def _by_gradient(kind: type[Any]) -> Callable[[Task, str], Generator[float, None, Tensor]]:
    def work(task: Task, layer: str = "") -> Generator[float, None, Tensor]:
        network = private(task)
        scored, parts = task.scored(network), []
        for piece in pieces(len(task.inputs), task.batch_size):
            with torch.enable_grad():
                leaf = task.inputs[piece].detach().requires_grad_()
                seen, scores = _watch(network, layer, partial(scored, leaf, task.target[piece]))
                chosen, _ = _choose(network, task, layer, seen)
                layer = task.settled["layer"] = chosen.name  # of the first images, for all
                del seen
                maps = _extract(kind, chosen, scores)
            parts.append(_enlarge(maps, task.inputs).detach())
            yield piece.stop / len(task.inputs)
        return torch.cat(parts)

    return work


def _extract(kind: type[Any], layer: _Seen, scores: Tensor) -> Tensor:
    """Return torchcam's maps of the scores, which come from what the layer gave.

    torchcam watches a layer by itself and sends gradients through the whole network. So that the network need not be
    asked twice, once to choose the layer and once for torchcam, nor gradients go further than to the layer, what the
    layer gave goes through one that changes nothing, to scores that have the same gradients there.

    Raises:
        UnsupportedError: the scores do not depend on the layer, as far as autograd knows.
        PathError: feature maps or their gradients are not finite, which torchcam would take for zeros.
    """
    gradient = None
    if scores.requires_grad and layer.output.requires_grad:
        with differentiable():
            gradient = torch.autograd.grad(scores.sum(), layer.output, allow_unused=True)[0]
    if gradient is None:
        raise UnsupportedError(
            f"The score has no gradient with respect to the feature maps of {layer.name!r}: the network probably "
            "detaches them, or runs under torch.no_grad() or torch.inference_mode(). Remove that, or choose another "
            "layer or Score-CAM."
        )
    require_finite(gradient, "gradient")
    given = nn.Sequential(nn.Identity())
    with kind(given, "0", reshape_transform=layer.arrange) as extractor:
        output: Tensor = given(layer.output.detach().requires_grad_())
        same = (output * gradient).flatten(1).sum(1, keepdim=True)
        (maps,) = extractor(0, same, normalized=False)  # it explains one column: the only one
    return cast(Tensor, maps)


def cam(task: Task) -> Generator[float, None, Tensor]:
    """Return CAM: feature maps weighted by the dense layer's weights."""
    require_linear_score(task, "CAM")
    network = private(task)
    found = _find_layer(network, task, "")
    dense = [(name, m) for name, m in network.named_modules() if isinstance(m, nn.Linear)]
    fits = False
    if len(dense) == 1 and dense[0][1].in_features == found.features.shape[1]:
        expected = dense[0][1](found.features.mean((2, 3)))
        # What gives logits in another precision than its layers work in is rounded as these are.
        near = max(1e-3, 4 * torch.finfo(expected.dtype).eps)
        logits = found.logits.to(expected)
        fits = expected.shape == logits.shape and torch.allclose(expected, logits, rtol=near, atol=near)
    if not fits:
        raise UnsupportedError(
            "CAM needs convolutions, then a global mean, then one dense layer, and this network is built otherwise. "
            "Choose Grad-CAM, which does without."
        )
    yield 0.1
    # How much of each class is in the score: 1 for a logit; 1 and -1 for a contrast.
    logits = found.logits.clone().expand(len(task.inputs), -1).requires_grad_()  # even if of inference mode
    with torch.enable_grad():
        shares = torch.autograd.grad(task.score.score(logits, task.target).sum(), logits)[0]
    parts = []
    with CAM(network, found.name, dense[0][0], reshape_transform=found.arrange) as extractor:
        for piece in pieces(len(task.inputs), task.batch_size):
            with torch.no_grad():
                task.scored(network)(task.inputs[piece], task.target[piece])
            total = torch.zeros(0)
            classes = shares[piece].any(0).nonzero().squeeze(1).tolist()
            for k in classes:
                (maps,) = extractor(k, normalized=False)
                part = maps * shares[piece][:, k].view(-1, 1, 1)
                total = part if not total.numel() else total + part
            parts.append(_enlarge(total, task.inputs))
            yield piece.stop / len(task.inputs)
    return torch.cat(parts)


def score_cam(task: Task, channels: int = 256, layer: str = "") -> Generator[float, None, Tensor]:
    """Return Score-CAM over the ``channels`` feature maps that vary most; as many as there are is the published one."""
    network = private(task)
    found = _find_layer(network, task, layer)
    task.settled["layer"] = found.name
    module, kept = network.get_submodule(found.name), []
    arrange = found.arrange or (lambda output: output)
    handle = module.register_forward_hook(lambda module, args, output: kept.append(arrange(output)))
    try:
        with torch.no_grad():
            base = []
            for piece in pieces(len(task.inputs), task.batch_size):
                kept.clear()  # a layer that is called several times: the last call counts
                base.append((task.scored(network)(task.inputs[piece], task.target[piece]), kept[-1].clone()))
    finally:
        handle.remove()
    scores, features = torch.cat([b[0] for b in base]), torch.cat([b[1] for b in base])
    yield 0.05
    images = every_image(task)
    maps, used = [], min(channels, features.shape[1])
    for n in range(len(images)):
        best = features[n].std((1, 2)).argsort(descending=True, stable=True)[:used].sort().values
        planes = features[n, best]
        low, high = planes.amin((1, 2), keepdim=True), planes.amax((1, 2), keepdim=True)
        masks, gains = (planes - low) / (high - low + 1e-8), []
        for piece in pieces(used, task.batch_size):
            shown = task.inputs[n : n + 1] * _enlarge(masks[piece], task.inputs)
            gains.append(task.score.values(shown, images[n].expand(len(shown))) - scores[n])
            yield 0.05 + 0.95 * (n + piece.stop / used) / len(images)
        maps.append((torch.cat(gains).softmax(0).view(-1, 1, 1) * planes).sum(0).relu())
    return _enlarge(torch.stack(maps), task.inputs)


grad_cam, grad_cam_plus_plus, layer_cam = (_by_gradient(cast(type[Any], k)) for k in (GradCAM, GradCAMpp, LayerCAM))
