"""Handwritten digits: two small networks that come with the project, sample digits, and drawings made like them.

``assets/train_digits.py`` trains the networks on MNIST and writes what this module reads. Digits are white on
black, 28 x 28, one channel of [0, 1], without further normalisation: zeros are an empty sheet.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image
from safetensors import SafetensorError, safe_open

from samp_core.classifiers import Classifier, ClassifierError, load_classifier
from samp_core.digit_networks import DATA, FILES, LABELS, PREPROCESSING, SIDE, Kind, load_digit_network
from samp_core.images import ImageError

__all__ = ["BOX", "DATA", "MIDDLE", "SIDE", "centre", "load_digits", "samples", "training_facts"]

BOX, MIDDLE = 20, 14
"""Side of the box that a digit's ink is scaled to, and the pixel index its mass is centred on."""


def load_digits(path: Path | None = None, kind: Kind = "convolutional") -> Classifier:
    """Return a digit network with its labels "0" to "9", ready to be asked.

    Args:
        path: the weights, as ``assets/train_digits.py`` writes them; those that come with the project by default.
        kind: which network.

    Raises:
        ClassifierError: the file is absent or damaged.
    """
    return load_classifier(load_digit_network(kind, path), labels=LABELS, preprocessing=PREPROCESSING)


def training_facts(path: Path = FILES["convolutional"]) -> dict[str, str]:
    """Return what the training script wrote beside the weights.

    Returns:
        ``test_accuracy`` (a fraction of 1), ``seed``, ``data`` (what it was trained on) and ``data_sha256``.

    Raises:
        ClassifierError: the file is absent or damaged.
    """
    try:
        with safe_open(path, framework="pt") as file:
            return dict(file.metadata() or {})
    except (OSError, SafetensorError) as error:
        raise ClassifierError(f"{path} cannot be read: {error}. Restore the file from the repository.") from error


def samples() -> dict[int, Image.Image]:
    """Return one digit of each class, "L", 28 x 28: the first of its class in MNIST's test set.

    MNIST is by Yann LeCun, Corinna Cortes and Christopher J. C. Burges, CC BY-SA 3.0.

    Raises:
        OSError: a file is absent or damaged.
    """
    made = {}
    for digit in range(10):
        with Image.open(DATA / "digits" / f"{digit}.png") as image:
            made[digit] = image.convert("L")
    return made


def centre(drawing: Image.Image) -> Image.Image:
    """Return a drawing the way MNIST's digits were made: "L", 28 x 28.

    What is drawn is cut out, scaled with its proportions kept until its longer side is 20 pixels, and placed so that
    its centre of mass is at the middle of the field; see "THE MNIST DATABASE of handwritten digits" by LeCun, Cortes
    and Burges, http://yann.lecun.com/exdb/mnist/. The middle is pixel index 14 in both directions, which is what
    the mean over MNIST's test set is; placement is by whole pixels, so the mass is within half a pixel of it. A drawing
    so lopsided that it would leave the field is kept inside.

    Args:
        drawing: white on black, any size; transparent counts as black.

    Raises:
        ImageError: nothing is drawn.
    """
    ink = drawing.convert("L")
    if drawing.has_transparency_data:
        rgba = drawing.convert("RGBA")
        ink = Image.alpha_composite(Image.new("RGBA", rgba.size, "black"), rgba).convert("L")
    drawn = ink.getbbox()
    if drawn is None:
        raise ImageError("Nothing is drawn. Draw a digit in white on black, or choose a sample.")
    cut = ink.crop(drawn)
    scale = BOX / max(cut.size)
    size = (max(1, round(cut.width * scale)), max(1, round(cut.height * scale)))
    small = cut.resize(size, Image.Resampling.BILINEAR)
    pixels = np.asarray(small, np.float64)
    # A resize can leave nothing of a single faint pixel.
    mass = max(pixels.sum(), 1e-9)
    x = float((pixels.sum(0) * np.arange(small.width)).sum() / mass)
    y = float((pixels.sum(1) * np.arange(small.height)).sum() / mass)
    field = Image.new("L", (SIDE, SIDE))
    left, top = (min(max(0, round(MIDDLE - at)), SIDE - length) for at, length in zip((x, y), small.size, strict=True))
    field.paste(small, (left, top))
    return field
