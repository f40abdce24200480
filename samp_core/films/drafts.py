"""Paths that are found before they are walked, as they were known on the way there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, UInt8
from numpy.typing import NDArray
from torch import Tensor

from samp_core.films.levels import compand, data_uri
from samp_core.images import Preprocessing
from samp_core.paths import Draft, Endpoints

MOST_DRAFTS = 12
"""Drafts that are kept of one run, about."""

_STATES = 8  # moves of a draft, as it is seen in a plane
_SHARPER = 6  # power of "how early" that is painted, so that the first tenth of the pixels stands out


@dataclass(frozen=True)
class Glimpse:
    """A draft as it is seen while the path is being found.

    Attributes:
        levels: how early each pixel would move, mean of the directions, as levels of
            :func:`~samp_core.films.levels.compand`.
        peak: magnitude of the strongest level.
        states: pictures of each direction's image with half of the pixels moved, data URIs.
        words: what the draft came from.
    """

    levels: UInt8[NDArray[np.uint8], "h w"]
    peak: float
    states: tuple[str, ...]
    words: str


def glimpse_of(preprocessing: Preprocessing, ends: Endpoints, draft: Draft) -> Glimpse:
    """Return how a draft is seen.

    Raises:
        ValueError: the draft holds no order yet.
    """
    turn = _turn(draft)
    early = (1 - turn.double()).mean(0).pow(_SHARPER).cpu().numpy()
    halfway = torch.where(turn.unsqueeze(1) < 0.5, ends.end, ends.start)
    levels, peak = compand(early)
    return Glimpse(levels, peak, tuple(data_uri(p, quality=62) for p in preprocessing.to_image(halfway)), draft.words)


def states_along(draft: Draft, ends: Endpoints, direction: int) -> Float[Tensor, "k c h w"]:
    """Return the images of one direction along the path as a draft knew it, evenly spaced by pixels.

    Raises:
        ValueError: the draft holds no order yet.
    """
    turn = _turn(draft)[direction].to(ends.start)
    start, end = ends.start[direction], ends.end[direction]
    return torch.stack([torch.where(turn < k / _STATES, end, start) for k in range(_STATES)] + [end])


def _turn(draft: Draft) -> Tensor:
    if draft.turn is None:
        raise ValueError("This draft holds no order of the pixels yet.")
    return draft.turn
