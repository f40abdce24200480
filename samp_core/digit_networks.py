"""Two small networks for handwritten digits: a convolutional one and a vision transformer."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from safetensors import SafetensorError, safe_open
from torch import nn

from samp_core.images import Preprocessing
from samp_core.networks import ClassifierError

DATA = Path(__file__).parent / "data"
"""Where the weights and the sample digits are."""

SIDE = 28
"""Side of a digit's field in pixels."""

Kind = Literal["convolutional", "transformer"]

FILES: dict[Kind, Path] = {
    "convolutional": DATA / "digits.safetensors",
    "transformer": DATA / "digits_transformer.safetensors",
}
"""The weights, as ``assets/train_digits.py`` writes them."""

PREPROCESSING = Preprocessing(None, (SIDE, SIDE), (0.0,), (1.0,), "bilinear")
"""Digits are not normalised: 0 is black, the empty sheet, and 1 white, full ink."""


class DigitNetwork(nn.Sequential):
    """Four convolutions and a linear layer, 70,730 parameters: digits (N, 1, 28, 28) to logits (N, 10)."""

    def __init__(self) -> None:
        super().__init__(
            nn.Conv2d(1, 16, 5, stride=2, padding=2),
            nn.ReLU(),
            nn.Conv2d(16, 32, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(32, 64, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(64, 64, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(64 * 4 * 4, 10),
        )


LABELS = tuple(str(digit) for digit in range(10))
"""Names of the classes."""


def load_digit_network(kind: Kind, path: Path | None = None) -> nn.Module:
    """Return a network with the weights that come with the project, or those at ``path``, in eval mode.

    Raises:
        ClassifierError: the file is absent or damaged.
    """
    path = FILES[kind] if path is None else path
    network: nn.Module = DigitNetwork()
    if kind == "transformer":
        # torchvision's networks take long to read, and few ask for this one.
        from samp_core.digit_transformer import DigitTransformer  # noqa: PLC0415

        network = DigitTransformer()
    try:
        with safe_open(path, framework="pt") as file:
            network.load_state_dict({name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118 - no mapping
    except (OSError, SafetensorError, RuntimeError) as error:
        raise ClassifierError(
            f"The digit network's weights at {path} cannot be read: {error}. Restore the file from the repository, "
            "or train it again with assets/train_digits.py."
        ) from error
    return network.eval().requires_grad_(False)
