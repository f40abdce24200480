"""What was seen on the way: a run as a film of small pictures that a browser can play.

Pictures are taken where the path has walked another part of its way, so every film has about as many, however many
moves its method makes. Each comes with where the run was by every measure of a clock: share of the way, share of the
pixels, gradient evaluations, seconds.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, UInt8
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from samp_core.attribution import Explanation, PathRun, Run
from samp_core.images import Preprocessing
from samp_core.paths import Step
from samp_core.render import colour_limit, encode

PICTURES = 28
"""Pictures of one film, about; four films of two directions each stay below 6 MB with that."""

_MANY = 0.5  # share of the pixels above which "the pixels that moved" says less than "how far each moved"
_SHADES = 15  # shades of "how far"; more would only cost bytes


def data_uri(image: Image.Image, kind: str = "JPEG", quality: int = 85) -> str:
    """Return the picture as a data URI: unlike files, these cannot go missing when replaced quickly."""
    return f"data:image/{kind.lower()};base64,{base64.b64encode(encode(image, kind, quality)).decode()}"  # type: ignore[arg-type]


def compand(pixel_map: Float[NDArray[np.floating], "h w"]) -> tuple[UInt8[NDArray[np.uint8], "h w"], float]:
    """Return a map as grey levels, and the magnitude of the strongest.

    A level L stands for ``sign(L - 128) * peak * ((L - 128) / 127) ** 2``: small values keep their sign and their
    order beside a few very large ones, so a picture taken early can be coloured on the last one's scale.
    """
    peak = float(np.abs(pixel_map).max()) or 1.0
    levels = 128 + 127 * np.sign(pixel_map) * np.sqrt(np.abs(pixel_map) / peak)
    return np.round(levels).astype(np.uint8), peak


@dataclass(frozen=True)
class Frame:
    """One moment of a run on one photo, in D directions.

    Attributes:
        move: number of moves made.
        way: share of the way that is walked, 0 to 1, mean of the directions (L1 norm).
        pixels: share of the pixels that have moved, 0 to 1, mean of the directions.
        evaluations: gradient evaluations spent.
        seconds: the run's own time so far.
        states: picture of each direction's image now, data URIs; empty if they are those of the frame before.
        moved: which pixels the newest move touched, as opacity, data URIs; empty before the first, or as ``states``.
        even: whether the newest move touched most pixels, so that ``moved`` shows how far each went.
        pixel_map: the attribution so far as levels of :func:`compand`, a data URI; None before the first move.
        peak: magnitude of the strongest level, in units of the score.
        limit: magnitude at which colours saturate for this map alone.
        sums: sum of each direction's attribution so far, in units of the score.
    """

    move: int
    way: float
    pixels: float
    evaluations: int
    seconds: float
    states: tuple[str, ...]
    moved: tuple[str, ...]
    even: bool
    pixel_map: str | None
    peak: float
    limit: float
    sums: tuple[float, ...]


class Film:
    """The pictures of one run on one photo, and the states they were taken of.

    Args:
        preprocessing: turns states back into pictures.
        run: the run, not yet walked.

    Attributes:
        ends: where the paths start and end.
        directions: names of the D directions.
        frames: the pictures so far.
        states: the images that they show, for each direction a list of (C, H, W) in half precision.
        scores: score of each direction at each state so far, move by move; None once a path has arrived.
        way: share of the way that is walked, 0 to 1.
    """

    def __init__(self, preprocessing: Preprocessing, run: PathRun) -> None:
        self._preprocessing, self._run = preprocessing, run
        self.ends = ends = run.ends
        self.directions = run.directions
        self._length = (ends.end - ends.start).abs().sum((1, 2, 3)).clamp(min=1e-12)
        self._touched = torch.zeros_like(ends.start[:, 0], dtype=torch.bool)
        self.frames: list[Frame] = []
        self.states: list[list[Tensor]] = [[] for _ in run.directions]
        self.scores: list[list[float | None]] = [[] for _ in run.directions]
        self._move: Tensor | None = None
        self._closed = False
        self.way = 0.0
        self._take(0, ends.start, None)

    def add(self, step: Step | float) -> Frame | None:
        """Take in the newest move; return its picture if it is worth one."""
        assert isinstance(step, Step)
        for trace, score, active in zip(self.scores, step.score.tolist(), step.active.tolist(), strict=True):
            trace.append(score if active else None)
        self._move = step.move
        self._touched |= (step.move != 0).any(1)
        self.way = self._way(self._run.state)
        if step.index and self.way - self.frames[-1].way < 1 / PICTURES:
            return None
        return self._take(step.index + 1, self._run.state, self._run.by_direction()[:, 0])

    def close(self, explanation: Explanation) -> Frame:
        """Take in the result; its map is the last picture, kept as it is."""
        self.scores = [
            [None if np.isnan(s) else s for s in trace] for trace in explanation.scores[:, :, 0].double().T.tolist()
        ]
        self._closed = True
        return self._take(int(explanation.steps.max()), self._run.state, explanation.by_direction[:, 0], "PNG")

    def _take(self, move: int, state: Tensor, by_direction: Tensor | None, kind: str = "JPEG") -> Frame:
        run = self._run
        picture, peak, limit, sums = None, 1.0, 1.0, tuple(0.0 for _ in run.directions)
        if by_direction is not None:
            pixel_map = by_direction.sum((0, 1)).double().cpu().numpy()
            sums = tuple(by_direction.double().sum((1, 2, 3)).tolist())
            limit = colour_limit(pixel_map)
            levels, peak = compand(pixel_map)
            picture = data_uri(Image.fromarray(levels), kind, 72)
        same = bool(self.frames) and self.frames[-1].move == move
        pictures: tuple[str, ...] = ()
        moved: tuple[str, ...] = ()
        even = same and self.frames[-1].even
        if not same:
            pictures = tuple(data_uri(p, quality=62) for p in self._preprocessing.to_image(state))
            for kept, image in zip(self.states, state, strict=True):
                kept.append(image.to(torch.float16))
            if self._move is not None:
                far = self._move.abs().sum(1)
                even = bool((far > 0).float().mean() > _MANY)
                moved = tuple(_opacity(f, even) for f in far.cpu().numpy())
        frame = Frame(
            move=move,
            way=self._way(state),
            pixels=float(self._touched.float().mean()),
            evaluations=run.cost.gradients,
            seconds=run.seconds,
            states=pictures,
            moved=moved,
            even=even,
            pixel_map=picture,
            peak=peak,
            limit=limit,
            sums=sums,
        )
        self.frames.append(frame)
        return frame

    def trace(self, index: int) -> list[list[float | None]]:
        """Return each direction's scores that became known from the picture before ``index`` to that picture."""
        begin = self.frames[index - 1].move if index else 0
        last = self._closed and index == len(self.frames) - 1
        return [scores[begin : None if last else self.frames[index].move] for scores in self.scores]

    def _way(self, state: Tensor) -> float:
        left = (self._run.ends.end - state).abs().sum((1, 2, 3)) / self._length
        return float(1 - left.mean().clamp(0, 1))


class Still:
    """The film of a run without a path: nothing while it works, then its map as the one picture."""

    directions: tuple[str, ...] = ()

    def __init__(self, run: Run) -> None:
        self._run = run
        self.frames: list[Frame] = []

    @property
    def way(self) -> float:
        """Share of the work that is done, 0 to 1."""
        return self._run.progress

    def add(self, step: Step | float) -> Frame | None:
        """Take in the newest piece of work, of which there is no picture."""
        return None

    def close(self, explanation: Explanation) -> Frame | None:
        """Take in the result; its map is the only picture."""
        if explanation.finished:
            self.frames.append(still(explanation))
        return self.frames[-1] if self.frames else None

    def trace(self, index: int) -> list[list[float | None]]:
        """Return no scores: there is no way along which they could be taken."""
        return []


def film(preprocessing: Preprocessing, run: Run) -> Film | Still:
    """Return the film of a run that is not yet walked."""
    return Film(preprocessing, run) if isinstance(run, PathRun) else Still(run)


def _opacity(far: Float[NDArray[np.floating], "h w"], even: bool) -> str:
    """Return how far each pixel moved as the opacity of a picture: all or nothing, or in shades."""
    if not even:
        image = Image.fromarray((far > 0).astype(np.uint8), "P")
        image.putpalette([0, 0, 0, 255, 255, 255])
        image.info["transparency"] = 0
        return data_uri(image, "PNG")
    shades = np.round(_SHADES * far / max(far.max(), 1e-12)).astype(np.uint8)
    image = Image.fromarray(shades, "P").resize((far.shape[1] // 2, far.shape[0] // 2), Image.Resampling.NEAREST)
    image.putpalette([255] * 3 * (_SHADES + 1))
    image.info["transparency"] = bytes(round(255 * s / _SHADES) for s in range(_SHADES + 1))
    return data_uri(image, "PNG")


def still(explanation: Explanation) -> Frame:
    """Return the map of a method without a path as the one picture of its film."""
    pixel_map = explanation.maps[0].double().cpu().numpy()
    levels, peak = compand(pixel_map)
    return Frame(
        move=1,
        way=1.0,
        pixels=1.0,
        evaluations=explanation.cost.gradients,
        seconds=explanation.seconds,
        states=(),
        moved=(),
        even=False,
        pixel_map=data_uri(Image.fromarray(levels), "PNG"),
        peak=peak,
        limit=colour_limit(pixel_map),
        sums=(),
    )
