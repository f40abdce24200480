"""The run of a lane: a film that grows, a sketch before it, and the result."""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray

from samp_core.attribution import Explanation, Run, SteadyRun
from samp_core.classifiers import Classifier
from samp_core.films import Film, Frame, Glimpse, Reel, Still, View, called, compand, film_of
from samp_core.methods import METHODS, Settings, make_method
from samp_core.paths import Step
from samp_core.runs import begin
from samp_core.scores import PathError
from ui.work.turns import Turns
from ui.work.worker import Worker

if TYPE_CHECKING:
    from samp_core.archive import Archive
    from ui.shared.state import Photo

Status = Literal["idle", "waiting", "running", "done", "stopped", "failed"]

SKETCH = 1.2  # seconds of estimated work above which a search shows a sketch first
WORTH = 4  # how many times the sketch's work, at least: a run that is hardly longer shows a map of its own as soon
SKETCH_MOVES = 4
SKETCH_SHOWN = 2  # moves after which it is shown: half of the pixels


@dataclass(frozen=True)
class Sketch:
    """What is seen of a run before its first move: a quick search's map, then drafts of a path that is found first.

    Attributes:
        number: grows with every newer sketch of a run.
        levels: the map, as levels of :func:`~samp_core.films.compand`.
        peak: magnitude of the strongest level.
        words: what it is.
        states: pictures of each direction's image half of the way along a draft, data URIs.
    """

    number: int
    levels: NDArray[np.uint8]
    peak: float
    words: str
    states: tuple[str, ...] = ()

    @classmethod
    def later(cls, last: Sketch | None, glimpse: Glimpse) -> Sketch:
        """Return a draft as what is seen after the ``last`` sketch."""
        number = 1 if last is None else last.number + 1
        return cls(number, glimpse.levels, glimpse.peak, f"the order {glimpse.words}", glimpse.states)


def subject(photo: Photo, classifier: Classifier, settings: Settings) -> Hashable:
    """Return what a run explains; only runs that share it can stand in one plane, curve, film, figure or file."""
    asked = settings.score, settings.target, settings.contrast
    network = classifier.name, classifier.fingerprint, classifier.labels, classifier.preprocessing
    return photo.fingerprint, network, asked


class LaneRun(Worker):
    """One run on one photo in a thread of its own.

    Attributes:
        identity: tells it from every other run of this server.
        settings: what was asked, with the target filled in.
        key: what the result belongs to: photo, network and settings.
        status: where it is; ``done``, ``stopped`` and ``failed`` are final.
        expected: seconds that it was expected to take when it was asked for.
        film: its pictures; None before it begins.
        sketch: what is seen before the first move; None as long as there is nothing.
        explanation: the result, once final and not failed.
        views: the finished planes in which its path was seen last; their tracks are called by their runs' identities.
        threads: torch's threads in the turn that made it.
        error: what went wrong, for a user.
    """

    _numbers = itertools.count()

    def __init__(
        self, turns: Turns, classifier: Classifier, photo: Photo, settings: Settings, key: str, seconds: float
    ) -> None:
        super().__init__(turns, METHODS[settings.method].title, "Explain")
        self.identity = f"run-{next(self._numbers)}"
        self.classifier, self.photo, self.settings, self.key = classifier, photo, settings, key
        self.status: Status = "waiting"
        self.film: Film | Still | Reel | None = None
        self.sketch: Sketch | None = None
        self.explanation: Explanation | None = None
        self.views: list[View] = []
        self.threads: int | None = None
        self.error = ""
        self.expected = seconds
        self._progress = 0.0

    @classmethod
    def back(
        cls, turns: Turns, classifier: Classifier, photo: Photo, archive: Archive, keys: Sequence[str]
    ) -> list[Self]:
        """Return the finished runs of a file that need not be walked again to be seen: those with a film, or no path.

        Args:
            turns, classifier, photo: as for any run; network and photo are those of the file.
            archive: the file.
            keys: what the result of each of its runs belongs to.
        """
        found: dict[str, Self] = {}
        for k, (key, entry, film) in enumerate(zip(keys, archive.entries, archive.films, strict=True)):
            explanation = entry.explanation
            if film is None and (explanation.directions or METHODS[entry.settings.method].has_path):
                continue
            if not explanation.finished:
                continue
            found[str(k)] = run = cls(turns, classifier, photo, entry.settings, key, 0.0)
            run.film = Reel.still(explanation) if film is None else film
            run.explanation, run.status = explanation, "done"
            run.threads = archive.words["runs"][k].get("machine", {}).get("threads")
        views = called(archive.planes, {k: run.identity for k, run in found.items()})
        for run in found.values():
            run.views = views
        return list(found.values())

    @property
    def active(self) -> bool:
        """Whether the run is under way or waiting for its turn."""
        return self.status in ("waiting", "running")

    @property
    def subject(self) -> Hashable:
        """What it explains, see :func:`subject`."""
        return subject(self.photo, self.classifier, self.settings)

    @property
    def frames(self) -> Sequence[Frame]:
        """Its pictures so far."""
        return [] if self.film is None else self.film.frames

    @property
    def walked(self) -> bool:
        """Whether it has walked a path to its end."""
        return self.status == "done" and self.film is not None and bool(self.film.directions)

    @property
    def progress(self) -> float:
        """Fraction done, 0 to 1."""
        return self._progress if self.active else 1.0

    def _work(self) -> None:
        try:
            with self.turn():
                self.status = "running"
                self.settings, run = begin(self.classifier, self.photo.image, self.settings)
                self.film = film_of(self.classifier.preprocessing, run)
            if self._wants_sketch() and not self._cancelled.is_set():
                self._draw_sketch()
            self._walk(run, self.film)
        except (PathError, ValueError) as error:
            self._fail(str(error))

    def _fail(self, why: str) -> None:
        self.error, self.status = why, "failed"

    def _walk(self, run: Run, film: Film | Still) -> None:
        glimpse: Glimpse | None = None
        for piece in self.pieces(run):
            film.add(piece)
            if isinstance(film, Film) and film.glimpse is not glimpse and film.glimpse:
                glimpse = film.glimpse
                self.sketch = Sketch.later(self.sketch, glimpse)
            # By the way that is walked: the number of moves of a search is not known beforehand. Of several copies it
            # is that of the first ones alone.
            walked = film.way if not isinstance(run, SteadyRun) else run.progress
            self._progress = max(run.progress, walked) if run.progress < 1 else walked
            self.pace.note(self._progress)
        with self.turn():
            explanation, self.threads = run.result(), torch.get_num_threads()
        film.close(explanation)
        self.explanation = explanation.cpu()
        self._turns.learn(self.classifier, self.explanation.cost.gradients, self.explanation.seconds)
        self.status = "done" if self.explanation.finished else "stopped"

    def _wants_sketch(self) -> bool:
        """Say whether a first answer is worth the wait for it."""
        if not METHODS[self.settings.method].sketch or self.expected <= SKETCH:
            return False
        size = self.classifier.preprocessing.crop
        asked, quick = (
            make_method(self.classifier, settings).estimate(*size).gradients
            for settings in (self.settings, self._quick())
        )
        return asked >= WORTH * quick

    def _quick(self) -> Settings:
        """Return the settings of the sketch: a search with few large moves."""
        quick = {**METHODS[self.settings.method].sketch}
        if self.settings.options["accumulation"] == "gauss":
            quick["accumulation"] = "trapezoid"
        return self.settings.changed(**quick)

    def _draw_sketch(self) -> None:
        """Show a first answer, while the walk that was asked for takes its time."""
        _, run = begin(self.classifier, self.photo.image, self._quick())
        move = 0
        while move < SKETCH_MOVES:
            with self.turn():
                piece = next(iter(run), None)
            if piece is None or self._cancelled.is_set():
                return
            move += isinstance(piece, Step)  # a path that is found first makes none until it is
            if move >= SKETCH_SHOWN and (attributions := run.partial()) is not None and attributions.any():
                levels, peak = compand(attributions[0].sum(0).double().cpu().numpy())
                self.sketch = Sketch(move, levels, peak, f"a sketch, {move} of {SKETCH_MOVES} large moves")


def views_of(runs: Sequence[LaneRun], names: Sequence[str]) -> list[View]:
    """Return the finished planes of these runs, which are called by these names in them; with no other runs."""
    views = {id(view): view for run in runs for view in run.views}
    return called(list(views.values()), {run.identity: name for run, name in zip(runs, names, strict=True)})


def planes_of(runs: Sequence[LaneRun]) -> list[View]:
    """Return the finished planes of these runs, for a file: their tracks are called by the number of their run."""
    return views_of(runs, list(map(str, range(len(runs)))))
