"""Maps from the attention of transformers: to which patches the network looked, and how that formed the score."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torchcam.methods import LeGrad

from samp_core.attribution import Task, UnsupportedError
from samp_core.maps.common import MOST_PREFIX, pieces, private
from samp_core.scores import differentiable, explained, require_finite

_NONE = (
    "needs a transformer whose tokens attend to all patches of the image (nn.MultiheadAttention), and this network is "
    "none. Choose Grad-CAM for a convolutional network, or a gradient or perturbation method."
)


class _Attention:
    """Notes, while images go through, the attention of each layer and the sizes of feature maps before it."""

    def __init__(self) -> None:
        self.layers: list[Float[Tensor, "n h t t"]] = []
        self.sizes: list[tuple[int, int]] = []

    def ask(
        self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Have the module hand over its attention, head by head."""
        names = ("key_padding_mask", "need_weights", "attn_mask", "average_attn_weights")  # the order of arguments
        given = dict(zip(names, args[3:], strict=False)) | kwargs
        return args[:3], given | {"need_weights": True, "average_attn_weights": False}

    def keep(self, module: nn.Module, args: tuple[Any, ...], output: Any) -> None:
        weights = output[1]
        if isinstance(weights, Tensor) and weights.ndim == 4 and weights.shape[-1] == weights.shape[-2]:
            self.layers.append(weights.detach())

    def measure(self, module: nn.Module, args: tuple[Any, ...], output: Any) -> None:
        if isinstance(output, Tensor) and output.ndim == 4 and not self.layers:
            self.sizes.append((output.shape[2], output.shape[3]))

    @contextmanager
    def watching(self, network: nn.Module) -> Iterator[None]:
        handles: list[Any] = []
        for module in network.modules():
            if isinstance(module, nn.MultiheadAttention):
                handles += [
                    module.register_forward_pre_hook(self.ask, with_kwargs=True),
                    module.register_forward_hook(self.keep),
                ]
            elif isinstance(module, nn.Conv2d):
                handles.append(module.register_forward_hook(self.measure))
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def grid(self) -> tuple[int, int, int]:
        """Return the number of tokens before the patches, and the rows and columns of the patches.

        Raises:
            UnsupportedError: there is no attention, or it is not over a grid of patches.
        """
        if not self.layers:
            raise UnsupportedError(f"Attention rollout {_NONE}")
        tokens = {weights.shape[-1] for weights in self.layers}
        fits = [(t - h * w, h, w) for t in tokens for h, w in self.sizes[-1:] if 0 <= t - h * w <= MOST_PREFIX]
        if len(tokens) > 1 or not fits:
            raise UnsupportedError(
                "Attention rollout needs the same tokens in every layer, one for each patch of a grid and a few before "
                f"them, and this network has {' or '.join(map(str, sorted(tokens)))}. Choose a gradient or "
                "perturbation method."
            )
        return fits[0]


def rollout(task: Task) -> Generator[float, None, Tensor]:
    """Return attention rollout: how much of each patch the class token has taken in over all layers.

    Abnar and Zuidema, "Quantifying Attention Flow in Transformers", ACL 2020: each layer's attention, averaged over
    heads, is mixed in equal parts with the identity, for the residual connection, and the layers are multiplied. Of
    the product the row of the first token is taken if there are tokens before the patches, else the mean of all rows.

    Raises:
        UnsupportedError: the network has no attention over a grid of patches.
        PathError: the attention is not finite.
    """
    network, parts = private(task), []
    if not any(isinstance(module, nn.MultiheadAttention) for module in network.modules()):
        raise UnsupportedError(f"Attention rollout {_NONE}")
    for piece in pieces(len(task.inputs), task.batch_size):
        noted = _Attention()
        with noted.watching(network), torch.no_grad():
            output = network(task.inputs[piece])
        explained(task.score.score, output, task.target[piece], piece.stop - piece.start)  # refuses what are no logits
        before, rows, columns = noted.grid()
        flow = torch.eye(noted.layers[0].shape[-1]).to(task.inputs)
        for weights in noted.layers:
            require_finite(weights, "attention")
            mean = weights.mean(1)
            flow = (mean / mean.sum(-1, keepdim=True) + torch.eye(mean.shape[-1]).to(mean)) / 2 @ flow
        taken = flow[:, 0] if before else flow.mean(1)
        parts.append(_enlarge(taken[:, before:].view(-1, rows, columns), task.inputs))
        yield piece.stop / len(task.inputs)
    return torch.cat(parts)


def legrad(task: Task, blocks: int = 4) -> Generator[float, None, Tensor]:
    """Return LeGrad: the positive gradient of each of the last blocks' own score with respect to its attention.

    Bousselham, Boggust, Chaybouti, Strobelt and Kuehne, "LeGrad: An Explainability Method for Vision Transformers via
    Feature Formation Sensitivity", ICCV 2025, arXiv 2404.03214, by torchcam: a block's score is that of the mean of
    its tokens, gone through the network's last norm and head; gradients are averaged over heads, queries and blocks.

    Args:
        task: images and what is explained.
        blocks: how many of the last blocks are looked at; all there are, if fewer.

    Raises:
        UnsupportedError: the network is not built as torchvision's vision transformers.
        PathError: a score or the map is not finite.
    """
    network = private(task)
    inside = [
        name
        for name, module in network.named_modules()
        if isinstance(getattr(module, "self_attention", None), nn.MultiheadAttention)
    ]
    owner = next(
        (m for m in network.modules() if hasattr(getattr(m, "encoder", None), "ln") and hasattr(m, "heads")), None
    )
    if not inside or owner is None:
        raise UnsupportedError(f"LeGrad {_NONE} It is known for networks that are built as torchvision's vit_b_16.")
    norm, heads = owner.encoder.ln, owner.heads  # type: ignore[union-attr]
    names = inside[-blocks:]
    scored, parts, asked = task.scored(network), [], task.target

    def project(tokens: Tensor) -> Tensor:
        scores = explained(task.score.score, heads(norm(tokens.mean(1))), asked, len(tokens))  # type: ignore[operator]
        return scores.unsqueeze(1)  # torchcam explains one column: here the only one

    with LeGrad(network, list(names), score_projection=project) as extractor:
        for piece in pieces(len(task.inputs), task.batch_size):
            asked = task.target[piece]
            with torch.enable_grad(), differentiable():
                scores = scored(task.inputs[piece].detach().requires_grad_(), asked)
                try:
                    (maps,) = extractor(0, scores.unsqueeze(1), normalized=False)
                except ValueError as error:  # tokens that are no square of patches
                    raise UnsupportedError(f"LeGrad cannot serve this network: {error}.") from error
            require_finite(maps, "map")
            parts.append(_enlarge(maps.detach(), task.inputs))
            yield piece.stop / len(task.inputs)
    return torch.cat(parts)


def _enlarge(maps: Float[Tensor, "n h w"], like: Float[Tensor, "n2 c h2 w2"]) -> Float[Tensor, "n 1 h2 w2"]:
    return F.interpolate(maps.unsqueeze(1), like.shape[2:], mode="bilinear", align_corners=False)
