"""Whether a map points at what a person marked."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from samp_core.metrics.base import Column, Measurement, Metric, Protocol, Subject


def box_mask(box: tuple[float, float, float, float], height: int, width: int) -> Bool[Tensor, "h w"]:
    """Return which pixels' centres lie in a box (left, top, right, bottom), as fractions of width and height.

    Raises:
        ValueError: the box holds no pixel.
    """
    left, top, right, bottom = box
    across = (torch.arange(width) + 0.5) / width
    down = (torch.arange(height) + 0.5) / height
    mask = ((down >= top) & (down < bottom)).unsqueeze(1) & ((across >= left) & (across < right))
    if not mask.any():
        raise ValueError(f"The box {box} holds no pixel. Draw a larger one inside the photo.")
    return mask


def pointing_game(maps: Float[Tensor, "n h w"], mask: Bool[Tensor, "h w"]) -> Float[Tensor, " n"]:
    """Return 1 where the pixel of largest attribution is inside, 0 where it is not; the first, if several are equal.

    Zhang et al., "Top-down Neural Attention by Excitation Backprop", ECCV 2016, without its tolerance of 15 pixels.
    """
    return mask.flatten().to(maps.device)[maps.flatten(1).argmax(1)].to(maps.dtype)


def energy_inside(maps: Float[Tensor, "n h w"], mask: Bool[Tensor, "h w"]) -> Float[Tensor, " n"]:
    """Return the share of the positive attribution that is inside, 0 to 1; NaN if none is positive.

    Wang et al., "Score-CAM", CVPR workshops 2020 (energy-based pointing game).
    """
    positive = maps.clamp(min=0).flatten(1)
    return (positive * mask.flatten().to(maps.device)).sum(1) / positive.sum(1)


def _measure(subject: Subject) -> tuple[Measurement, ...]:
    maps = subject.maps
    if subject.box is None:
        raise ValueError("The pointing game needs a box around what the map should point at: draw one on the photo.")
    mask = box_mask(subject.box, *maps.shape[1:])
    area = mask.double().mean().item()
    box = "box ({:.3f}, {:.3f}, {:.3f}, {:.3f})".format(*subject.box)
    evidence = {"mask": mask.expand(len(maps), -1, -1)}
    return (
        Measurement(
            "pointing",
            pointing_game(maps, mask),
            Protocol(f"largest attribution inside the {box}, no tolerance (Zhang 2016)", sign="signed"),
            evidence,
        ),
        Measurement(
            "energy",
            energy_inside(maps, mask),
            Protocol(f"positive attribution inside the {box} of {100 * area:.1f} % area (Wang 2020)", sign="positive"),
            evidence,
            "" if bool((maps.flatten(1).max(1).values > 0).all()) else "No attribution is positive.",
        ),
    )


LOCALISATION = Metric(
    "localisation",
    "Pointing game",
    "Whether the map's peak, and how much of its positive weight, lies in the box that you drew.",
    "Zhang et al., ECCV 2016; Wang et al., CVPRW 2020",
    (Column("pointing", "Pointing game", "up"), Column("energy", "Energy inside", "up")),
    _measure,
    needs="box",
    evidence="box",
)
