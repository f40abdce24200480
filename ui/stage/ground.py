"""The path planes of a stage: where the paths run between their ends, and the score of the ground they run over."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from samp_core.film import Film
from samp_core.plane import PathPlane, coarse_first, grid
from samp_core.scores import PathError, ScoreFunction
from ui.work.lane_run import LaneRun
from ui.work.turns import BACKGROUND, Turns
from ui.work.worker import Worker

BATCH = 4  # images a turn: short, because questions and runs wait for its end
_AXES = 3  # decimals of what goes to the browser


@dataclass(frozen=True)
class Track:
    """One path in a plane.

    Attributes:
        run: identity of its run.
        direction: name of its direction.
        places: where its states are, [x, y] in units of the straight way, in the order of the film.
        off: distance of each state from the plane, in the same unit.
    """

    run: str
    direction: str
    places: list[list[float]]
    off: list[float]


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
    """

    ends: tuple[str, str]
    share: float | None
    tracks: list[Track]
    low: tuple[float, float]
    high: tuple[float, float]
    values: list[list[float | None]]
    score: str = ""


@dataclass
class _Group:
    start: Tensor
    end: Tensor
    ends: tuple[str, str]
    members: list[tuple[LaneRun, int, str]] = field(default_factory=list)


class Ground(Worker):
    """Works out the planes of finished runs, then the score on a grid of each, coarse cells first.

    Attributes:
        identity: changes with the runs.
        views: the planes so far, most paths first.
        version: grows whenever there is more to see.
    """

    def __init__(
        self, turns: Turns, runs: Sequence[LaneRun], ways: dict[str, list[tuple[str, str]]], score: str
    ) -> None:
        super().__init__(turns, "Path plane", "Explain", urgency=BACKGROUND)
        self.identity = ground_key(runs)
        self.runs, self.ways, self.score = list(runs), ways, score
        self.views: list[View] = []
        self.version = 0
        self.error = ""
        self._active = True
        self._done = 0
        self._cells = 1

    @property
    def active(self) -> bool:
        """Whether it is under way."""
        return self._active

    @property
    def progress(self) -> float:
        """Fraction of the ground that is known, 0 to 1."""
        return self._done / self._cells if self._active else 1.0

    def _fail(self, why: str) -> None:
        self.error, self._active = why, False

    def _work(self) -> None:
        try:
            with self.turn():
                grids = [self._view(group) for group in self._groups()]
            self._cells = max(1, sum(places.shape[0] * places.shape[1] for _, _, places in grids))
            self.version += 1
            for view, plane, places in grids:
                self._fill(view, plane, places)
        except (PathError, ValueError) as error:
            self._fail(str(error))
        self._active = False
        self.version += 1

    def _groups(self) -> list[_Group]:
        """Return the runs' directions by their two ends, whichever way they walk."""
        groups: list[_Group] = []
        for run in self.runs:
            film = _film(run)
            ends = film.ends
            for d, (start_name, end_name) in enumerate(self.ways[run.identity]):
                start, end, names = ends.start[d], ends.end[d], (start_name, end_name)
                if ends.sign[d] < 0:  # from the baseline to the photo, like the others
                    start, end, names = end, start, (end_name, start_name)
                if torch.equal(start, end):
                    continue
                group = next((g for g in groups if torch.equal(g.start, start) and torch.equal(g.end, end)), None)
                if group is None:
                    group = _Group(start, end, names)
                    groups.append(group)
                group.members.append((run, d, film.directions[d]))
        return sorted(groups, key=lambda g: -len(g.members))

    def _view(self, group: _Group) -> tuple[View, PathPlane, Tensor]:
        states = [torch.stack(_film(run).states[d]) for run, d, _ in group.members]
        plane = PathPlane.through(group.start, group.end, states)
        tracks, places = [], []
        for (run, _, direction), walked in zip(group.members, states, strict=True):
            at, off = plane.coordinates(walked)
            places.append(at)
            tracks.append(Track(run.identity, direction, _rounded(at), [round(x, _AXES) for x in off.tolist()]))
        cells = grid(torch.cat(places).double())
        low, high = cells[0, 0].tolist(), cells[-1, -1].tolist()
        view = View(
            ends=group.ends,
            share=None if math.isnan(plane.share) else round(plane.share, _AXES),
            tracks=tracks,
            low=(low[0], low[1]),
            high=(high[0], high[1]),
            values=[[None] * cells.shape[1] for _ in range(cells.shape[0])],
            score=self.score,
        )
        self.views.append(view)
        return view, plane, cells

    def _fill(self, view: View, plane: PathPlane, places: Tensor) -> None:
        run = self.runs[0]
        target = torch.tensor([run.settings.target])
        score = ScoreFunction(run.classifier.network, target, run.settings.make_score(), (), 1, BATCH)
        cells = coarse_first(*places.shape[:2])
        for begin in range(0, len(cells), BATCH):
            if self._cancelled.is_set():
                return
            some = cells[begin : begin + BATCH]
            with self.turn():
                images = plane.images(torch.stack([places[r, c] for r, c in some]))
                values = score.values(images, torch.zeros(len(some), dtype=torch.long))
            for (r, c), value in zip(some, values.tolist(), strict=True):
                view.values[r][c] = round(value, _AXES)
            self._done += len(some)
            # The browser is sent the ground in a few pieces, not with every batch.
            if begin // BATCH % 16 == 7:
                self.version += 1


def ground_key(runs: Sequence[LaneRun]) -> str:
    """Return what identifies the planes of these runs."""
    return " ".join(run.identity for run in runs)


def _film(run: LaneRun) -> Film:
    assert isinstance(run.film, Film)
    return run.film


def _rounded(places: Tensor) -> list[list[float]]:
    return [[round(x, _AXES), round(y, _AXES)] for x, y in places.tolist()]
