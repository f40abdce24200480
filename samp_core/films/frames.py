"""What was seen on the way: a run as a film of small pictures that a browser can play.

Pictures are taken where the path has walked another part of its way, so every film has about as many, however many
moves its method makes. Each comes with where the run was by every measure of a clock: share of the way, share of the
pixels, gradient evaluations, seconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from samp_core.attribution import Explanation, PathRun, Run, SteadyRun
from samp_core.films.anatomy import Anatomy, anatomies
from samp_core.films.drafts import MOST_DRAFTS, Glimpse, glimpse_of
from samp_core.films.levels import compand, data_uri, opacity, packed_shares, packed_times, packed_values
from samp_core.images import Preprocessing
from samp_core.paths import Draft, Endpoints, Step
from samp_core.render import colour_limit

PICTURES = 28
"""Pictures of one film, about; four films of two directions each stay below 6 MB with that."""

_MANY = 0.5  # share of the pixels above which "the pixels that moved" says less than "how far each moved"


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
        credited: how many moves map and sums speak of; a rule that deals out measured changes knows what the newest
            brought with the next score only.
        copies: of how many copies of the photo the map is the mean; 0 while the first are on their way, or without any.
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
    credited: int
    copies: int = 0


@dataclass(frozen=True)
class Points:
    """What each pixel was given and when it moved, as numbers that can be pointed at.

    Attributes:
        credit: of each direction (of the whole map, where there are none), see
            :func:`~samp_core.films.levels.packed_values`.
        peaks: magnitude of the strongest of each, in units of the score.
        when: of each direction, the number of the move in which a pixel went its way, from 1; the mean, weighted by
            how far it went, where it took several. See :func:`~samp_core.films.levels.packed_times`.
        even: of each direction, whether most pixels move all the time, so that ``when`` says nothing.
        size: height and width.
        copies: number of copies of the photo that were explained.
        agreement: share of them that give a pixel credit of the same sign as their mean does, see
            :func:`~samp_core.films.levels.packed_shares`; empty for one.
    """

    credit: tuple[str, ...]
    peaks: tuple[float, ...]
    when: tuple[str, ...]
    even: tuple[bool, ...]
    size: tuple[int, int]
    copies: int = 1
    agreement: str = ""


class Film:
    """The pictures of one run on one photo, and the states they were taken of.

    Args:
        preprocessing: turns states back into pictures.
        run: the run, not yet walked.
        pictures: how many pictures are taken, about.

    Attributes:
        directions: names of the D directions.
        frames: the pictures so far.
        states: the images that they show, for each direction a list of (C, H, W) in half precision.
        scores: score of each direction at each state so far, move by move; None once a path has arrived.
        anatomies: the newest move of each picture taken apart, for each direction; None where there is none.
        befores: the images that those moves were made on, for each direction, data URIs.
        points: what each pixel was given and when it moved; None until the run has ended.
        closing: which picture is the last; None until the run has ended.
        way: share of the way that is walked, 0 to 1.
        drafts: the path as it was known while it was being found, of one that is found before its first move; without
            the last draft, which is what is walked.
        glimpse: how the newest draft is seen; None where there is none.
    """

    def __init__(self, preprocessing: Preprocessing, run: PathRun | SteadyRun, pictures: int = PICTURES) -> None:
        self._preprocessing, self._run, self._pictures_wanted = preprocessing, run, pictures
        self.directions = run.directions
        self._moving = torch.zeros_like(run.ends.start[:, 0])  # in how many moves each pixel moved
        self.frames: list[Frame] = []
        self.states: list[list[Tensor]] = [[] for _ in run.directions]
        self.scores: list[list[float | None]] = [[] for _ in run.directions]
        self.anatomies: list[tuple[Anatomy | None, ...]] = []
        self.befores: list[tuple[str, ...]] = []
        self.points: Points | None = None
        self._step: Step | None = None
        self._steering: Tensor | None = None  # of the move before the newest
        self._ends: Endpoints | None = None  # once the run has ended
        self.closing: int | None = None
        self._seen = 0  # copies whose map was seen
        self.drafts: list[Draft] = []
        self.glimpse: Glimpse | None = None
        self.way = self._way()
        self._take(0, run.ends.start, None)

    @property
    def ends(self) -> Endpoints:
        """Where the paths start and end; of an open path where it has come to so far."""
        return self._run.ends if self._ends is None else self._ends

    def add(self, step: Step | float) -> Frame | None:
        """Take in the newest move; return its picture if it is worth one.

        Of several copies the first ones are seen on their way; the others change the map, when they have arrived.
        """
        if not isinstance(step, Step):
            if not isinstance(self._run, SteadyRun):
                self._look_at(self._run.draft)
                return None
            fresh = self._run.explained - self._seen
            if not fresh or (self._seen and fresh < self._run.copies.count / self._pictures_wanted):
                return None
            self._seen = self._run.explained
            self.way = self._way()
            return self._take(self.frames[-1].move, self._run.state, self._run.by_direction()[:, 0])
        for trace, score, active in zip(self.scores, step.score.tolist(), step.active.tolist(), strict=True):
            trace.append(score if active else None)
        self._steering = None if self._step is None else self._step.steering
        self._step = step
        self._moving += step.way > 0
        self.way = self._way()
        if step.index and self.way - self.frames[-1].way < 1 / self._pictures_wanted:
            return None
        return self._take(step.index + 1, self._run.state, self._run.by_direction()[:, 0])

    def _look_at(self, draft: Draft | None) -> None:
        """Keep how the path is known now, if that is new and some way from the last draft."""
        before = self.drafts[-1].share if self.drafts else -1.0
        if draft is None or draft.turn is None or draft.share >= 1 or draft.share - before < 1 / MOST_DRAFTS:
            return
        self.drafts.append(replace(draft, turn=draft.turn.cpu()))
        self.glimpse = glimpse_of(self._preprocessing, self.ends, draft)

    def close(self, explanation: Explanation) -> Frame:
        """Take in the result; its map is the last picture, kept as it is."""
        self.scores = [
            [None if np.isnan(s) else s for s in trace] for trace in explanation.scores[:, :, 0].double().T.tolist()
        ]
        # By its number: until it is taken, the picture before it may be asked for, and its scores end at its move.
        self.closing = len(self.frames)
        self.way = self._way()
        moves = explanation.steps[:, 0].clamp(min=1)
        # Several copies together touch more pixels in a move than any of them.
        share = self._run.touched() if isinstance(self._run, SteadyRun) else self._moving.mean((1, 2)) / moves
        even = tuple(each > _MANY for each in share.tolist())
        self.points = points_of(explanation, tuple(map(packed_times, self._run.when().cpu().numpy())), even)
        frame = self._take(int(explanation.steps.max()), self._run.state, explanation.by_direction[:, 0], "PNG")
        # Films are kept by the dozen, and the run would hold up to as much again: its last move, the rule's sums.
        self._ends = self._run.ends
        self._step = self._steering = None
        del self._run
        return frame

    def _take(self, move: int, state: Tensor, by_direction: Tensor | None, kind: str = "JPEG") -> Frame:
        run = self._run
        picture, peak, limit, sums = None, 1.0, 1.0, tuple(0.0 for _ in run.directions)
        if by_direction is not None:
            pixel_map = by_direction.sum((0, 1)).double().cpu().numpy()
            sums = tuple(by_direction.double().sum((1, 2, 3)).tolist())
            limit = colour_limit(pixel_map)
            levels, peak = compand(pixel_map)
            picture = data_uri(Image.fromarray(levels), kind, 60)
        same = bool(self.frames) and self.frames[-1].move == move
        pictures: tuple[str, ...] = ()
        moved: tuple[str, ...] = ()
        even = same and self.frames[-1].even
        if not same:
            pictures = self._pictures(state)
            for kept, image in zip(self.states, state, strict=True):
                kept.append(image.to(torch.float16))
            if self._step is not None:
                far = self._step.way
                even = bool((far > 0).float().mean() > _MANY)
                moved = tuple(opacity(f, even) for f in far.cpu().numpy())
        frame = Frame(
            move=move,
            way=self.way,
            pixels=float((self._moving > 0).float().mean()),
            evaluations=run.cost.gradients,
            seconds=run.seconds,
            states=pictures,
            moved=moved,
            even=even,
            pixel_map=picture,
            peak=peak,
            limit=limit,
            sums=sums,
            credited=max(0, move - run.behind),
            copies=run.explained if isinstance(run, SteadyRun) else 0,
        )
        self.frames.append(frame)
        step = None if same else self._step
        # The mean of several copies' moves is no move that a search chose.
        self.anatomies.append(
            anatomies(run.path, self.ends, step, self._steering) if step and isinstance(run, PathRun) else ()
        )
        self.befores.append(() if step is None else self._before(step))
        return frame

    def _before(self, step: Step) -> tuple[str, ...]:
        """Return pictures of the images on which the newest move was made."""
        last = self.frames[-2]
        return last.states if last.move == step.index else self._pictures(step.state)

    def _pictures(self, state: Tensor) -> tuple[str, ...]:
        return tuple(data_uri(picture, quality=62) for picture in self._preprocessing.to_image(state))

    def trace(self, index: int) -> list[list[float | None]]:
        """Return each direction's scores that became known from the picture before ``index`` to that picture."""
        return traced(self.frames, self.scores, index, index == self.closing)

    def _way(self) -> float:
        return float(1 - self._run.left().mean().clamp(0, 1))


class Still:
    """The film of a run without a path: nothing while it works, then its map as the one picture."""

    directions: tuple[str, ...] = ()

    def __init__(self, run: Run) -> None:
        self._run: Run | None = run
        self.frames: list[Frame] = []
        self.points: Points | None = None

    @property
    def way(self) -> float:
        """Share of the work that is done, 0 to 1."""
        return self._run.progress if self._run is not None else 1.0

    def add(self, step: Step | float) -> Frame | None:
        """Take in the newest piece of work, of which there is no picture."""
        return None

    def close(self, explanation: Explanation) -> Frame | None:
        """Take in the result; its map is the only picture."""
        self._run = None
        if explanation.finished:
            self.frames.append(still(explanation))
            self.points = points_of(explanation)
        return self.frames[-1] if self.frames else None

    def trace(self, index: int) -> list[list[float | None]]:
        """Return no scores: there is no way along which they could be taken."""
        return []


def film_of(preprocessing: Preprocessing, run: Run, pictures: int = PICTURES) -> Film | Still:
    """Return the film of a run that is not yet walked, of about so many ``pictures``."""
    return Film(preprocessing, run, pictures) if isinstance(run, PathRun | SteadyRun) and run.directions else Still(run)


def traced(
    frames: Sequence[Frame], scores: Sequence[Sequence[float | None]], index: int, is_last: bool
) -> list[list[float | None]]:
    """Return the scores of each direction that became known from the picture before ``index`` to that picture."""
    begin = frames[index - 1].move if index else 0
    return [list(trace[begin : None if is_last else frames[index].move]) for trace in scores]


def mapped(frames: Sequence[Frame], index: int) -> Frame:
    """Return the picture whose map and sums belong to the states of picture ``index``: itself, or a later one."""
    move = frames[index].move
    while index + 1 < len(frames) and frames[index + 1].move > move and frames[index + 1].credited <= move:
        index += 1
    return frames[index]


def points_of(explanation: Explanation, when: tuple[str, ...] = (), even: tuple[bool, ...] = ()) -> Points:
    """Return a result's numbers.

    Args:
        explanation: the result.
        when, even: of each direction, see :class:`Points`; nothing of a method without a path.
    """
    maps = explanation.by_direction[:, 0].double().sum(1) if when else explanation.maps.double()
    packed = [packed_values(pixel_map) for pixel_map in maps.cpu().numpy()]
    belief = explanation.belief
    return Points(
        credit=tuple(text for text, _ in packed),
        peaks=tuple(peak for _, peak in packed),
        when=when,
        even=even,
        size=(maps.shape[1], maps.shape[2]),
        copies=1 if belief is None else belief.copies,
        agreement="" if belief is None else packed_shares(belief.agreement[0].cpu().numpy()),
    )


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
        credited=1,
    )
