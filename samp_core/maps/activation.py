"""Class activation maps: which places of the last feature maps speak for the class."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchcam.methods import CAM, GradCAM, GradCAMpp, LayerCAM

from samp_core.attribution import Task, UnsupportedError
from samp_core.maps.common import every_image, pieces, private, require_linear_score
from samp_core.scores import differentiable, explained, require_finite


@dataclass(frozen=True)
class _Layer:
    name: str
    features: Tensor  # of the first image
    logits: Tensor


def _find_layer(network: nn.Module, task: Task, wanted: str) -> _Layer:
    """Find the layer to look at by watching the first image go through.

    Raises:
        UnsupportedError: the network has no feature maps, or ``wanted`` is not a layer that has them.
        ValueError: the network's output is not logits with the explained class.
        PathError: the feature maps are not finite.
    """
    names = {module: name for name, module in network.named_modules()}
    if wanted and wanted not in names.values():
        raise UnsupportedError(f"This network has no layer {wanted!r}. Leave the layer empty to have it chosen.")
    seen: list[tuple[str, Tensor]] = []

    def watch(module: nn.Module, args: Any, output: Any) -> None:
        if isinstance(output, Tensor):
            seen.append((names[module], output))

    handles = [module.register_forward_hook(watch) for module in network.modules() if module is not network]
    try:
        with torch.no_grad():
            logits = network(task.inputs[:1])
    finally:
        for handle in handles:
            handle.remove()
    explained(task.score.score, logits, task.target[:1], 1)  # refuses what are no logits
    maps = [k for k, (name, output) in enumerate(seen) if _is_map(output) and wanted in ("", name)]
    if wanted and not maps:
        raise UnsupportedError(f"The layer {wanted!r} gives no feature maps. Choose a convolution, or leave it empty.")
    if not maps or not any(isinstance(module, nn.Conv2d) for module in network.modules()):
        raise UnsupportedError(
            "Class activation maps need a convolutional network: this one has no feature maps with places. Choose "
            "a gradient or perturbation method."
        )
    if not wanted and any(output.ndim == 3 and output.shape[1] > 1 for _, output in seen[maps[-1] + 1 :]):
        raise UnsupportedError(
            "Class activation maps need a network that is convolutional up to its pooling: this one turns its "
            "feature maps into tokens (a transformer). Choose a gradient or perturbation method, or name a layer."
        )
    name, features = seen[maps[-1]]
    require_finite(features, "feature map")
    return _Layer(name, features, logits)


def feature_maps(network: nn.Module, layer: str) -> int:
    """Return how many feature maps the layer probably has: those of the last convolution in it or before it."""
    modules = list(network.named_modules())
    inside = [k for k, (name, _) in enumerate(modules) if f"{name}.".startswith(f"{layer}.")]
    known = modules[: inside[-1] + 1] if layer and inside else modules
    return next((module.out_channels for _, module in reversed(known) if isinstance(module, nn.Conv2d)), 1)


def _is_map(output: Tensor) -> bool:
    return output.ndim == 4 and output.shape[2] * output.shape[3] > 1


def _enlarge(maps: Tensor, like: Tensor) -> Tensor:
    return F.interpolate(maps.unsqueeze(1), like.shape[2:], mode="bilinear", align_corners=False)


def _by_gradient(kind: type[Any]) -> Callable[[Task, str], Generator[float, None, Tensor]]:
    def work(task: Task, layer: str = "") -> Generator[float, None, Tensor]:
        network = private(task)
        found = _find_layer(network, task, layer)
        task.settled["layer"] = found.name
        yield 0.1
        scored, parts = task.scored(network), []
        with kind(network, found.name) as extractor:
            for piece in pieces(len(task.inputs), task.batch_size):
                with torch.enable_grad():
                    leaf = task.inputs[piece].detach().requires_grad_()
                    scores = scored(leaf, task.target[piece])
                    maps = _extract(extractor, found.name, scores)
                parts.append(_enlarge(maps, task.inputs).detach())
                yield piece.stop / len(task.inputs)
        return torch.cat(parts)

    return work


def _extract(extractor: Any, layer: str, scores: Tensor) -> Tensor:
    """Return torchcam's maps of the scores.

    Raises:
        UnsupportedError: the scores do not depend on the layer, as far as autograd knows.
        PathError: feature maps or their gradients are not finite, which torchcam would take for zeros.
    """
    unconnected = UnsupportedError(
        f"The score has no gradient with respect to the feature maps of {layer!r}: the network probably detaches them, "
        "or runs under torch.no_grad() or torch.inference_mode(). Remove that, or choose another layer or Score-CAM."
    )
    if not scores.requires_grad:
        raise unconnected
    try:
        with differentiable():
            (maps,) = extractor(0, scores.unsqueeze(1), normalized=False)  # it explains one column: here the only one
    except RuntimeError as error:
        if "not connected" in str(error):
            raise unconnected from error
        raise
    for values, what in ((extractor.hook_a, "feature map"), (extractor.hook_g, "gradient")):
        for value in values:
            require_finite(value, what)
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
        fits = expected.shape == found.logits.shape and torch.allclose(expected, found.logits, rtol=1e-3, atol=1e-3)
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
    with CAM(network, found.name, dense[0][0]) as extractor:
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
    handle = module.register_forward_hook(lambda module, args, output: kept.append(output))
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
