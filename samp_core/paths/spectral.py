"""The spectral path: components of the way open one after the other, from strong to weak (Spectral IG)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import scipy.fft
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from samp_core.paths.base import Endpoints, GradientFn, Step, StepEstimate, walk_known

LEVELS = 4
"""Most levels of the pyramid and of the wavelets, as in the authors' code."""


@dataclass(frozen=True)
class Spectrum:
    """P ways as sums of components.

    Attributes:
        strength: how early each component opens, 1 first to 0 last; its shape is the basis's own.
        build: from how far each component is open, 0 to 1 and shaped like ``strength``, to that part of the ways,
            (P, C, H, W). With all open it is the whole way, to rounding.
    """

    strength: Tensor
    build: Callable[[Tensor], Tensor]


def singular(way: Float[Tensor, "p *c h w"]) -> Spectrum:
    """Return the singular components of each matrix; strength is the singular value over the matrix's largest."""
    left, values, right = torch.linalg.svd(way, full_matrices=False)
    strength = values / values[..., :1].clamp(min=torch.finfo(way.dtype).tiny)
    return Spectrum(strength, lambda opening: (left * (values * opening).unsqueeze(-2)) @ right)


def singular_joint(way: Float[Tensor, "p c h w"]) -> Spectrum:
    """Return the singular components of each image as one matrix, its channels below each other, (C * H, W)."""
    joint = singular(way.flatten(1, 2))
    return Spectrum(joint.strength, lambda opening: joint.build(opening).view_as(way))


def cosine(way: Float[Tensor, "p c h w"]) -> Spectrum:
    """Return the coefficients of the orthonormal discrete cosine transform (type 2).

    Strength falls linearly with the distance from frequency 0, each axis's frequencies counted from 0 to 1.
    """
    rows, columns = (
        torch.from_numpy(scipy.fft.dct(np.eye(size), axis=0, norm="ortho")).to(way) for size in way.shape[2:]
    )
    down, across = (torch.linspace(0, 1, size, dtype=way.dtype, device=way.device) for size in way.shape[2:])
    distance = torch.hypot(down.unsqueeze(1), across)
    strength = 1 - distance / distance.max().clamp(min=torch.finfo(way.dtype).tiny)
    coefficients = rows @ way @ columns.T
    return Spectrum(strength, lambda opening: rows.T @ (coefficients * opening) @ columns)


def laplacian(way: Float[Tensor, "p c h w"]) -> Spectrum:
    """Return the bands of a Laplacian pyramid: means of 2 x 2 pixels, enlarged bilinearly.

    The coarsest remainder comes first, then the bands from fine to coarse, evenly spaced: the order of the authors'
    code, not the one from coarse to fine that the paper's words suggest.
    """

    def grown(image: Tensor, sizes: list[torch.Size]) -> Tensor:
        for size in reversed(sizes):
            image = functional.interpolate(image, size=size, mode="bilinear", align_corners=False)
        return image

    rest, bands = way, []
    sizes: list[torch.Size] = []
    while len(sizes) < LEVELS and min(rest.shape[2:]) >= 2:
        coarse = functional.avg_pool2d(rest, 2)
        bands.append(grown(rest - grown(coarse, [rest.shape[2:]]), sizes))
        sizes.append(rest.shape[2:])
        rest = coarse
    return _stacked([grown(rest, sizes), *bands])


def wavelet(way: Float[Tensor, "p c h w"]) -> Spectrum:
    """Return the bands of the orthonormal Haar wavelet, as many levels as the sides can be halved.

    The coarsest remainder comes first, then the bands from fine to coarse, evenly spaced, as in the authors' code.
    Within a level: changes from left to right, from top to bottom, and both.
    """
    # Its own inverse: rows and columns are the four patterns of a square of 2 x 2 pixels.
    haar = way.new_tensor([[1, 1, 1, 1], [1, -1, 1, -1], [1, 1, -1, -1], [1, -1, -1, 1]]) / 2

    def raised(band: Tensor, pattern: int, level: int) -> Tensor:
        for which in (pattern, *[0] * level):
            squares = haar[which].view(4, 1, 1) * band.unsqueeze(2)
            band = functional.pixel_shuffle(squares.flatten(1, 2), 2)
        return band

    rest, bands, level = way, [], 0
    while level < LEVELS and not any(size % 2 for size in rest.shape[2:]):
        squares = functional.pixel_unshuffle(rest, 2)
        squares = squares.view(*rest.shape[:2], 4, *squares.shape[2:])
        rest, *details = torch.einsum("bk,pckhw->bpchw", haar, squares)
        bands += [raised(detail, pattern, level) for pattern, detail in enumerate(details, 1)]
        level += 1
    return _stacked([raised(rest, 0, level - 1) if level else rest, *bands])


def _stacked(components: list[Tensor]) -> Spectrum:
    stack = torch.stack(components)
    strength = torch.linspace(1, 0, len(stack), dtype=stack.dtype, device=stack.device)
    return Spectrum(strength, lambda opening: torch.tensordot(opening, stack, dims=1))


BASES: dict[str, Callable[[Tensor], Spectrum]] = {
    "svd": singular,
    "svd-joint": singular_joint,
    "dct": cosine,
    "laplacian": laplacian,
    "wavelet": wavelet,
}
"""Bases by name."""


@dataclass(frozen=True)
class SpectralPath:
    """``steps`` moves in which the components of the way open one after the other.

    Kim, Lim, Lee and Choi, "Spectral Integrated Gradients for Coarse-to-Fine Feature Attribution", KDD 2026. At time t
    from 0 to 1 a component of strength r is open by (t - (1 - overlap) (1 - r)) / overlap, cut off at 0 and 1: each
    takes the share ``overlap`` of the path, the strongest first. Strength is relative to the strongest: for ``svd``
    the singular value over the largest of its channel, for ``svd-joint`` of the image.

    Attributes:
        steps: number of moves.
        overlap: share of the path that each component takes, above 0 to 1; 1 is the straight line.
        basis: name in :data:`BASES`.
        chunk: states whose gradients are taken in one call; the path is known beforehand.

    Raises:
        ValueError: a setting is out of its range.
    """

    steps: int = 50
    overlap: float = 0.4
    basis: str = "svd"
    chunk: int = 4

    def __post_init__(self) -> None:
        if self.steps < 1 or self.chunk < 1 or not 0 < self.overlap <= 1:
            raise ValueError(
                f"steps and chunk must be at least 1, and overlap above 0 and at most 1, not {self.steps}, "
                f"{self.chunk} and {self.overlap}."
            )
        if self.basis not in BASES:
            raise ValueError(f"basis must be one of {', '.join(BASES)}, not {self.basis!r}.")

    def estimate(self, height: int, width: int) -> StepEstimate:
        """Return ``steps`` twice: the path has no surprises."""
        return StepEstimate(self.steps, self.steps)

    def walk(self, gradient_of: GradientFn, ends: Endpoints) -> Iterator[Step]:
        """Yield the moves; see :class:`~samp_core.paths.base.Path`."""
        way = ends.end - ends.start
        # Singular values need single precision; a half-precision network gets its states back in its own.
        spectrum = BASES[self.basis](way.to(torch.promote_types(way.dtype, torch.float32)))
        begins = (1 - self.overlap) * (1 - spectrum.strength)

        def state(k: int) -> Tensor:
            if k == self.steps:
                return ends.end  # to the last bit
            opening = ((k / self.steps - begins) / self.overlap).clamp(0, 1)
            return ends.start + spectrum.build(opening).to(way)

        yield from walk_known((state(k) for k in range(self.steps + 1)), gradient_of, ends, self.chunk)
