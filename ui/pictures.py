"""A moment of a run as small pictures that a browser can show at once."""

from __future__ import annotations

import base64
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from samp_core.classifiers import Classifier
from samp_core.methods import PathRun
from samp_core.paths import Step
from samp_core.render import colour_limit, encode, quantise


def data_uri(image: Image.Image, kind: str = "JPEG") -> str:
    """Return the picture as a data URI: unlike files, these cannot go missing when replaced quickly."""
    mime = kind.lower()
    return f"data:image/{mime};base64,{base64.b64encode(encode(image, kind)).decode()}"  # type: ignore[arg-type]


def grey_uri(pixel_map: NDArray[np.floating], limit: float) -> str:
    """Return a map as grey levels, which the browser colours."""
    return data_uri(Image.fromarray(quantise(pixel_map, limit)), "PNG")


def _mask_uri(moved: NDArray[np.bool_]) -> str:
    """Return the pixels that moved as an opaque silhouette on a transparent ground."""
    image = Image.fromarray(moved.astype(np.uint8), "P")
    image.putpalette([0, 0, 0, 255, 255, 255])
    image.info["transparency"] = 0
    return data_uri(image, "PNG")


@dataclass
class Moment:
    """One step of a run on one photo.

    Attributes:
        step: number of moves made.
        images: picture of each direction's state, data URIs.
        moved: silhouette of the pixels that the latest move touched, one a direction.
        pixel_map: the attribution so far over ``limit``, (H, W), None before the first move; half precision is plenty
            for a picture.
        limit: magnitude at which its colours saturate now, in units of the score.
    """

    step: int
    images: list[str]
    moved: list[str]
    pixel_map: NDArray[np.float16] | None
    limit: float

    def to_data(self, limit: float | None = None) -> dict[str, object]:
        """Return what the player needs, coloured on its own scale or on ``limit``."""
        return {
            "step": self.step,
            "images": self.images,
            "moved": self.moved,
            "map": self._map(limit or self.limit),
        }

    def _map(self, limit: float) -> str | None:
        if self.pixel_map is None:
            return None
        return grey_uri(self.pixel_map.astype(np.float32), limit / self.limit)


def moment(classifier: Classifier, run: PathRun, step: Step) -> Moment:
    """Picture a run right after ``step``: where the paths are now, what moved, the map so far."""
    pixel_map = run.attributions()[0].sum(0).double().cpu().numpy()
    moved = (step.move != 0).any(1).cpu().numpy()
    limit = colour_limit(pixel_map)
    return Moment(
        step.index + 1,
        [data_uri(p) for p in classifier.preprocessing.to_image(step.state + step.move)],
        [_mask_uri(m) for m in moved],
        (pixel_map / limit).astype(np.float16),
        limit,
    )


def start_moment(classifier: Classifier, run: PathRun) -> Moment:
    """Picture a run before its first move."""
    starts = classifier.preprocessing.to_image(run.ends.start)
    return Moment(0, [data_uri(p) for p in starts], ["" for _ in starts], None, 1.0)
