"""Several runs on one photo, recorded: to be shown in a notebook and kept as one file."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from html import escape
from pathlib import Path
from typing import Any

from PIL import Image

from samp_core.attribution import Explanation, Run
from samp_core.classifiers import Classifier
from samp_core.files import write_files
from samp_core.films.browser import film_page
from samp_core.films.frames import Film, Still, film_of
from samp_core.films.lanes import MOST, read_lanes, require_lanes
from samp_core.films.levels import data_uri, palettes
from samp_core.films.planes import View, Walk, called, pieces, surveys
from samp_core.films.reel import Reel
from samp_core.films.scene import frame_message, lane_message, points_message, result_message, slow_message
from samp_core.images import sha256
from samp_core.methods import METHODS, Settings, default_settings
from samp_core.runs import as_settled, begin, describe
from samp_core.version import __version__
from samp_core.words import overshoot_in_words

MOMENTS = 40
"""Pictures of each lane of a recorded film, about; two searches of both directions stay below 8 MB with that."""

MOST_MOMENTS = 60
_PAGE = 150_000  # bytes of the page without its film, at most
LARGEST = 8_000_000
"""Bytes of a page up to which moves taken apart are added, lane by lane."""

KINDS = {".html": "one page that plays offline", ".webp": "animation", ".gif": "animation", ".mp4": "video"}
"""Endings of files that a recording can be kept as."""


@dataclass(frozen=True)
class Take:
    """A lane that is being recorded: iterate over ``run``, give :meth:`add` each piece, then :meth:`close`."""

    settings: Settings
    run: Run
    film: Film | Still

    @classmethod
    def of(cls, classifier: Classifier, image: Image.Image, settings: Settings, moments: int = MOMENTS) -> Take:
        """Begin to record a lane; nothing is walked yet.

        Raises:
            ValueError: the settings do not fit together.
        """
        if not 2 <= moments <= MOST_MOMENTS:
            raise ValueError(f"A film has 2 to {MOST_MOMENTS} moments a lane, not {moments}.")
        settings, run = begin(classifier, image, settings)
        return cls(settings, run, film_of(classifier.preprocessing, run, moments))

    def add(self, piece: Any) -> None:
        """Take in what the run has just done."""
        self.film.add(piece)

    def close(self) -> Lane:
        """End the run, wherever it is, and return the lane."""
        explanation = self.run.result()
        self.film.close(explanation)
        return Lane(as_settled(self.settings, explanation), self.film, explanation)


@dataclass(frozen=True)
class Lane:
    """A recorded lane: what was asked, what was seen on the way, and what came out."""

    settings: Settings
    film: Film | Still | Reel
    explanation: Explanation

    @property
    def title(self) -> str:
        """The method's title."""
        return METHODS[self.settings.method].title


class Recording:
    """Several lanes on one photo and one clock. In a notebook it shows itself.

    Args:
        classifier: what was explained.
        image: the photo.
        name: of the photo's file.
        lanes: the lanes, 1 to 4.
        unfold: whether the page holds the moves taken apart, for slow motion, as far as they fit.

    Attributes:
        views: the planes in which the lanes' paths are seen; empty before :meth:`survey`.
    """

    def __init__(
        self, classifier: Classifier, image: Image.Image, name: str, lanes: Sequence[Lane], *, unfold: bool = True
    ) -> None:
        require_lanes(lanes)
        self.unfold = unfold
        self.classifier, self.image, self.name, self.lanes = classifier, image, name, tuple(lanes)
        self.photo = classifier.preprocessing.crop_image(image).convert("RGB")
        self.score = describe(classifier, lanes[0].settings)[1]
        self.views: list[View] = []

    def survey(self, watch: Callable[[float], object] = lambda share: None) -> None:
        """Work out the path planes: some 400 forward passes each.

        Args:
            watch: told the share that is done, 0 to 1.
        """
        walks = [
            Walk(f"run-{k}", lane.settings, lane.film)
            for k, lane in enumerate(self.lanes)
            if isinstance(lane.film, Film) and lane.explanation.finished
        ]
        found = surveys(walks, self.score)
        done, cells = 0, sum(survey.cells for survey in found)
        for piece in pieces(found, self.classifier, self.lanes[0].settings):
            done += piece
            watch(done / cells)
        self.views = [survey.view for survey in found]

    def take_views(self, views: Sequence[View], runs: Mapping[str, str]) -> None:
        """Take planes that are known already; ``runs`` says which lane (``run-0``, ...) each of their runs is."""
        self.views = called(views, runs)

    def message(self) -> dict[str, Any]:
        """Return everything for the player, as values that JSON can hold."""
        height, width = self.classifier.preprocessing.crop
        fingerprint = sha256(self.image)
        notes = [overshoot_in_words(lane.settings, lane.explanation) for lane in self.lanes]
        message: dict[str, Any] = {
            "alone": True,
            "photo_key": fingerprint,
            "photos": {fingerprint: data_uri(self.photo)},
            "ratio": f"{width} / {height}",
            "most": MOST,
            "hand": "lane-0",
            "score": self.score,
            "lanes": [self._lane(k, lane, fingerprint) for k, lane in enumerate(self.lanes)],
            "active": False,
            "begun": True,
            "notes": list(dict.fromkeys(note for note in notes if note)),
            "palettes": palettes(),
            "wants": [],
            "sent": {},
        }
        if self.views:
            message["ground"] = {
                "key": "film", "active": False, "progress": 1, "error": "", "version": 1,
                "views": [asdict(view) for view in self.views],
            }  # fmt: skip
        if self.unfold:
            self._unfold(message)
        return message

    def _lane(self, number: int, lane: Lane, fingerprint: str) -> dict[str, Any]:
        count = len(lane.film.frames)
        shown = {
            **lane_message(lane.settings),
            **result_message(lane.settings, lane.explanation),
            "id": f"lane-{number}",
            "colour": number,
            "status": "done" if lane.explanation.finished else "stopped",
            "stale": False,
            "run": f"run-{number}",
            "photo_key": fingerprint,
            "total": count,
            "first": 0,
            "frames": [frame_message(lane.film, k) for k in range(count)],
        }
        if lane.film.points is not None:
            shown["points"] = points_message(lane.film.points, lane.explanation)
        return shown

    def _unfold(self, message: dict[str, Any]) -> None:
        """Add the moves taken apart, searches first, as far as they fit."""
        size = len(json.dumps(message))
        order = sorted(range(len(self.lanes)), key=lambda k: not METHODS[self.lanes[k].settings.method].is_search)
        for k in order:
            film = self.lanes[k].film
            if not isinstance(film, Film):
                continue
            slow = slow_message(film, range(len(film.frames)))
            more = len(json.dumps(slow))
            if size + more < LARGEST - _PAGE:
                message["lanes"][k]["slow"] = slow
                size += more

    def html(self) -> str:
        """Return one page that holds the player and the film, needs nothing else and loads nothing."""
        cost = "; ".join(
            f"{lane.title}: {lane.explanation.cost.gradients:,} gradient evaluations, {lane.explanation.seconds:.1f} s"
            for lane in self.lanes
        )
        title = " beside ".join(lane.title for lane in self.lanes)
        head = (
            f"<h1>{escape(title)}</h1><p>Explained: the {escape(self.score)} of {escape(self.classifier.name)} on "
            f"{escape(self.name)}. {escape(cost)}. Recorded with samp_core {__version__}.</p>"
        )
        return film_page(f"{title}: {self.name}", json.dumps(self.message(), separators=(",", ":")), head)

    def encoded(self, ending: str) -> bytes:
        """Return the recording as the bytes of a file of this ending; see :data:`KINDS`.

        Raises:
            ValueError: there is no such kind, or mp4 needs a package that is not installed.
        """
        if ending not in KINDS:
            raise ValueError(f"A film cannot be kept as {ending or 'a file of no kind'}: use {', '.join(KINDS)}.")
        if ending == ".html":
            return self.html().encode()
        from samp_core.films.animation import animation  # noqa: PLC0415 - a page needs no drawing

        return animation(self, ending)

    def save(self, path: str | Path) -> Path:
        """Write the recording to a file whose ending says how; see :data:`KINDS`.

        Raises:
            ValueError: there is no such kind, or mp4 needs a package that is not installed.
            OSError: the file cannot be written.
        """
        path = Path(path)
        write_files({path: self.encoded(path.suffix.lower())})
        return path

    def _repr_html_(self) -> str:
        return (
            f'<iframe srcdoc="{escape(self.html())}" style="width: 100%; height: 900px; border: 0" '
            f'title="film of {escape(", ".join(lane.title for lane in self.lanes))}"></iframe>'
        )


def film(
    classifier: Classifier,
    image: Image.Image,
    lanes: str | Sequence[str | Settings] = ("samp", "ig"),
    *,
    target: int | None = None,
    contrast: int | None = None,
    score: str = "logit",
    name: str = "photo",
    moments: int = MOMENTS,
    planes: bool = True,
    unfold: bool = True,
) -> Recording:
    """Walk several methods on a photo and return the film of it.

    Args:
        classifier: what is explained.
        image: the photo.
        lanes: names of methods, settings, or text such as ``samp++,momentum=0.8,ig``; 1 to 4.
        target: explained class index; None for the network's first choice.
        contrast: class index to contrast the target with.
        score: name in :data:`~samp_core.catalogue.SCORES`.
        name: of the photo, for the film's title.
        moments: pictures of each lane, about; 2 to 60.
        planes: whether the planes are worked out in which the paths are seen (some 400 forward passes each).
        unfold: whether its page holds the moves taken apart, for slow motion, as far as they fit.

    Raises:
        ValueError: a name is unknown, or the settings do not fit together.
        PathError: a search cannot be carried out.
    """
    asked = read_lanes(lanes) if isinstance(lanes, str) else [_settings(lane) for lane in lanes]
    require_lanes(asked)
    if target is None:
        target = classifier.predict(classifier.inputs(image), 1)[0].index
    recorded = []
    for settings in asked:
        question = settings.changed(target=target, contrast=contrast, score=score)
        take = Take.of(classifier, image, question, moments)
        for piece in take.run:
            take.add(piece)
        recorded.append(take.close())
    recording = Recording(classifier, image, name, recorded, unfold=unfold)
    if planes:
        recording.survey()
    return recording


def _settings(lane: str | Settings) -> Settings:
    return default_settings(lane) if isinstance(lane, str) else lane
