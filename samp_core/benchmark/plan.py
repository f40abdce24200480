"""What a benchmark is to measure: photos, methods, metrics, and how they are cut into pieces of work."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from samp_core.classifiers import Classifier, is_as_published
from samp_core.images import Preprocessing
from samp_core.methods import Settings
from samp_core.metrics import METRICS
from samp_core.version import __version__

SUFFIXES = frozenset(
    (
        ".jpg",
        ".jpeg",
        ".jfif",
        ".png",
        ".webp",
        ".gif",
        ".tif",
        ".tiff",
        ".bmp",
        ".avif",
        ".jp2",
        ".j2k",
        ".ppm",
        ".pgm",
    )
)
"""Endings of the files that count as photos inside a folder: those of every format that can be read."""
DEFAULT_METHODS = ("samp", "samp++", "samp-isotonic", "ig", "guided-ig", "grad-cam", "random")
DEFAULT_METRICS = ("curves", "gap", "cancellation", "concentration")
COST = ("seconds", "gradients", "forwards")
"""Measured with every map, without being asked for."""


@dataclass(frozen=True)
class Photo:
    """A photo of the set: what people call it, and its file or that file's bytes."""

    name: str
    source: Path | bytes

    def read(self) -> tuple[bytes, str]:
        """Return the file's bytes and their SHA-256 (hexadecimal).

        Raises:
            OSError: the file cannot be read.
        """
        data = self.source if isinstance(self.source, bytes) else self.source.read_bytes()
        return data, hashlib.sha256(data).hexdigest()


def find_photos(sources: Iterable[Path]) -> tuple[Photo, ...]:
    """Return all photos of folders (with their subfolders) and files, in the order of their names.

    Files named one by one are taken whatever they are called; inside a folder only image files count.

    Raises:
        ValueError: a source does not exist, or there is no photo at all.
    """
    found: dict[Path, Photo] = {}
    for source in sources:
        if source.is_dir():
            files = sorted(p for p in source.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
            found |= {p.resolve(): Photo(p.relative_to(source).as_posix(), p) for p in files}
        elif source.is_file():
            found[source.resolve()] = Photo(source.name, source)
        else:
            raise ValueError(f"There is no folder or file {source}. Check the path.")
    if not found:
        kinds = ", ".join(sorted(s[1:] for s in SUFFIXES))
        raise ValueError(f"No photos were found. Give a folder that holds some ({kinds}), or single files.")
    return tuple(found.values())


@dataclass(frozen=True)
class Conditions:
    """What decides the order of additions, and so the last bits, which a search turns into another path.

    Attributes:
        batch_size: most images sent through the network at once; half as many photos are explained together.
        threads: torch's threads on the CPU.
        device: kind of device that computes, e.g. ``cpu``.
        prepared: whether the network is the copy that :meth:`~samp_core.classifiers.Classifier.prepare` makes.
        photos: photos explained together; None where that follows from ``batch_size``.
    """

    batch_size: int
    threads: int
    device: str
    prepared: bool
    photos: int | None = None

    def __str__(self) -> str:
        """Return the conditions in words."""
        together = "" if self.photos is None else f"{self.photos} photo{'s' * (self.photos != 1)} together, "
        return (
            f"{together}at most {self.batch_size} image{'s' * (self.batch_size != 1)} at once, {self.threads} "
            f"thread{'s' * (self.threads != 1)}, {self.device}, network {'' if self.prepared else 'not '}prepared"
        )


@dataclass(frozen=True)
class Configuration:
    """One method with its settings on one network: what a column of results belongs to.

    Attributes:
        settings: the method's settings; the class is each photo's own first choice.
        network: the classifier's name.
        weights: fingerprint of its weights, and of whether it is multi-label.
        preprocessing: how it gets its pictures: the same weights see another picture through another one.
        versions: of what decides the numbers, so that an upgrade never mixes with what was measured before.
        conditions: likewise of what decides the rounding.
        is_as_published: whether the network gets its pictures as it was published with; see :attr:`earlier`.
    """

    settings: Settings
    network: str
    weights: str
    preprocessing: Preprocessing
    versions: tuple[tuple[str, str], ...]
    conditions: Conditions
    is_as_published: bool = False

    @cached_property
    def question(self) -> dict[str, Any]:
        """What is asked, whatever the conditions, in values that JSON can hold."""
        settings = self.settings.to_dict()
        del settings["batch_size"], settings["target"]  # one is a condition, the other each photo's own
        return {
            "settings": settings,
            "network": self.network,
            "weights": self.weights,
            "preprocessing": self.preprocessing.to_dict(),
            "versions": dict(self.versions),
        }

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 (hexadecimal) of everything that decides the numbers."""
        return self._digest(self.question)

    @property
    def earlier(self) -> str | None:
        """What files that did not record the preprocessing call this; None if they may mean another one by it."""
        if not self.is_as_published:
            return None
        return self._digest({name: value for name, value in self.question.items() if name != "preprocessing"})

    def _digest(self, question: dict[str, Any]) -> str:
        text = json.dumps([question, asdict(self.conditions)], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class Unit:
    """One piece of work: a few photos, one configuration, all metrics. The same command makes the same units.

    Photos of one unit are explained together, so a unit that was interrupted is computed again as a whole: a search
    is chaotic, and another batch would round otherwise.
    """

    photos: tuple[Photo, ...]
    configuration: Configuration
    metrics: tuple[str, ...]
    batch_size: int
    seed: int

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of all numbers that each photo gets."""
        return COST + tuple(c.name for m in self.metrics for c in METRICS[m].columns)

    @property
    def key(self) -> str:
        """Name of the unit, the same in every process."""
        text = json.dumps([self.configuration.fingerprint, [p.name for p in self.photos], self.metrics, self.seed])
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class Plan:
    """A benchmark: every photo by every method, measured by every metric.

    Attributes:
        photos: see :func:`find_photos`.
        methods: their settings.
        metrics: names in :data:`~samp_core.metrics.METRICS`; none that needs a box.
        batch_size: most images sent through the network at once; half as many photos are explained together.
        seed: seed of the metrics' random draws.
    """

    photos: tuple[Photo, ...]
    methods: tuple[Settings, ...]
    metrics: tuple[str, ...] = DEFAULT_METRICS
    batch_size: int = 8
    seed: int = 0

    def __post_init__(self) -> None:
        for name in self.metrics:
            if name not in METRICS:
                raise ValueError(f"There is no metric {name!r}. Choose from: {', '.join(measurable())}.")
            if METRICS[name].needs == "box":
                raise ValueError(f"{METRICS[name].title} needs a box drawn on every photo; a benchmark has none.")
        if not self.photos or not self.methods:
            raise ValueError("A benchmark needs at least one photo and one method.")

    def conditions(self, classifier: Classifier) -> Conditions:
        """Return the conditions of work that this thread does with this classifier."""
        return Conditions(self.batch_size, torch.get_num_threads(), classifier.device.type, classifier.prepared)

    def configurations(self, classifier: Classifier, conditions: Conditions) -> tuple[Configuration, ...]:
        """Return what each method's numbers belong to."""
        found = tuple((p, version(p)) for p in ("torch", "torchvision", "captum", "numpy", "scipy", "pillow"))
        versions = (("samp_core", __version__), *found)
        published = is_as_published(classifier)
        return tuple(
            Configuration(
                replace(s, target=None, batch_size=self.batch_size),
                classifier.name,
                classifier.fingerprint,
                classifier.preprocessing,
                versions,
                conditions,
                published,
            )
            for s in self.methods
        )

    def units(self, classifier: Classifier, conditions: Conditions | None = None) -> Iterator[Unit]:
        """Yield the pieces of work, photo group by photo group, so that early results cover all methods.

        Args:
            classifier: what is explained.
            conditions: those of the work; by default this thread's.
        """
        configurations = self.configurations(classifier, conditions or self.conditions(classifier))
        size = max(1, self.batch_size // 2)  # a search walks two directions of each photo at once
        for k in range(0, len(self.photos), size):
            for configuration in configurations:
                yield Unit(self.photos[k : k + size], configuration, self.metrics, self.batch_size, self.seed)


def measurable() -> list[str]:
    """Return the names of the metrics that a benchmark can measure."""
    return [m.name for m in METRICS.values() if m.needs != "box"]
