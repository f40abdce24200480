"""Working through a plan on this machine, and the work itself, which every engine shares."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn

from samp_core.attribution import Explanation, UnsupportedError
from samp_core.benchmark.plan import COST, Conditions, Photo, Plan, Unit
from samp_core.benchmark.store import (
    FAILED,
    PhotoRow,
    ResultRow,
    Store,
    StoreError,
    in_json,
    intake_in_words,
    unreadable,
)
from samp_core.classifiers import Classifier
from samp_core.devices import causes, device_in_words, free_memory, is_memory, whole_parts
from samp_core.images import ImageError, load_image
from samp_core.methods import METHODS, make_method
from samp_core.metrics import METRICS, Measurement, Metric, Protocol, Subject
from samp_core.scores import PathError

Tick = Callable[[], None]
"""Called between two pieces of work; raises :class:`Stopped` to stop."""


class Stopped(Exception):
    """Somebody asked the work to stop."""


class DeviceError(RuntimeError):
    """The device failed in a way that this process cannot get over; the message says what to do."""


@dataclass(frozen=True)
class Failure:
    """Why a piece of work failed, kept without the traceback, which would hold on to the memory.

    Attributes:
        words: the reason.
        memory: whether there was not enough memory.
        device: whether the device is of no more use.
    """

    words: str
    memory: bool
    device: bool

    @classmethod
    def of(cls, error: Exception) -> Failure:
        """Return what an exception means.

        Raises:
            Stopped, StoreError: it is no failure of what was measured.
        """
        for cause in causes(error):
            if isinstance(cause, Stopped | StoreError):
                raise cause
        logging.getLogger(__name__).info("a piece of a benchmark failed", exc_info=error)
        expected = isinstance(error, UnsupportedError | PathError | ValueError | OSError)
        words = str(error) if expected else f"{type(error).__name__}: {error}"
        memory = is_memory(error)
        return cls(words[:600], memory, isinstance(error, torch.AcceleratorError) and not memory)


@dataclass
class Progress:
    """How far a benchmark is.

    Attributes:
        total: photos times methods.
        done: of those, measured, found measured or impossible.
        fresh: of those, worked on by this process.
        now: what is being worked on, in words.
        failures: photos that cannot be read, with the reason.
        notes: what a reader has to know about the whole, in sentences.
        began: time.monotonic() at the start.
    """

    total: int
    done: int = 0
    fresh: int = 0
    now: str = ""
    failures: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
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

    def part(self, which: slice) -> Batch:
        """Return some of the photos."""
        return Batch(self.rows[which], self.inputs[which], self.target[which])


def read(classifier: Classifier, photos: tuple[Photo, ...]) -> tuple[Batch | None, list[PhotoRow]]:
    """Return the photos that can be read as one batch, and a row for each that cannot, saying why.

    Raises:
        DeviceError: the device is of no more use.
    """
    good: list[tuple[PhotoRow, Tensor]] = []
    bad: list[PhotoRow] = []
    device, intake = classifier.device, in_json(classifier.preprocessing)
    for photo in photos:
        key = unreadable(photo.name)
        try:
            data, key = photo.read()
            inputs = classifier.preprocessing(load_image(data))
            first = classifier.predict(inputs.to(device), 1)[0]
        except (ImageError, OSError) as error:
            bad.append(PhotoRow(key, classifier.fingerprint, photo.name, error=str(error), preprocessing=intake))
            continue
        except Exception as error:  # the network is anybody's
            failure = Failure.of(error)
            words = f"The network failed on it: {failure.words}"
            bad.append(PhotoRow(key, classifier.fingerprint, photo.name, error=words, preprocessing=intake))
            if failure.device:
                raise _device_error(replace(failure, words=f"{photo.name}: {failure.words}")) from error
            continue
        seen = first.index, first.label, first.probability
        row = PhotoRow(key, classifier.fingerprint, photo.name, *seen, preprocessing=intake)
        good.append((row, inputs))
    # The same photo twice would be measured twice for one row.
    unique = {row.sha256: (row, inputs) for row, inputs in reversed(good)}
    if not unique:
        return None, bad
    rows, images = zip(*reversed(unique.values()), strict=True)
    inputs = torch.cat(images).to(device)
    return Batch(rows, inputs, torch.tensor([r.target for r in rows], device=device)), bad


def work(
    classifier: Classifier, unit: Unit, batch: Batch, known: dict[str, set[str]], tick: Tick
) -> Iterator[list[ResultRow]]:
    """Explain a unit's photos together and yield their results, a few rows at a time, as soon as they exist.

    What fails for want of memory is tried again with half the images at once, down to one. What fails otherwise on
    several photos is tried on each alone, so that one photo does not take the others along. What fails then becomes a
    row without a number that says why, and everything else goes on.

    Raises:
        Stopped: by ``tick``, or at a checkpoint between two evaluations.
        DeviceError: the device is of no more use; the rows that say so were yielded before.
    """
    explanation, failure = None, None
    try:
        explanation = _explain(classifier, unit, batch.inputs, batch.target, tick)
    except Exception as error:  # method, metric and network are anybody's
        failure = Failure.of(error)
    if explanation is not None:
        yield from _measure(classifier, unit, batch, known, explanation, tick)
        return
    assert failure is not None
    pieces = _pieces(unit, len(batch.rows), failure)
    if not pieces:
        title = METHODS[unit.configuration.settings.method].title
        yield _failed(unit, batch, known, unit.columns, f"{FAILED}: {title} failed", failure)
        if failure.device:
            raise _device_error(failure)
    for smaller, which in pieces:
        part = batch.part(which)
        if not complete(unit, part, known):
            yield from work(classifier, smaller, part, known, tick)


def _pieces(unit: Unit, count: int, failure: Failure) -> list[tuple[Unit, slice]]:
    """Return how to try again what failed on ``count`` photos: smaller units, and the photos of each; or nothing."""
    if failure.device or (count == 1 and not (failure.memory and unit.batch_size > 1)):
        return []
    size = 1
    if failure.memory:
        free_memory()
        size = -(-count // 2)
        unit = replace(unit, batch_size=max(1, unit.batch_size // 2))
    return [(unit, slice(k, k + size)) for k in range(0, count, size)]


def _device_error(failure: Failure) -> DeviceError:
    return DeviceError(
        f"The device failed, and this process cannot use it any more: {failure.words}. What was measured is kept; run "
        "the same again to go on. If it fails again, leave out the method or photo that it failed on."
    )


def _failed(
    unit: Unit, batch: Batch, known: dict[str, set[str]], columns: tuple[str, ...], words: str, failure: Failure
) -> list[ResultRow]:
    reason = f"Out of memory, even with one image at once: {failure.words}" if failure.memory else failure.words
    conditions = str(_conditions(unit, batch))
    return [
        ResultRow(row.sha256, unit.configuration.fingerprint, c, unit.seed, words, None, reason, conditions)
        for row in batch.rows
        for c in columns
        if c not in known[row.sha256]
    ]


def _conditions(unit: Unit, batch: Batch) -> Conditions:
    """Return the conditions of work that this thread has just done on a batch."""
    device = batch.inputs.device
    return replace(
        unit.configuration.conditions,
        batch_size=unit.batch_size,
        threads=torch.get_num_threads(),
        device=device_in_words(device),
        photos=len(batch.rows),
    )


def _measure(
    classifier: Classifier,
    unit: Unit,
    batch: Batch,
    known: dict[str, set[str]],
    explanation: Explanation,
    tick: Tick,
) -> Iterator[list[ResultRow]]:
    conditions = _conditions(unit, batch)
    yield _rows(unit, batch, known, _cost(explanation, conditions), str(conditions))
    relative = explanation.completeness.relative
    maps = Maps(explanation.attributions, relative.amax(0) if len(relative) else None, conditions)
    for name in unit.metrics:
        metric = METRICS[name]
        size = len(batch.rows) if metric.needs == "explain" else 1
        for k in range(0, len(batch.rows), size):
            which = slice(k, k + size)
            yield from _apply(metric, classifier, unit, batch.part(which), maps.part(which), known, tick)


@dataclass(frozen=True)
class Maps:
    """The maps of a batch, their largest relative gaps, if any, and the conditions under which they were made."""

    attributions: Tensor
    gap: Tensor | None
    conditions: Conditions

    def part(self, which: slice) -> Maps:
        """Return some of the maps."""
        return Maps(self.attributions[which], None if self.gap is None else self.gap[which], self.conditions)


def _apply(
    metric: Metric,
    classifier: Classifier,
    unit: Unit,
    batch: Batch,
    maps: Maps,
    known: dict[str, set[str]],
    tick: Tick,
) -> Iterator[list[ResultRow]]:
    """Measure a batch by one metric; see :func:`work` for what happens if that fails."""
    columns = tuple(c.name for c in metric.columns)
    if all(set(columns) <= known[row.sha256] for row in batch.rows):
        return

    def explain(network: nn.Module, images: Tensor) -> Tensor:
        targets = batch.target.repeat_interleave(len(images) // len(batch.target))
        return _explain(replace(classifier, network=network), unit, images, targets, tick).attributions

    tick()
    measurements: tuple[Measurement, ...] = ()
    failure = None
    subject = Subject(
        classifier.network,
        batch.inputs,
        batch.target,
        maps.attributions,
        unit.configuration.settings.make_score(),
        maps.gap,
        explain,
        batch_size=unit.batch_size,
        seed=unit.seed,
        multi_label=classifier.multi_label,
    )
    try:
        with whole_parts():
            measurements = metric.compute(subject)
    except Exception as error:  # method, metric and network are anybody's
        failure = Failure.of(error)
    if failure is None:
        words = str(maps.conditions)
        if unit.batch_size != maps.conditions.batch_size:
            words += f"; measured with at most {unit.batch_size} at once"
        yield _rows(unit, batch, known, measurements, words)
        return
    pieces = _pieces(unit, len(batch.rows), failure)
    if not pieces:
        title = METHODS[unit.configuration.settings.method].title
        yield _failed(unit, batch, known, columns, f"{FAILED}: {metric.title} of {title} failed", failure)
        if failure.device:
            raise _device_error(failure)
    for smaller, which in pieces:
        yield from _apply(metric, classifier, smaller, batch.part(which), maps.part(which), known, tick)


def _explain(classifier: Classifier, unit: Unit, inputs: Tensor, target: Tensor, tick: Tick) -> Explanation:
    settings = replace(unit.configuration.settings, batch_size=unit.batch_size)
    run = make_method(classifier, settings).start(inputs, target)
    try:
        with whole_parts():
            for _ in run:
                tick()
    except BaseException:
        run.stop()
        next(iter(run), None)  # lets a direct method put its network copy away
        raise
    return run.result()


def _cost(explanation: Explanation, conditions: Conditions) -> list[Measurement]:
    count = len(explanation.attributions)
    found = (explanation.seconds, explanation.cost.gradients, explanation.cost.forwards)
    words = (
        f"wall time of one map on {conditions.threads} threads of {conditions.device}, explained together",
        "gradient evaluations of one map",
        "forward evaluations of one map",
    )
    return [
        Measurement(name, torch.full((count,), value / count, dtype=torch.float64), Protocol(definition))
        for name, value, definition in zip(COST, found, words, strict=True)
    ]


def _rows(
    unit: Unit,
    batch: Batch,
    known: dict[str, set[str]],
    measurements: list[Measurement] | tuple[Measurement, ...],
    conditions: str,
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
            conditions,
        )
        for k, photo in enumerate(batch.rows)
        for m in measurements
        if m.name not in known[photo.sha256]
    ]


def settle_threads(count: int | None = None) -> int:
    """Give this thread its number of torch threads, by default the process's, and return it."""
    torch.get_num_threads()  # until a thread has first asked, any other thread's number replaces its own
    if count is not None:
        torch.set_num_threads(count)
    return torch.get_num_threads()


def settled(store: Store, plan: Plan, classifier: Classifier, conditions: Conditions) -> tuple[str, ...]:
    """Write a plan's configurations into the store; return what it holds of the same already, in sentences.

    What was measured under other conditions or with another preprocessing stays apart. What an older file holds of a
    network with its published preprocessing, which it did not record, is gone on with.
    """
    configurations = plan.configurations(classifier, conditions)
    others, notes = store.elsewhere(configurations), []
    if others:
        notes.append(
            f"{store.path.name} also holds results of the same methods made under other conditions: "
            f"{'; '.join(others)}. A map depends on them, so these stay apart, and all is measured anew with: "
            f"{conditions}, {intake_in_words(in_json(classifier.preprocessing))}."
        )
    if sum(store.add_configuration(configuration) for configuration in configurations):
        notes.append(
            f"{store.path.name} held results of {classifier.name} from before it recorded how a network gets its "
            "pictures. They are taken as made with the preprocessing that it was published with. If another one was "
            "given then (--preprocess), measure into another file."
        )
    return tuple(notes)


def run(
    classifier: Classifier,
    plan: Plan,
    store: Store,
    *,
    tick: Tick = lambda: None,
    wait: float = 0.5,
    threads: int | None = None,
) -> Iterator[Progress]:
    """Work through a plan on this machine, one unit after the other, and yield how far it is, after every write.

    What the store holds is not measured again; units that another process has claimed are left to it, and taken over
    if it dies. Stop iterating, or raise in ``tick``, to stop: everything written stays.

    Args:
        classifier: prepared; on the device that is to compute.
        plan: what to measure.
        store: where results go.
        tick: called between two steps of the work; raises :class:`Stopped` to stop.
        wait: seconds between two looks at units that others work on.
        threads: CPU threads of the calling thread; by default as many as it has.

    Raises:
        StoreError: the store can no longer be read or written.
        DeviceError: the device is of no more use.
    """
    settle_threads(threads)
    conditions = plan.conditions(classifier)
    units = deque(plan.units(classifier, conditions))
    progress = Progress(len(plan.photos) * len(plan.methods), notes=settled(store, plan, classifier, conditions))
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
        if (known := missing(store, unit, batch)) is None:  # another process finished it between look and claim
            store.release(unit)
            progress.done += len(unit.photos)
            yield progress
            continue
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
    return None if complete(unit, batch, known) else known


def complete(unit: Unit, batch: Batch, known: dict[str, set[str]]) -> bool:
    """Return whether every photo of a batch has all its numbers."""
    return all(set(unit.columns) <= known[row.sha256] for row in batch.rows)


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
