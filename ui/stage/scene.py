"""What goes to the browser: every picture once, and what it already has not again."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from PIL import Image

from samp_core.film import data_uri, film
from samp_core.methods import METHODS
from samp_core.render import palette
from samp_core.runs import begin, describe
from ui.components.ledger import Ledger
from ui.shared import state
from ui.shared.lanes import MOST, Lane, Stage
from ui.shared.method_words import directions, overshoot_in_words, result_in_words, settings_in_words
from ui.shared.sidebar import Question
from ui.stage.ground import Ground
from ui.work.lane_run import LaneRun


def scene(stage: Stage, question: Question, ground: Ground | None, ledger: Ledger) -> dict[str, Any]:
    """Return the stage as the browser's player wants it."""
    preprocessing = question.classifier.preprocessing
    height, width = preprocessing.crop
    data: dict[str, Any] = {
        "photo_key": question.photo.fingerprint,
        "ratio": f"{width} / {height}",
        "most": MOST,
        "hand": stage.hand,
        "score": describe(question.classifier, stage.in_hand.asked(question))[1],
        "lanes": [_lane(lane, question, ledger) for lane in stage.lanes],
        "active": bool(stage.active),
        "begun": stage.begun,
        "notes": _notes(stage),
    }
    data["photo_series"] = f"photo {question.photo.fingerprint} {question.network}"
    if ledger.fresh(data["photo_series"]):
        data["photo"] = data_uri(preprocessing.crop_image(question.photo.image).convert("RGB"))
    if ledger.fresh("palettes"):
        data["palettes"] = {mode: palette(mode).tolist() for mode in ("signed", "intensity")}
    if ground is not None:
        data["ground"] = {"key": ground.identity, "active": ground.active, "progress": ground.progress,
                          "error": ground.error, "version": ground.version}  # fmt: skip
        if ledger.fresh(f"ground {ground.identity}", ground.version):
            data["ground"]["views"] = [asdict(view) for view in ground.views]
    return {**data, "wants": ledger.wants, "sent": ledger.now}


def _lane(lane: Lane, question: Question, ledger: Ledger) -> dict[str, Any]:
    run = lane.run
    settings = run.settings if run is not None else lane.asked(question)
    shown: dict[str, Any] = {
        "id": lane.identity,
        "colour": lane.colour,
        "method": settings.method,
        "title": METHODS[settings.method].title,
        "settings": settings_in_words(settings),
        "directions": directions(settings),
        "status": "idle" if run is None else run.status,
        "stale": run is not None and not run.active and run.key != lane.key(question),
        "run": None if run is None else run.identity,
        "photo_key": question.photo.fingerprint if run is None else run.photo.fingerprint,
    }
    if run is None:
        return {**shown, "total": 0, "first": 0, "frames": [], "starts": _starts(lane, question, ledger)}
    frames = list(run.frames)
    fresh = ledger.fresh(run.identity, len(frames))
    shown |= {"total": len(frames), "first": fresh.start, "frames": [_frame(run, k) for k in fresh]}
    if (sketch := run.sketch) is not None:  # the worker may put a newer one there meanwhile
        levels, peak, moves = sketch
        if ledger.fresh(f"{run.identity} sketch", moves):
            shown["sketch"] = {"map": data_uri(Image.fromarray(levels), quality=72), "peak": peak, "moves": moves}
    if run.active:
        left = run.pace.left()
        shown["progress"] = round(run.progress, 3)
        shown["left"] = None if left is None else round(left, 1)
        shown["cancelling"] = run.cancelling
        shown["sketching"] = run.sketch is not None
    if run.error:
        shown["error"] = run.error
    if run.explanation is not None:
        shown["words"] = result_in_words(run.settings, run.explanation)
        shown["targets"] = run.explanation.completeness.targets[:, 0].double().tolist()
    return shown


def _frame(run: LaneRun, index: int) -> dict[str, Any]:
    frame = run.frames[index]
    return {
        "move": frame.move, "way": frame.way, "pixels": frame.pixels, "evaluations": frame.evaluations,
        "seconds": round(frame.seconds, 3), "states": frame.states, "moved": frame.moved, "even": frame.even,
        "map": frame.pixel_map, "peak": frame.peak, "limit": frame.limit, "sums": frame.sums,
        "trace": run.film.trace(index) if run.film is not None else [],
    }  # fmt: skip


def _starts(lane: Lane, question: Question, ledger: Ledger) -> dict[str, Any] | None:
    """Return the images at which the lane's paths will start, once."""
    key = lane.key(question)
    if not METHODS[lane.settings.method].has_path or not ledger.fresh(f"starts {lane.identity} {key}"):
        return None
    try:
        with state.turns()(urgency=0):
            _, run = begin(question.classifier, question.photo.image, lane.asked(question))
    except ValueError:
        return None  # the knobs say why
    return {"key": key, "states": film(question.classifier.preprocessing, run).frames[0].states}


def _notes(stage: Stage) -> list[str]:
    notes = []
    for lane in stage.lanes:
        if lane.run is not None and lane.run.explanation is not None:
            notes.append(overshoot_in_words(lane.run.settings, lane.run.explanation))
    return list(dict.fromkeys(note for note in notes if note))
