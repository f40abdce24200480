"""Films as messages: what the player in a browser is told of a lane."""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image

from samp_core.attribution import FIRM, Explanation
from samp_core.films.anatomy import Anatomy, Picture, is_shortened
from samp_core.films.frames import Film, Points, Still
from samp_core.films.levels import data_uri, opacity
from samp_core.films.reel import Reel
from samp_core.methods import METHODS, Settings
from samp_core.render import map_in_words
from samp_core.rules import RULES
from samp_core.words import directions, result_in_words, settings_in_words


def lane_message(settings: Settings) -> dict[str, Any]:
    """Return what a lane is called, and its directions."""
    return {
        "method": settings.method,
        "title": METHODS[settings.method].title,
        "settings": settings_in_words(settings),
        "directions": directions(settings),
        "rule": _rule(settings),
    }


def _rule(settings: Settings) -> dict[str, Any] | None:
    """Return the accumulation rule, and whether it credits just what a first-order step predicts."""
    name = settings.options.get("accumulation")
    if name is None:
        return None
    declared = RULES[str(name)]
    return {"title": declared.title, "summary": declared.summary, "first": name == "paper"}


def slow_message(film: Film, indices: range) -> dict[str, Any]:
    """Return the newest moves of these pictures, taken apart."""
    moves = []
    for k in indices:
        # Where no move lies between, the picture before shows the same images: they need not travel twice.
        known = k > 0 and film.befores[k] == film.frames[k - 1].states
        before = None if known else film.befores[k]
        moves.append({"before": before, "paths": [anatomy_message(a) for a in film.anatomies[k]]})
    return {"first": indices.start, "moves": moves}


def frame_message(film: Film | Still | Reel, index: int) -> dict[str, Any]:
    """Return one picture of a film."""
    frame = film.frames[index]
    return {
        "move": frame.move, "way": frame.way, "pixels": frame.pixels, "evaluations": frame.evaluations,
        "seconds": round(frame.seconds, 3), "states": frame.states, "moved": frame.moved, "even": frame.even,
        "map": frame.pixel_map, "peak": frame.peak, "limit": frame.limit, "sums": frame.sums,
        "credited": frame.credited, "copies": frame.copies, "trace": film.trace(index),
    }  # fmt: skip


def result_message(settings: Settings, explanation: Explanation) -> dict[str, Any]:
    """Return what a finished lane says."""
    return {
        "words": result_in_words(settings, explanation),
        "targets": explanation.completeness.targets[:, 0].double().tolist(),
    }


def points_message(points: Points, explanation: Explanation) -> dict[str, Any]:
    """Return what every pixel was given and when it moved, and the map in words: what is told once of a result."""
    return {
        "credit": points.credit,
        "peaks": points.peaks,
        "when": points.when,
        "even": points.even,
        "size": points.size,
        "copies": points.copies,
        "agreement": points.agreement,
        "firm": FIRM,
        "words": map_in_words(explanation.maps[0].double().cpu().numpy()),
    }


def anatomy_message(anatomy: Anatomy | None) -> dict[str, Any] | None:
    """Return one move taken apart."""
    if anatomy is None:
        return None
    return {
        "move": anatomy.move,
        "score": anatomy.score,
        "toward": anatomy.toward,
        "gradient": _picture(anatomy.gradient),
        "promise": _picture(anatomy.promise),
        "old": None if anatomy.old is None else _picture(anatomy.old),
        "steered": None if anatomy.steered is None else _picture(anatomy.steered),
        "chosen": opacity(anatomy.chosen.astype(np.float32), False),
        "count": int(anatomy.chosen.sum()),
        "full": anatomy.full,
        "bound": anatomy.bound,
        "shortened": is_shortened(anatomy),
        "length": anatomy.length,
        "credit": _picture(anatomy.credit),
        "momentum": anatomy.momentum,
    }


def _picture(picture: Picture) -> dict[str, Any]:
    return {"map": data_uri(Image.fromarray(picture.levels), quality=60), "peak": picture.peak, "total": picture.total}
