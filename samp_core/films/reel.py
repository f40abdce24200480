"""Films that were kept: what was seen of a run, without the run, as plain values that a file can hold."""

from __future__ import annotations

import base64
import binascii
import gzip
import io
import math
import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from PIL import Image

from samp_core.attribution import Explanation
from samp_core.attribution.steady import MOST_COPIES
from samp_core.films.frames import Film, Frame, Points, Still, points_of, still, traced
from samp_core.films.planes import Track, View

_MOST_FRAMES = 256
_MOST_MOVES = 100_000
_MOST_CELLS = 128  # of a ground's rows and columns
_MOST_DRAFTS, _LONGEST_WORDS = 256, 100
_PICTURE = re.compile(r"data:image/(jpeg|png);base64,([A-Za-z0-9+/]+={0,2})")


@dataclass(frozen=True)
class Reel:
    """The film of a run that has ended: its pictures and numbers, without the states, so without moves to take apart.

    Attributes:
        directions: names of the D directions; none of a method without a path.
        frames: the pictures.
        scores: score of each direction at each state, move by move; None once a path has arrived.
        points: what each pixel was given and when it moved.
        closing: which picture is the last; None of a method without a path.
    """

    directions: tuple[str, ...]
    frames: Sequence[Frame]
    scores: Sequence[Sequence[float | None]]
    points: Points
    closing: int | None

    @classmethod
    def of(cls, film: Film | Still | Reel | None) -> Reel | None:
        """Return what is kept of a film; None where the run has not come to its end, or walked no path."""
        if film is None or not film.directions or film.points is None or isinstance(film, Still):
            return None
        return cls(film.directions, tuple(film.frames), tuple(map(tuple, film.scores)), film.points, film.closing)

    @classmethod
    def still(cls, explanation: Explanation) -> Reel:
        """Return the film of a method without a path: its map as the one picture."""
        return cls((), (still(explanation),), (), points_of(explanation), None)

    def trace(self, index: int) -> list[list[float | None]]:
        """Return each direction's scores that became known from the picture before ``index`` to that picture."""
        return traced(self.frames, self.scores, index, index == self.closing)

    def to_dict(self) -> dict[str, Any]:
        """Return the film as values that JSON can hold, without what the explanation says as well."""
        return {
            "frames": [asdict(frame) for frame in self.frames],
            "scores": self.scores,
            "closing": self.closing,
            "when": self.points.when,
            "even": self.points.even,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], explanation: Explanation) -> Reel:
        """Return the film that values of :meth:`to_dict` stand for.

        Args:
            values: nothing of them is trusted.
            explanation: what the run came to.

        Raises:
            ValueError, TypeError, KeyError: they are no film of such a run.
        """
        count, size = len(explanation.directions), tuple(explanation.maps.shape[1:])
        _require(1 <= len(values["frames"]) <= _MOST_FRAMES, "a film of no length")
        frames = [_frame(frame, count, size) for frame in values["frames"]]
        moves = [frame.move for frame in frames]
        _require(moves == sorted(moves) and moves[0] >= 0 and moves[-1] <= _MOST_MOVES, "pictures out of order")
        _require(len(frames[0].states) == count, "a film without a beginning")
        closing = values["closing"]
        _require(closing is None or closing == len(frames) - 1, "a film with another end")
        scores = [[None if score is None else _number(score) for score in trace] for trace in values["scores"]]
        _require(len(scores) == count and all(len(trace) <= _MOST_MOVES for trace in scores), "scores of no direction")
        when, even = tuple(map(str, values["when"])), tuple(map(bool, values["even"]))
        _require(len(when) == len(even) == count, "times of no direction")
        for times in when:
            _require_packed(times, 2 * math.prod(size))
        return cls(explanation.directions, frames, scores, points_of(explanation, when, even), closing)


def view_from_dict(values: Mapping[str, Any], runs: Sequence[Sequence[str]]) -> View:
    """Return the plane that ``asdict`` of a view stands for; its tracks are called by the number of their run.

    Args:
        values: nothing of them is trusted.
        runs: names of each run's directions.

    Raises:
        ValueError, TypeError, KeyError: they are no plane of these runs.
    """
    first, last = map(str, values["ends"])
    rows = [[None if value is None else _number(value) for value in row] for row in values["values"]]
    _require(2 <= len(rows) <= _MOST_CELLS and 2 <= len(rows[0]) <= _MOST_CELLS, "a ground of another size")
    _require(len({len(row) for row in rows}) == 1, "a ground with a gap")
    share = None if values["share"] is None else _number(values["share"])
    tracks = [_track(track, runs) for track in values["tracks"]]
    drafts = [_track(track, runs) for track in values.get("drafts", [])]  # earlier versions had none
    _require(len(drafts) <= _MOST_DRAFTS, "too many drafts")
    low, high = _place(values["low"]), _place(values["high"])
    return View((first, last), share, tracks, low, high, rows, str(values["score"]), drafts=drafts)


def _track(values: Mapping[str, Any], runs: Sequence[Sequence[str]]) -> Track:
    number, direction, places = int(values["run"]), str(values["direction"]), values["places"]
    off = [_number(value) for value in values["off"]]
    _require(0 <= number < len(runs) and direction in runs[number], "a path of no run")
    _require(1 <= len(places) == len(off) <= _MOST_FRAMES, "a path with a gap")
    words = str(values.get("words", ""))
    _require(len(words) <= _LONGEST_WORDS, "a draft with a story")
    ways, scores = ([_number(value) for value in values.get(name, [])] for name in ("ways", "scores"))
    _require(len(ways) in (0, len(places)) and len(scores) in (0, len(places)), "scores of no state")
    return Track(str(number), direction, [list(_place(place)) for place in places], off, words, ways, scores)


def _frame(values: Mapping[str, Any], count: int, size: tuple[int, ...]) -> Frame:
    states, moved, pixel_map = tuple(values["states"]), tuple(values["moved"]), values["pixel_map"]
    _require(len(states) in (0, count) and len(moved) in (0, count), "pictures of no direction")
    half = (size[0] // 2, size[1] // 2)
    for picture, sizes in [
        *((state, [size]) for state in states),
        *((far, [size, half]) for far in moved),
        *([] if pixel_map is None else [(pixel_map, [size])]),
    ]:
        _require_picture(picture, sizes)
    sums = tuple(map(_number, values["sums"]))
    _require(len(sums) == count, "sums of no direction")
    copies = int(values.get("copies", 0))  # earlier versions did not say
    _require(0 <= copies <= MOST_COPIES, "copies without number")
    move = int(values["move"])
    credited = int(values.get("credited", move))  # earlier versions did not say
    _require(0 <= credited <= move, "a map of moves that were not made")
    return Frame(
        move=move,
        way=_number(values["way"]),
        pixels=_number(values["pixels"]),
        evaluations=int(values["evaluations"]),
        seconds=_number(values["seconds"]),
        states=states,
        moved=moved,
        even=bool(values["even"]),
        pixel_map=pixel_map,
        peak=_number(values["peak"]),
        limit=_number(values["limit"]),
        sums=sums,
        credited=credited,
        copies=copies,
    )


def _require(holds: bool, what: str) -> None:
    if not holds:
        raise ValueError(what)


def _number(value: Any) -> float:
    number = float(value)
    _require(math.isfinite(number), "a number that is none")
    return number


def _place(values: Sequence[Any]) -> tuple[float, float]:
    x, y = map(_number, values)
    return x, y


def _require_picture(uri: str, sizes: Sequence[tuple[int, ...]]) -> None:
    """Refuse what a browser would fetch from elsewhere, or what is larger than the film."""
    found = _PICTURE.fullmatch(uri)
    if found is None:
        raise ValueError("a picture that is none")
    kind, content = found[1], base64.b64decode(found[2])
    with Image.open(io.BytesIO(content), formats=[kind.upper()]) as picture:  # reads its head alone
        _require(picture.size[::-1] in sizes, "a picture of another size")


def _require_packed(text: str, size: int) -> None:
    """Refuse numbers that do not unpack to so many bytes."""
    try:
        with gzip.open(io.BytesIO(base64.b64decode(text, validate=True))) as file:
            _require(len(file.read(size + 1)) == size, "numbers of another size")
    except (binascii.Error, EOFError, OSError, zlib.error) as error:
        raise ValueError("numbers that cannot be unpacked") from error
