"""The plane in which paths between the same two images can be seen.

A path of images has as many dimensions as they have numbers. The plane's first axis is the straight way from the start
to the end; the second is the direction in which the shown paths leave that line most (the first principal direction of
their states' residuals). What lies off the plane is not seen, so each state's distance from it is given as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

_FLAT = 1e-4  # residuals shorter than this share of the way are rounding: every state lies on the line


@dataclass(frozen=True)
class PathPlane:
    """A plane through the straight way between two images. Its unit of length is that way (L2 norm).

    Attributes:
        start, end: the images at (0, 0) and (1, 0), (C, H, W).
        across: the image that one unit along the second axis adds, (C, H, W).
        share: share of the states' squared distance from the line that the second axis holds, 0 to 1; NaN if all of
            them lie on the line, when the axis is a random direction.
    """

    start: Float[Tensor, "c h w"]
    end: Float[Tensor, "c h w"]
    across: Float[Tensor, "c h w"]
    share: float

    @classmethod
    def through(
        cls, start: Float[Tensor, "c h w"], end: Float[Tensor, "c h w"], states: Sequence[Float[Tensor, "_ c h w"]]
    ) -> PathPlane:
        """Return the plane for paths that share their ends.

        Args:
            start, end: the two ends; whoever walks the other way has the same plane.
            states: the states of each path.

        Raises:
            ValueError: start and end are the same image, so there is no way between them.
        """
        way = (end - start).flatten()
        length = way.norm()
        if not length > 0:
            raise ValueError("Both ends of the paths are the same image, so there is no plane to see them in.")
        axis = way / length
        residuals = torch.cat([cls._residuals(s.to(start) - start, axis) for s in states])
        size = residuals.square().sum()
        if not size.sqrt() > _FLAT * length * max(len(residuals), 1) ** 0.5:
            generator = torch.Generator().manual_seed(0)
            noise = torch.randn(way.shape, generator=generator, dtype=torch.float32).to(way)
            across, share = noise - (noise @ axis) * axis, torch.nan
        else:
            # There are far fewer states than numbers in one: the small matrix of their products is enough.
            values, vectors = torch.linalg.eigh((residuals @ residuals.T).double())
            across, share = vectors[:, -1].to(way) @ residuals, float(values[-1] / values.sum())
        across = across / across.norm()
        # The sign of a principal direction is arbitrary: most of what is seen goes up.
        if (residuals @ across).sum() < 0:
            across = -across
        return cls(start, end, (across * length).view_as(start), share)

    @staticmethod
    def _residuals(offsets: Tensor, axis: Tensor) -> Tensor:
        flat = offsets.flatten(1)
        return flat - (flat @ axis).unsqueeze(1) * axis

    def coordinates(self, states: Float[Tensor, "k c h w"]) -> tuple[Float[Tensor, "k 2"], Float[Tensor, " k"]]:
        """Return where the states lie in the plane, and their distances from it, in units of the straight way."""
        axes = torch.stack([(self.end - self.start).flatten(), self.across.flatten()])
        size = axes[0].square().sum()
        offsets = (states.to(self.start) - self.start).flatten(1)
        places = offsets @ axes.T / size
        off = (offsets.square().sum(1) / size - places.square().sum(1)).clamp(min=0).sqrt()
        return places, off

    def images(self, places: Float[Tensor, "k 2"]) -> Float[Tensor, "k c h w"]:
        """Return the images at places of the plane."""
        x, y = places.to(self.start).view(-1, 2, 1, 1, 1).unbind(1)
        return self.start + x * (self.end - self.start) + y * self.across


def grid(places: Float[Tensor, "k 2"], columns: int = 22, rows: int = 18) -> Float[Tensor, "rows columns 2"]:
    """Return evenly spaced places that cover the given ones and the straight way, with some room around them."""
    places = torch.cat([places, places.new_tensor([[0.0, 0.0], [1.0, 0.0]])])
    low, high = places.amin(0), places.amax(0)
    room = 0.12 * (high - low).clamp(min=0.25)
    low, high = low - room, high + room
    x = torch.linspace(float(low[0]), float(high[0]), columns, dtype=places.dtype)
    y = torch.linspace(float(low[1]), float(high[1]), rows, dtype=places.dtype)
    return torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1)


def coarse_first(rows: int, columns: int) -> list[tuple[int, int]]:
    """Return all cells of a grid: those of a coarse grid first, then of a finer one, then the rest."""

    def level(row: int, column: int) -> int:
        return next((k for k, every in enumerate((4, 2)) if row % every == column % every == 0), 2)

    return sorted(((r, c) for r in range(rows) for c in range(columns)), key=lambda at: level(*at))
