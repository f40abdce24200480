"""What "feature absent" means: functions from a batch of images to the images that a path starts or ends at.

All work in the network's normalised space, shape (N, C, H, W) in and out, and leave their input untouched.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol, runtime_checkable

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from numpy.typing import NDArray
from scipy.ndimage import convolve1d, gaussian_filter1d
from torch import Tensor

from samp_core import catalogue
from samp_core.images import Preprocessing, load_sample


@runtime_checkable
class Baseline(Protocol):
    """Images (N, C, H, W) to reference images of the same shape."""

    def __call__(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """Return the reference image of every image."""
        ...


@dataclass(frozen=True)
class Zero:
    """Zeros of the normalised space: the mean colour of the training data (mid-grey if scaled to [-1, 1])."""

    def __call__(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """Return zeros."""
        return torch.zeros_like(images)


@dataclass(frozen=True)
class Black:
    """Black pixels, given the mean and standard deviation of the network's normalisation, one for each channel."""

    mean: tuple[float, ...]
    std: tuple[float, ...]
    level = 0.0

    def __call__(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """Return images of one grey level."""
        mean, std = images.new_tensor(self.mean), images.new_tensor(self.std)
        if len(mean) != images.shape[1]:
            raise ValueError(
                f"The normalisation has {len(mean)} channels, the images have {images.shape[1]}. "
                "Give one mean and standard deviation for each channel."
            )
        return ((self.level - mean) / std).view(1, -1, 1, 1).expand_as(images).clone()


@dataclass(frozen=True)
class White(Black):
    """White pixels, given the mean and standard deviation of the network's normalisation."""

    level = 1.0


@dataclass(frozen=True)
class Mean:
    """The image's own mean colour."""

    def __call__(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """Return every image filled with the mean of each of its channels."""
        return images.mean((2, 3), keepdim=True).expand_as(images).clone()


@lru_cache(maxsize=4)
def _blurred_unit(size: int, sigma: float, side: int) -> NDArray[np.float64]:
    impulse = np.zeros(size)
    impulse[size // 2] = 1.0
    blurred: NDArray[np.float64] = convolve1d(np.eye(side), gaussian_filter1d(impulse, sigma), mode="constant")
    return blurred


@dataclass(frozen=True)
class GaussianBlur:
    """The image blurred as in the SAMP paper's experiments.

    A unit impulse in a ``kernel_size`` x ``kernel_size`` window, smoothed by a Gaussian of ``sigma`` pixels whose
    tails reflect at the window's edge, applied to each channel with zero padding: the blurred image darkens
    towards its border.

    Raises:
        ValueError: ``kernel_size`` is not odd and positive, or ``sigma`` not positive.
    """

    kernel_size: int = 31
    sigma: float = 5.0

    def __post_init__(self) -> None:
        if self.kernel_size < 1 or self.kernel_size % 2 == 0:
            raise ValueError(f"kernel_size must be odd and positive, not {self.kernel_size}: it needs a middle.")
        if not self.sigma > 0:
            raise ValueError(f"sigma must be positive, not {self.sigma}.")

    def __call__(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """Return the blurred images."""
        # The window of an impulse is an outer product, so rows and columns can be blurred one after the other; each is
        # one product with the blurred unit matrix, at the sizes of networks' images far cheaper than convolving.
        down, right = (
            torch.from_numpy(_blurred_unit(self.kernel_size, float(self.sigma), side)).to(images)
            for side in images.shape[2:]
        )
        return down @ (images @ right)


@dataclass(frozen=True)
class Noise:
    """Gaussian noise around zero of standard deviation ``sigma`` (normalised units), the same for one ``seed``."""

    sigma: float = 1.0
    seed: int = 0

    def __call__(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """Return one noise image, the same for every image of the batch."""
        generator = torch.Generator().manual_seed(self.seed)
        noise = torch.randn(images.shape[1:], generator=generator, dtype=images.dtype)
        return (self.sigma * noise).to(images.device).expand_as(images).clone()


@lru_cache(maxsize=8)
def _sample(name: str, preprocessing: Preprocessing) -> Float[Tensor, "1 c h w"]:
    return preprocessing(load_sample(name))


@dataclass(frozen=True)
class SamplePhoto:
    """A photo that comes with the project, prepared as the network wants it, the same for every image.

    Raises:
        ImageError: when called, there is no sample of this name.
    """

    name: str
    preprocessing: Preprocessing

    def __call__(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """Return the photo once for each image, in the images' size."""
        photo = _sample(self.name, self.preprocessing).to(images)
        if photo.shape[2:] != images.shape[2:]:
            photo = F.interpolate(photo, images.shape[2:], mode="bilinear", align_corners=False)
        return photo.expand_as(images).clone()


@dataclass(frozen=True)
class BaselineDeclaration:
    """One baseline, as pages, command line and files know it.

    Attributes:
        name: what command line and files call it.
        title: what people call it.
        make: builds it for images prepared in a way, from the seed of everything random.
    """

    name: str
    title: str
    make: Callable[[Preprocessing, int], Baseline]


def _paper_blur(preprocessing: Preprocessing, seed: int) -> GaussianBlur:
    """Return the paper's blur: 31 pixels wide for photos, 11 for images of 64 pixels or less; sigma 5."""
    return GaussianBlur(11 if max(preprocessing.crop) <= 64 else 31, 5.0)


DECLARED = (
    BaselineDeclaration("zero", "Zero (training mean)", lambda preprocessing, seed: Zero()),
    BaselineDeclaration("black", "Black", lambda preprocessing, seed: Black(preprocessing.mean, preprocessing.std)),
    BaselineDeclaration("white", "White", lambda preprocessing, seed: White(preprocessing.mean, preprocessing.std)),
    BaselineDeclaration("mean", "Mean colour of the photo", lambda preprocessing, seed: Mean()),
    BaselineDeclaration("blur", "Gaussian blur", _paper_blur),
    BaselineDeclaration("noise", "Gaussian noise", lambda preprocessing, seed: Noise(seed=seed)),
)


BASELINES: catalogue.Catalogue[BaselineDeclaration] = catalogue.BASELINES
"""All baselines by name."""


def make_baseline(name: str, preprocessing: Preprocessing, seed: int = 0) -> Baseline:
    """Build a baseline by name for images prepared by ``preprocessing``.

    Raises:
        ValueError: no baseline has this name.
    """
    return BASELINES.require(name).make(preprocessing, seed)
