"""What goes to the browser: every picture once, and what it already has not again."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import asdict
from typing import Any

from PIL import Image

from samp_core.classifiers import Classifier
from samp_core.films import (
    MOST,
    Film,
    Reel,
    data_uri,
    film_of,
    frame_message,
    lane_message,
    palettes,
    points_message,
    result_message,
    slow_message,
)
from samp_core.methods import METHODS
from samp_core.runs import begin, describe
from samp_core.words import overshoot_in_words
from ui.components.ledger import Ledger
from ui.shared import state
from ui.shared.lanes import Lane, Stage
from ui.shared.present import presenting
from ui.shared.sidebar import Question
from ui.shared.state import Photo
from ui.stage.ground import Ground
from ui.stage.steadiness import Steady
from ui.work.lane_run import LaneRun


def scene(
    stage: Stage, question: Question, ground: Ground | None, ledger: Ledger, steady: Steady, slow: bool = False
) -> dict[str, Any]:
    """Return the stage as the browser's player wants it; ``slow`` brings the moves of the lane in hand, taken apart."""
    height, width = question.classifier.preprocessing.crop
    data: dict[str, Any] = {
        "photo_key": _photo_key(question.photo, question.classifier),
        "ratio": f"{width} / {height}",
        "most": MOST,
        "hand": stage.hand,
        "score": describe(question.classifier, stage.in_hand.asked(question))[1],
        "lanes": [_lane(stage, lane, question, ledger, steady, slow and lane is stage.in_hand) for lane in stage.lanes],
        "active": bool(stage.active),
        "begun": stage.begun,
        "presenting": presenting(),
        "notes": _notes(stage),
    }
    seen = [(question.photo, question.classifier)]
    seen += [(run.photo, run.classifier) for lane in stage.lanes if (run := lane.run) is not None]
    data["photos"] = {
        key: data_uri(classifier.preprocessing.crop_image(photo.image).convert("RGB"))
        for key, (photo, classifier) in {_photo_key(*each): each for each in seen}.items()
        if ledger.fresh(key)
    }
    if ledger.fresh("palettes"):
        data["palettes"] = palettes()
    if ground is not None:
        data["ground"] = _ground(ground, ledger)
    return {**data, "wants": ledger.wants, "sent": ledger.now}


def goes_on(stage: Stage, ground: Ground | None, steady: Steady) -> bool:
    """Say whether anything is under way of which the stage shows more and more."""
    return bool(stage.active) or (ground is not None and ground.active) or steady.active


def signs(stage: Stage, ground: Ground | None, steady: Steady) -> Hashable:
    """Return something that is another whenever there is news for the stage; cheap, for any thread."""
    runs = [lane.run for lane in list(stage.lanes) if lane.run is not None]
    drafts = [sketch and sketch.number for sketch in (run.sketch for run in runs)]
    measured = [each for each in (steady.of(run) for run in runs) if each is not None]
    return (
        tuple(
            (run.identity, run.status, len(run.frames), draft, run.cancelling, round(run.progress, 2))
            for run, draft in zip(runs, drafts, strict=True)
        ),
        tuple((each.active, round(20 * each.progress)) for each in measured),
        ground and (ground.identity, ground.version, ground.active, round(20 * ground.progress)),
    )


def news(
    stage: Stage, question: Question, ground: Ground | None, ledger: Ledger, steady: Steady, slow: bool
) -> dict[str, Any]:
    """Return what is new on the stage, for the player's ``hear``; for any thread. As :func:`scene`."""
    ledger.hear(None)
    # Before the rest: what ends meanwhile is told with the next news.
    more, active = goes_on(stage, ground, steady), bool(stage.active)
    lanes: dict[str, dict[str, Any]] = {}
    for lane, run in [(lane, lane.run) for lane in list(stage.lanes)]:
        if run is None:
            continue
        described = _described(stage, lane, run, question) if ledger.fresh(f"{run.identity} lane") else {}
        lanes[lane.identity] = {**described, **_run(run, ledger, steady, slow and lane is stage.in_hand)}
    data: dict[str, Any] = {"lanes": lanes, "active": active, "goes_on": more, "notes": _notes(stage)}
    if ground is not None:
        data["ground"] = _ground(ground, ledger)
    return {**data, "wants": ledger.wants, "sent": ledger.now}


def _ground(ground: Ground, ledger: Ledger) -> dict[str, Any]:
    """Return what is new of the path planes."""
    version = ground.version  # before the planes, which may grow meanwhile
    shown: dict[str, Any] = {"key": ground.identity, "active": ground.active, "progress": ground.progress,
                             "error": ground.error, "version": version}  # fmt: skip
    if ledger.fresh(f"ground {ground.identity}", version):
        shown["views"] = [asdict(view) for view in ground.views]
    return shown


def _lane(stage: Stage, lane: Lane, question: Question, ledger: Ledger, steady: Steady, slow: bool) -> dict[str, Any]:
    run = lane.run
    shown = _described(stage, lane, run, question)
    if run is None:
        return {**shown, "total": 0, "first": 0, "frames": [], "starts": _starts(lane, question, ledger)}
    return {**shown, **_run(run, ledger, steady, slow)}


def _described(stage: Stage, lane: Lane, run: LaneRun | None, question: Question) -> dict[str, Any]:
    """Return what of a lane stays as it is while it runs."""
    seen = (question.photo, question.classifier) if run is None else (run.photo, run.classifier)
    return {
        **lane_message(lane.asked(question) if run is None else run.settings),
        "id": lane.identity,
        "colour": lane.colour,
        "status": "idle",
        "stale": run is not None and not run.active and run.key != lane.key(question),
        "run": None,
        "photo_key": _photo_key(*seen),
        "apart": run is not None and run not in stage.alike,
    }


def _photo_key(photo: Photo, classifier: Classifier) -> str:
    """Return what tells a photo, as a network sees it, from others in the browser."""
    return f"photo {photo.fingerprint} {classifier.preprocessing}"


def _run(run: LaneRun, ledger: Ledger, steady: Steady, slow: bool) -> dict[str, Any]:
    """Return what is new of a run."""
    film, frames = run.film, list(run.frames)
    fresh = ledger.fresh(run.identity, len(frames))
    shown: dict[str, Any] = {
        "run": run.identity,
        "status": run.status,
        "total": len(frames),
        "first": fresh.start,
        "frames": [frame_message(film, k) for k in fresh] if film else [],
    }
    sketch = run.sketch  # the worker may put a newer one there meanwhile
    if sketch is not None and ledger.fresh(f"{run.identity} sketch", sketch.number):
        picture = data_uri(Image.fromarray(sketch.levels), quality=72)
        shown["sketch"] = {"map": picture, "peak": sketch.peak, "words": sketch.words, "states": sketch.states}
    if run.active:
        left = run.pace.left()
        shown["progress"] = round(run.progress, 3)
        shown["left"] = None if left is None else round(left, 1)
        shown["cancelling"] = run.cancelling
        shown["sketching"] = run.sketch is not None
    if run.error:
        shown["error"] = run.error
    if run.explanation is not None:
        shown |= result_message(run.settings, run.explanation)
        points = None if film is None else film.points
        if points is not None and ledger.fresh(f"{run.identity} points"):
            shown["points"] = points_message(points, run.explanation)
        if (measured := steady.of(run)) is not None:
            shown["steady"] = measured.message()
        shown["back"] = isinstance(film, Reel)
        if slow and isinstance(film, Film):
            unfolded = ledger.fresh(f"{run.identity} slow", len(frames))
            if unfolded:
                shown["slow"] = slow_message(film, unfolded)
    return shown


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
    return {"key": key, "states": film_of(question.classifier.preprocessing, run).frames[0].states}


def _notes(stage: Stage) -> list[str]:
    notes = []
    lanes, alike = list(stage.lanes), stage.alike
    if others := [lane.title for lane in lanes if lane.run is not None and lane.run not in alike]:
        notes.append(
            f"{' and '.join(others)}: still of another photo, network, class or score, and so neither in the plane and "
            "the curves nor in the film, the figures and the Library. Run it again to have it beside the others."
        )
    for lane in lanes:
        if lane.run is not None and lane.run.explanation is not None:
            notes.append(overshoot_in_words(lane.run.settings, lane.run.explanation))
    return list(dict.fromkeys(note for note in notes if note))
