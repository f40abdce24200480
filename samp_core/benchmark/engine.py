"""Working through a plan on this machine, and the work itself, which every engine shares."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn

from samp_core.benchmark.plan import COST, Photo, Plan, Unit
from samp_core.benchmark.store import PhotoRow, ResultRow, Store
from samp_core.classifiers import Classifier
from samp_core.images import ImageError, load_image
from samp_core.methods import METHODS, Explanation, UnsupportedError, make_method
from samp_core.metrics import METRICS, Measurement, Protocol, Subject
from samp_core.scores import PathError

Tick = Callable[[], None]
"""Called between two pieces of work; raises to stop."""


class Stopped(Exception):
    """Somebody asked the work to stop."""


@dataclass
class Progress:
    """How far a benchmark is.

    Attributes:
        total: photos times methods.
        done: of those, measured, found measured or impossible.
        fresh: of those, worked on by this process.
        now: what is being worked on, in words.
        failures: photos that cannot be read, with the reason.
        began: time.monotonic() at the start.
    """

    total: int
    done: int = 0
    fresh: int = 0
    now: str = ""
    failures: dict[str, str] = field(default_factory=dict)
    began: float = field(default_factory=time.monotonic)

    @property
    def seconds(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self.began

    @property
    def rate(self) -> float:
        """Maps measured by this process in a second."""
        return self.fresh / self.seconds if self.seconds > 0 else 0.0

    @property
    def left(self) -> float | None:
        """Expected seconds left; None while nothing can be said."""
        return (self.total - self.done) / self.rate if self.fresh else None


@dataclass(frozen=True)
class Batch:
    """The readable photos of a unit, ready for the network."""

    rows: tuple[PhotoRow, ...]
    inputs: Tensor
    target: Tensor


def read(classifier: Classifier, photos: tuple[Photo, ...]) -> tuple[Batch | None, list[PhotoRow]]:
    """Return the photos that can be read as one batch, and a row for each that cannot, saying why."""
    good: list[tuple[PhotoRow, Tensor]] = []
    bad: list[PhotoRow] = []
    for photo in photos:
        sha256 = ""
        try:
            data, sha256 = photo.read()
            inputs = classifier.preprocessing(load_image(data))
        except (ImageError, OSError) as error:
            key = sha256 or f"unreadable:{photo.name}"
            bad.append(PhotoRow(key, classifier.fingerprint, photo.name, error=str(error)))
            continue
        first = classifier.predict(inputs.to(_device(classifier)), 1)[0]
        row = PhotoRow(sha256, classifier.fingerprint, photo.name, first.index, first.label, first.probability)
        good.append((row, inputs))
    # The same photo twice would be measured twice for one row.
    unique = {row.sha256: (row, inputs) for row, inputs in reversed(good)}
    if not unique:
        return None, bad
    rows, images = zip(*reversed(unique.values()), strict=True)
    inputs = torch.cat(images).to(_device(classifier))
    return Batch(rows, inputs, torch.tensor([r.target for r in rows], device=inputs.device)), bad


def _device(classifier: Classifier) -> torch.device:
    return next((p.device for p in classifier.network.parameters()), torch.device("cpu"))


def work(
    classifier: Classifier, unit: Unit, batch: Batch, known: dict[str, set[str]], tick: Tick
) -> Iterator[list[ResultRow]]:
    """Explain a unit's photos together and yield their results, a few rows at a time, as soon as they exist.

    A method that fails on the whole batch is tried on each photo alone, so that one photo does not take the others
    along; what fails then becomes a row without a number that says why.
    """
    try:
        yield from _measure(classifier, unit, batch, known, tick)
    except (UnsupportedError, PathError, ValueError) as error:
        if len(batch.rows) > 1:
            for k, row in enumerate(batch.rows):
                one = Batch((row,), batch.inputs[k : k + 1], batch.target[k : k + 1])
                yield from work(classifier, unit, one, known, tick)
            return
        (photo,) = batch.rows
        missing = [c for c in unit.columns if c not in known[photo.sha256]]
        words = f"not measured: {METHODS[unit.configuration.settings.method].title} failed"
        yield [
            ResultRow(photo.sha256, unit.configuration.fingerprint, c, unit.seed, words, None, str(error))
            for c in missing
        ]


def _measure(
    classifier: Classifier, unit: Unit, batch: Batch, known: dict[str, set[str]], tick: Tick
) -> Iterator[list[ResultRow]]:
    explanation = _explain(classifier, unit, batch.inputs, batch.target, tick)
    relative = explanation.completeness.relative

    def explain(network: nn.Module, images: Tensor) -> Tensor:
        targets = batch.target.repeat_interleave(len(images) // len(batch.target))
        return _explain(replace(classifier, network=network), unit, images, targets, tick).attributions

    whole = Subject(
        classifier.network,
        batch.inputs,
        batch.target,
        explanation.attributions,
        unit.configuration.settings.make_score(),
        relative.amax(0) if len(relative) else None,
        explain,
        batch_size=unit.batch_size,
        seed=unit.seed,
    )
    yield _rows(unit, batch, known, _cost(explanation, batch))
    for name in unit.metrics:
        metric = METRICS[name]
        wanted = {c.name for c in metric.columns}
        if all(wanted <= known[row.sha256] for row in batch.rows):
            continue
        tick()
        if metric.needs == "explain":
            yield _rows(unit, batch, known, metric.compute(whole))
            continue
        for k, row in enumerate(batch.rows):
            tick()
            part = replace(
                whole,
                inputs=whole.inputs[k : k + 1],
                target=whole.target[k : k + 1],
                attributions=whole.attributions[k : k + 1],
                gap=None if whole.gap is None else whole.gap[k : k + 1],
                explain=None,
            )
            one = Batch((row,), part.inputs, part.target)
            yield _rows(unit, one, known, metric.compute(part))


def _explain(classifier: Classifier, unit: Unit, inputs: Tensor, target: Tensor, tick: Tick) -> Explanation:
    run = make_method(classifier, unit.configuration.settings).start(inputs, target)
    try:
        for _ in run:
            tick()
    except BaseException:
        run.stop()
        next(iter(run), None)  # lets a direct method put its network copy away
        raise
    return run.result()


def _cost(explanation: Explanation, batch: Batch) -> list[Measurement]:
    count = len(batch.rows)
    found = (explanation.seconds, explanation.cost.gradients, explanation.cost.forwards)
    words = (
        f"wall time of one map on {torch.get_num_threads()} threads of {batch.inputs.device.type}, explained together",
        "gradient evaluations of one map",
        "forward evaluations of one map",
    )
    return [
        Measurement(name, torch.full((count,), value / count, dtype=torch.float64), Protocol(definition))
        for name, value, definition in zip(COST, found, words, strict=True)
    ]


def _rows(
    unit: Unit, batch: Batch, known: dict[str, set[str]], measurements: list[Measurement] | tuple[Measurement, ...]
) -> list[ResultRow]:
    return [
        ResultRow(
            photo.sha256,
            unit.configuration.fingerprint,
            m.name,
            unit.seed,
            str(m.protocol),
            float(m.values[k]) if m.values[k].isfinite() else None,
            "" if m.values[k].isfinite() else m.note or "not defined",
        )
        for k, photo in enumerate(batch.rows)
        for m in measurements
        if m.name not in known[photo.sha256]
    ]


def run(
    classifier: Classifier,
    plan: Plan,
    store: Store,
    *,
    tick: Tick = lambda: None,
    wait: float = 0.5,
) -> Iterator[Progress]:
    """Work through a plan on this machine, one unit after the other, and yield how far it is, after every write.

    What the store holds is not measured again; units that another process has claimed are left to it, and taken over
    if it dies. Stop iterating, or raise in ``tick``, to stop: everything written stays.

    Args:
        classifier: prepared; on the device that is to compute.
        plan: what to measure.
        store: where results go.
        tick: called between two steps of the work; raises to stop.
        wait: seconds between two looks at units that others work on.
    """
    units = deque(plan.units(classifier))
    progress = Progress(len(plan.photos) * len(plan.methods))
    for configuration in {u.configuration for u in units}:
        store.add_configuration(configuration)
    batches: dict[tuple[Photo, ...], tuple[Batch | None, list[PhotoRow]]] = {}
    skipped = 0
    while units:
        tick()
        unit = units.popleft()
        if unit.photos not in batches:
            batches.clear()  # one group at a time is in memory
            batches[unit.photos] = read(classifier, unit.photos)
        batch, bad = batches[unit.photos]
        for photo in (*(batch.rows if batch else ()), *bad):
            store.add_photo(photo)
        progress.failures |= {row.name: row.error or "" for row in bad}
        if batch is None or (known := missing(store, unit, batch)) is None:
            progress.done += len(unit.photos)
            skipped = 0
            yield progress
            continue
        if not store.claim(unit):
            units.append(unit)
            skipped += 1
            if skipped >= len(units):
                progress.now = "waiting for another process"
                yield progress
                time.sleep(wait)
            continue
        skipped = 0
        progress.now = f"{METHODS[unit.configuration.settings.method].title} on {unit.photos[0].name}"
        try:
            yield progress
            for rows in work(classifier, unit, batch, known, _renewing(store, unit, tick)):
                store.add(rows)
                yield progress
        finally:
            store.release(unit)
        progress.done += len(unit.photos)
        progress.fresh += len(unit.photos)
        yield progress
    progress.now = ""
    yield progress


def missing(store: Store, unit: Unit, batch: Batch) -> dict[str, set[str]] | None:
    """Return what is known of each photo of a unit, or None if nothing is missing."""
    known = store.known(unit.configuration.fingerprint, [row.sha256 for row in batch.rows], unit.seed)
    return None if all(set(unit.columns) <= found for found in known.values()) else known


def _renewing(store: Store, unit: Unit, tick: Tick) -> Tick:
    """Return a tick that also keeps the claim alive while a slow method works."""
    renewed = time.monotonic()

    def both() -> None:
        nonlocal renewed
        tick()
        if time.monotonic() - renewed > 30:
            store.claim(unit)
            renewed = time.monotonic()

    return both
