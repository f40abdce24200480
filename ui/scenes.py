"""What the player shows: a preview of where the paths will start, a run under way, or a run that can be replayed."""

from __future__ import annotations

from typing import Any

from PIL import Image

from samp_core.baselines import BASELINES
from samp_core.classifiers import Classifier
from samp_core.methods import METHODS, Settings
from samp_core.render import PERCENTILE, map_in_words
from samp_core.runs import begin, describe
from ui.jobs import Job
from ui.pictures import data_uri, start_moment

HINT = "The map grows here while the path is walked."


def _paths(settings: Settings) -> list[dict[str, str]]:
    blank = {name: title.split(" (")[0].lower() for name, title in BASELINES.items()}
    start, end = blank[settings.insertion_baseline], blank[settings.deletion_baseline]
    if not METHODS[settings.method].is_search:
        return [{"kind": "insertion", "title": "Straight line", "short": "line", "way": f"{start} → photo"}]
    known = {
        "deletion": {"kind": "deletion", "title": "Deletion", "short": "deletion", "way": f"photo → {end}"},
        "insertion": {"kind": "insertion", "title": "Insertion", "short": "insertion", "way": f"{start} → photo"},
    }
    return [known[d] for d in settings.directions]


def _common(classifier: Classifier, image: Image.Image, settings: Settings) -> dict[str, Any]:
    height, width = classifier.preprocessing.crop
    score = describe(classifier, settings)[1]
    return {
        "paths": _paths(settings),
        "photo": data_uri(classifier.preprocessing.crop_image(image).convert("RGB")),
        "ratio": f"{width} / {height}",
        "score": score,
        "score_label": score[0].upper() + score[1:],
        "map_label": f"saturates at the {PERCENTILE:.0f}th percentile of |a|",
        "hint": HINT,
        "live": False,
    }


def preview(classifier: Classifier, image: Image.Image, settings: Settings, key: str) -> dict[str, Any]:
    """Return the scene before a run: the images at which its paths will start."""
    _, run = begin(classifier, image, settings)
    frame = start_moment(classifier, run).to_data()
    curves: list[list[float]] = [[] for _ in run.directions]
    return {**_common(classifier, image, settings), "run": key, "frames": [frame], "curves": curves, "expected": 1}


def scene(job: Job) -> dict[str, Any]:
    """Return the scene of a run: its newest moment while it is under way, all moments afterwards."""
    final = not job.active and job.explanation is not None
    moments = job.replay if final else [m.to_data() for m in job.moments[-1:]]
    directions = len(_paths(job.settings))
    if not job.common:
        job.common = _common(job.classifier, job.image, job.settings)
    if final and job.explanation is not None and "map_words" not in job.common:
        job.common["map_words"] = map_in_words(job.explanation.maps[0].double().numpy())
    return {
        **job.common,
        "run": f"{id(job)}",
        "live": not final,
        "frames": moments,
        "curves": [[row[d] for row in list(job.scores)] for d in range(directions)],
        "expected": job.expected_steps,
    }
