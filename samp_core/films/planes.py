"""The path planes of several films: where the paths run between their ends, and the score of the ground below."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import torch
from torch import Tensor

from samp_core.classifiers import Classifier
from samp_core.films.drafts import states_along
from samp_core.films.frames import Film
from samp_core.methods import Settings
from samp_core.plane import PathPlane, coarse_first, grid
from samp_core.scores import ScoreFunction
from samp_core.words import ways

BATCH = 2  # images at once: short, because questions and runs wait for its end
_DECIMALS = 3  # of what goes to the browser


@dataclass(frozen=True)
class Walk:
    """A film with what it is of: the identity of its run, and what was asked."""

    identity: str
    settings: Settings
    film: Film


@dataclass(frozen=True)
class Track:
    """One path in a plane.

    Attributes:
        run: identity of its run.
        direction: name of its direction.
        places: where its states are, [x, y] in units of the straight way, in the order of the film.
        off: distance of each state from the plane, in the same unit.
        words: of a path that was found before it was walked, what this draft of it came from; empty for a path itself.
        ways: of a draft, which share of the way is walked at each state, 0 to 1 (L1 norm).
        scores: of a draft, the score at each state, as far as it is known.
    """

    run: str
    direction: str
    places: list[list[float]]
    off: list[float]
    words: str = ""
    ways: list[float] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)


@dataclass
class View:
    """One plane with everything that is drawn in it.

    Attributes:
        ends: names of the images at (0, 0) and (1, 0).
        share: see :attr:`~samp_core.plane.PathPlane.share`; None if all states lie on the line.
        tracks: the paths.
        low, high: corners of the ground.
        values: score of each cell of the ground, row by row from below; None where it is not known yet.
        score: what the values are, in words.
        note: what tells it from another plane between the same ends.
        drafts: those of the paths as they were known while they were being found, first drafts first.
    """

    ends: tuple[str, str]
    share: float | None
    tracks: list[Track]
    low: tuple[float, float]
    high: tuple[float, float]
    values: list[list[float | None]]
    score: str = ""
    note: str = ""
    drafts: list[Track] = field(default_factory=list)

    @property
    def title(self) -> str:
        """What it is called."""
        return " → ".join(self.ends) + (f", {self.note}" if self.note else "")


@dataclass(frozen=True)
class Survey:
    """A plane whose ground is to be worked out.

    Attributes:
        view: what is known so far.
        plane: the plane itself.
        places: where the cells of the ground are, (rows, columns, 2).
        drafts: what makes the states of each of the view's drafts.
    """

    view: View
    plane: PathPlane
    places: Tensor
    drafts: Sequence[Callable[[], Tensor]] = ()

    @property
    def cells(self) -> int:
        """Number of cells of the ground, and of states of drafts, whose scores are to be worked out."""
        return self.places.shape[0] * self.places.shape[1] + sum(len(track.places) for track in self.view.drafts)

    def along(self, scores: Callable[[Tensor], list[float]]) -> Iterator[int]:
        """Work out the scores along the drafts; yields how many each piece did."""
        for track, states in zip(self.view.drafts, self.drafts, strict=True):
            images = states()
            for begin in range(0, len(images), BATCH):
                some = images[begin : begin + BATCH]
                track.scores.extend(scores(some))
                yield len(some)

    def ground(self, scores: Callable[[Tensor], list[float]]) -> Iterator[int]:
        """Work out the scores of the ground, coarse cells first; yields how many each piece did."""
        cells = coarse_first(*self.places.shape[:2])
        for begin in range(0, len(cells), BATCH):
            here = cells[begin : begin + BATCH]
            values = scores(self.plane.images(torch.stack([self.places[r, c] for r, c in here])))
            for (r, c), value in zip(here, values, strict=True):
                self.view.values[r][c] = value
            yield len(here)


def pieces(found: Sequence[Survey], classifier: Classifier, settings: Settings) -> Iterator[int]:
    """Work out the scores of planes: along all drafts, then of one ground after the other; yields how many a piece did.

    Args:
        found: the planes.
        classifier: what is explained.
        settings: which score; with a target.
    """
    target = torch.tensor([settings.target], device=classifier.device)
    score = ScoreFunction(classifier.network, target, settings.make_score(), (), 1, BATCH)

    def scores(images: Tensor) -> list[float]:
        values = score.values(images.to(classifier.device), torch.zeros(len(images), dtype=torch.long))
        return [round(value, _DECIMALS) for value in values.tolist()]

    for survey in found:
        yield from survey.along(scores)
    for survey in found:
        yield from survey.ground(scores)


@dataclass
class _Group:
    start: Tensor
    end: Tensor
    ends: tuple[str, str]
    members: list[tuple[Walk, int]] = field(default_factory=list)


def surveys(walks: Sequence[Walk], score: str) -> list[Survey]:
    """Return the planes of these paths, those with most paths first; their grounds are still unknown.

    Paths with the same two ends share a plane, whichever way they walk.

    Args:
        walks: finished films of one photo and network.
        score: what is explained, in words.
    """
    groups: list[_Group] = []
    for walk in walks:
        ends = walk.film.ends
        for d, (start_name, end_name) in enumerate(ways(walk.settings)):
            start, end, names = ends.start[d], ends.end[d], (start_name, end_name)
            if ends.sign[d] < 0:  # from the baseline to the photo, like the others
                start, end, names = end, start, (end_name, start_name)
            if torch.equal(start, end):
                continue
            group = next((g for g in groups if torch.equal(g.start, start) and torch.equal(g.end, end)), None)
            if group is None:
                group = _Group(start, end, names)
                groups.append(group)
            group.members.append((walk, d))
    return [_survey(group, score) for group in sorted(groups, key=lambda g: -len(g.members))]


def _survey(group: _Group, score: str) -> Survey:
    states = [torch.stack(walk.film.states[d]) for walk, d in group.members]
    plane = PathPlane.through(group.start, group.end, states)
    tracks = [_track(plane, walk, d, walked) for (walk, d), walked in zip(group.members, states, strict=True)]
    known = [(walk, d, draft) for walk, d in group.members for draft in walk.film.drafts]
    along = [partial(states_along, draft, walk.film.ends, d) for walk, d, draft in known]
    drafts = [
        _track(plane, walk, d, states(), draft.words) for (walk, d, draft), states in zip(known, along, strict=True)
    ]
    cells = grid(torch.tensor([place for track in (*tracks, *drafts) for place in track.places]).double())
    low, high = cells[0, 0].tolist(), cells[-1, -1].tolist()
    view = View(
        ends=group.ends,
        share=None if math.isnan(plane.share) else round(plane.share, _DECIMALS),
        tracks=tracks,
        low=(low[0], low[1]),
        high=(high[0], high[1]),
        values=[[None] * cells.shape[1] for _ in range(cells.shape[0])],
        score=score,
        drafts=drafts,
    )
    return Survey(view, plane, cells, along)


def called(views: Sequence[View], names: Mapping[str, str]) -> list[View]:
    """Return planes with their tracks' runs called by other names; without the tracks that have none."""

    def renamed(tracks: Sequence[Track]) -> list[Track]:
        return [replace(track, run=names[track.run]) for track in tracks if track.run in names]

    found = [replace(view, tracks=renamed(view.tracks), drafts=renamed(view.drafts)) for view in views]
    return [view for view in found if view.tracks]


def _track(plane: PathPlane, walk: Walk, direction: int, states: Tensor, words: str = "") -> Track:
    places, off = plane.coordinates(states)
    rounded = [[round(x, _DECIMALS), round(y, _DECIMALS)] for x, y in places.tolist()]
    distances = [round(x, _DECIMALS) for x in off.tolist()]
    ways = []
    if words:
        gone = (states - states[0]).abs().sum((1, 2, 3))
        ways = [round(share, _DECIMALS) for share in (gone / gone[-1]).tolist()]
    return Track(walk.identity, walk.film.directions[direction], rounded, distances, words, ways)
