"""A small vision transformer for handwritten digits."""

from __future__ import annotations

from torch import nn
from torchvision.models import VisionTransformer  # type: ignore[import-untyped]


class DigitTransformer(VisionTransformer):  # type: ignore[misc]
    """Four layers of four heads over 7 x 7 patches, 79,690 parameters: digits (N, 1, 28, 28) to logits (N, 10).

    As "An Image is Worth 16x16 Words" (Dosovitskiy et al., ICLR 2021), by torchvision, with one channel.
    """

    def __init__(self) -> None:
        super().__init__(28, 4, num_layers=4, num_heads=4, hidden_dim=48, mlp_dim=96, num_classes=10)
        self.conv_proj = nn.Conv2d(1, 48, 4, 4)
