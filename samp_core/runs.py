"""A run as files: what was asked, of which image and network, and everything that came out."""

from __future__ import annotations

import hashlib
import io
import json
import platform
from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from samp_core.attribution import Explanation, Run
from samp_core.classifiers import Classifier
from samp_core.devices import device_in_words
from samp_core.files import write_files
from samp_core.images import sha256
from samp_core.methods import METHODS, Settings, make_method
from samp_core.metrics import cancellation, variance
from samp_core.render import Mode
from samp_core.version import __version__


def begin(classifier: Classifier, image: Image.Image, settings: Settings) -> tuple[Settings, Run]:
    """Prepare a run on one photo; without a target the network's first choice is explained.

    Returns:
        The settings with the target filled in, and the run, not yet walked.

    Raises:
        ValueError: the settings do not fit together.
    """
    inputs = classifier.inputs(image)
    if settings.target is None:
        settings = settings.changed(target=classifier.predict(inputs, 1)[0].index)
    return settings, make_method(classifier, settings).start(inputs, settings.target)


def describe(classifier: Classifier, settings: Settings) -> tuple[str, str]:
    """Return the method with its settings, and the explained score, both in words."""
    method = METHODS[settings.method]
    words = options_in_words(settings)
    return f"{method.title}: {words}" if words else method.title, _score_words(classifier, settings)


def options_in_words(settings: Settings) -> str:
    """Return a method's options, shortly; empty if it has none."""
    given = settings.options
    options = [o for o in METHODS[settings.method].options if o.name in given and o.counts(given)]
    return ", ".join(part for option in options if (part := option.in_words(given[option.name])))


def as_settled(settings: Settings, explanation: Explanation) -> Settings:
    """Return the settings with every option that was left to the method as the run settled it, such as the layer."""
    return replace(settings, options={**settings.options, **explanation.settled})


def ends_in_words(settings: Settings) -> str:
    """Return where each path starts and ends, ``photo → zero + blur → photo``; empty for a method without a path."""
    ways = METHODS[settings.method].ways(settings.options)
    return " + ".join(f"{start} → {end}" for start, end in ways)


def place_in_words(settings: Settings) -> str:
    """Return what a method looks at, for a caption: where its paths start and end, at which layer, or ``no path``."""
    if "layer" in settings.options:
        return f"layer {settings.options['layer'] or 'to be found'}"
    return ends_in_words(settings) or "no path"


def _score_words(classifier: Classifier, settings: Settings) -> str:
    if settings.target is None:
        return "score of the network's first choice"
    return settings.make_score().describe(classifier.label, settings.target)


def record(
    classifier: Classifier,
    image: Image.Image,
    name: str,
    settings: Settings,
    explanation: Explanation,
    threads: int | None = None,
) -> dict[str, Any]:
    """Return everything that is needed to repeat a run and to read its result, in values that JSON can hold.

    Args:
        classifier: what was explained.
        image: the photo.
        name: of the photo's file.
        settings: with the target.
        explanation: the result.
        threads: ``torch.get_num_threads()`` of the thread that walked the run, asked there; None if nobody knows.
    """
    return {
        "format": "samp-run/1",
        "created": now(),
        **asked(classifier, as_settled(settings, explanation)),
        **subject(classifier, image, name),
        "result": outcome(explanation),
        "versions": versions(),
        "machine": machine(classifier, threads),
    }


def now() -> str:
    """Return the time, as records have it."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def asked(classifier: Classifier, settings: Settings) -> dict[str, Any]:
    """Return the part of a :func:`record` that says what was asked of which method."""
    title, score = describe(classifier, settings)
    return {
        "title": title,
        "explained_score": score,
        "settings": settings.to_dict(),
        "citation": METHODS[settings.method].citation,
    }


def subject(classifier: Classifier, image: Image.Image, name: str) -> dict[str, Any]:
    """Return the part of a :func:`record` that says of which photo and network it is; all runs on them share it."""
    return {
        "image": {
            "name": name,
            "size": list(image.size),
            "original_size": list(image.info.get("original_size", image.size)),
            "sha256": sha256(image),
        },
        "network": {
            "name": classifier.name,
            "sha256": classifier.fingerprint,
            "preprocessing": classifier.preprocessing.to_dict(),
            "multi_label": classifier.multi_label,
            "labels": labels_key(classifier),
        },
        "predictions": [asdict(p) for p in classifier.predict(classifier.inputs(image))],
    }


def labels_key(classifier: Classifier) -> str:
    """Return the fingerprint of a network's labels, as records have it: SHA-256 (hexadecimal) of them in JSON."""
    return hashlib.sha256(json.dumps(list(classifier.labels)).encode()).hexdigest()


def outcome(explanation: Explanation) -> dict[str, Any]:
    """Return the part of a :func:`record` that says what came out."""
    completeness = explanation.completeness
    return {
        "finished": explanation.finished,
        "notes": list(explanation.notes),
        "steps": dict(zip(explanation.directions, explanation.steps[:, 0].tolist(), strict=True)),
        "completeness": {
            direction: {
                "sum": float(completeness.sums[d, 0]),
                "score_change": float(completeness.targets[d, 0]),
                "relative_gap": _number(float(completeness.relative[d, 0])),
            }
            for d, direction in enumerate(explanation.promises)
        },
        "variance": float(variance(explanation.maps)[0]),
        "cancellation": _number(float(cancellation(explanation.maps)[0])),
        "cost": asdict(explanation.cost),
        "seconds": round(explanation.seconds, 3),
    }


def machine(classifier: Classifier, threads: int | None) -> dict[str, Any]:
    """Return the part of a :func:`record` that says what decided the rounding."""
    return {
        "platform": platform.platform(),
        "device": device_in_words(classifier.device),
        "threads": threads,
        "prepared": classifier.prepared,
    }


def versions() -> dict[str, str]:
    """Return the part of a :func:`record` that says which versions are at work here."""
    return {"samp_core": __version__, "python": platform.python_version(), **_versions()}


def _number(value: float) -> float | None:
    return value if np.isfinite(value) else None  # JSON knows no infinity


def _versions() -> dict[str, str]:
    found = {}
    for package in ("torch", "torchvision", "captum", "numpy", "scipy", "pillow"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "unknown"
    return found


def maps_npz(classifier: Classifier, image: Image.Image, explanation: Explanation) -> bytes:
    """Return the maps of the first image as the bytes of an npz file.

    It holds ``attributions`` (C, H, W), ``map`` (H, W), ``by_direction`` (D, H, W), ``directions`` (D,), ``order``
    (H, W; 1 moved first, 0 last), ``scores`` (K + 1, D; NaN after arrival) and ``photo`` (H, W, 3; uint8).
    """
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer,
        attributions=explanation.attributions[0].cpu().numpy(),
        map=explanation.maps[0].cpu().numpy(),
        by_direction=explanation.by_direction[:, 0].sum(1).cpu().numpy(),
        directions=np.array(explanation.directions),
        order=explanation.order[0].cpu().numpy(),
        scores=explanation.scores[:, :, 0].cpu().numpy(),
        photo=np.asarray(classifier.preprocessing.crop_image(image).convert("RGB")),
    )
    return buffer.getvalue()


def figure_png(
    classifier: Classifier,
    image: Image.Image,
    settings: Settings,
    explanation: Explanation,
    mode: Mode = "signed",
    opacity: float = 0.6,
) -> bytes:
    """Return the figure of the first image as the bytes of a png file."""
    from samp_core.figures import figure  # noqa: PLC0415 - runs are begun and described without matplotlib

    title, score = describe(classifier, as_settled(settings, explanation))
    photo = classifier.preprocessing.crop_image(image).convert("RGB")
    buffer = io.BytesIO()
    drawn = figure(photo, explanation, title=f"{title}\n{classifier.name}", score=score, mode=mode, opacity=opacity)
    drawn.savefig(buffer, dpi=160)
    return buffer.getvalue()


def save(
    folder: Path,
    classifier: Classifier,
    image: Image.Image,
    name: str,
    settings: Settings,
    explanation: Explanation,
    threads: int | None = None,
    more: Mapping[str, bytes] | None = None,
) -> list[Path]:
    """Write ``maps.npz``, ``figure.png`` and ``run.json`` into ``folder``, which is made if need be: all or none.

    ``more`` are further files, by name.

    Raises:
        OSError: the folder cannot be made or written.
    """
    run = record(classifier, image, name, settings, explanation, threads)
    contents = {
        "maps.npz": maps_npz(classifier, image, explanation),
        "figure.png": figure_png(classifier, image, settings, explanation),
        "run.json": json.dumps(run, indent=2, allow_nan=False).encode(),
        **(more or {}),
    }
    written = {folder / filename: content for filename, content in contents.items()}
    write_files(written)
    return list(written)
