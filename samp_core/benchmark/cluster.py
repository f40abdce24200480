"""The same work on a Ray cluster, for data sets that outgrow one machine. Needs ``requirements-ray.txt``."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from typing import Any

import torch

from samp_core.benchmark.engine import DeviceError, Progress, complete, read, settle_threads, settled, work
from samp_core.benchmark.plan import Conditions, Photo, Plan, Unit
from samp_core.benchmark.store import FAILED, PhotoRow, ResultRow, Store, in_json, unreadable
from samp_core.classifiers import OWN, Classifier, load_classifier
from samp_core.images import Preprocessing
from samp_core.methods import METHODS


@lru_cache(maxsize=1)
def _classifier(name: str, preprocessing: Preprocessing, multi_label: bool, device: str) -> Classifier:
    found = load_classifier(name, preprocessing=preprocessing, multi_label=multi_label).prepare()
    found.network.to(device)
    return found


def _remote(
    unit: Unit, known: dict[str, set[str]], name: str, multi_label: bool, device: str, threads: int
) -> tuple[list[PhotoRow], list[ResultRow], str]:
    """Do a unit on a worker; return its photos, its results, and why the worker's device is of no more use, if so."""
    settle_threads(threads)  # another number of threads rounds otherwise
    classifier = _classifier(name, unit.configuration.preprocessing, multi_label, device)
    if classifier.fingerprint != unit.configuration.weights:
        raise ValueError(
            f"the worker's {name} has other weights than those that are to be measured, or takes its channels in "
            "another order"
        )
    batch, bad = read(classifier, unit.photos)
    if batch is None:
        return bad, [], ""
    known = {row.sha256: known.get(row.sha256, set()) for row in batch.rows}
    rows: list[ResultRow] = []
    try:
        if not complete(unit, batch, known):
            for part in work(classifier, unit, batch, known, lambda: None):
                rows += part
    except DeviceError as error:
        return [*batch.rows, *bad], rows, str(error)
    return [*batch.rows, *bad], rows, ""


def run(
    classifier: Classifier,
    plan: Plan,
    store: Store,
    *,
    device: str = "cpu",
    address: str | None = None,
    threads: int | None = None,
) -> Iterator[Progress]:
    """Work through a plan on Ray, unit by unit, and yield how far it is. The store is written by this process alone.

    Photos must be found under the same paths, and the package be importable, on every machine of the cluster. Only the
    workers decode photos.

    Args:
        classifier: a bundled or torchvision network; every worker loads it by its name.
        plan: what to measure.
        store: where results go.
        device: where the workers compute; each task asks Ray for one GPU if it is not the CPU.
        address: of a running cluster; by default one is started here.
        threads: CPU threads of a task; by default as many as this process uses, which gives the same rounding.

    Raises:
        ValueError: Ray is not installed, the network cannot be loaded by its name, or a worker could not begin to work.
        StoreError: the store can no longer be read or written.
        DeviceError: a worker's device is of no more use.
    """
    if classifier.name.endswith(OWN):
        raise ValueError(
            f"Workers load a network by its name, and {classifier.name} is nobody else's. Measure it without --ray, or "
            "publish its weights under a name."
        )
    try:
        import ray  # noqa: PLC0415 - only those who ask for it have it
    except ImportError as error:
        raise ValueError(
            "The engine 'ray' needs the package ray. Install it with: pip install -r requirements-ray.txt"
        ) from error
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing leaves the machine unasked
    count = threads or torch.get_num_threads()
    owned = not ray.is_initialized()
    if owned:
        ray.init(address=address, include_dashboard=False, log_to_driver=False, configure_logging=False)
    try:
        cluster: Any = ray  # which ships no types for these calls
        cpus = min(count, int(cluster.cluster_resources().get("CPU", 1)))
        # A worker that dies is no reason to do the very same again, which Ray would.
        task = ray.remote(num_cpus=cpus, num_gpus=0 if device == "cpu" else 1, max_retries=0)(_remote)
        yield from _schedule(
            ray, task, classifier, plan, store, (classifier.name, classifier.multi_label, device, count)
        )
    finally:
        if owned:
            ray.shutdown()


def _schedule(
    ray: Any, task: Any, classifier: Classifier, plan: Plan, store: Store, rest: tuple[str, bool, str, int]
) -> Iterator[Progress]:
    *_, device, threads = rest
    conditions = Conditions(plan.batch_size, threads, torch.device(device).type, True)
    progress = Progress(len(plan.photos) * len(plan.methods), notes=settled(store, plan, classifier, conditions))
    running: dict[Any, tuple[Unit, Unit]] = {}  # what is worked on, and the claimed unit that it is a part of
    most = 2 * max(1, int(ray.cluster_resources().get("CPU", 1)))  # a few ahead, so that no worker waits
    hashes = lru_cache(maxsize=1)(_hashes)  # one group of photos serves all methods

    def submit(part: Unit, claimed: Unit) -> None:
        known = store.known(part.configuration.fingerprint, hashes(part.photos).values(), part.seed)
        running[task.remote(part, known, *rest)] = part, claimed

    def take() -> None:
        done, _ = ray.wait(list(running), num_returns=1)
        part, claimed = running.pop(done[0])
        try:
            photos, rows, fault = ray.get(done[0])
        except ray.exceptions.RayTaskError as error:
            # What a method raises became a row; this is the worker itself, and would be the same for every unit.
            raise ValueError(f"A worker could not do its work: {error.cause}. Mend that, and run again.") from error
        except ray.exceptions.RayError as error:
            pieces = _halves(part)
            for piece in pieces:
                submit(piece, claimed)
            if pieces:
                return
            words = f"The worker died, probably for want of memory: {error}"
            photos, rows, fault = *_lost(part, hashes(part.photos), words), ""
        for photo in photos:
            store.add_photo(photo)
        progress.failures.update({row.name: row.error for row in photos if row.error})
        store.add(rows)
        if all(claimed is not other for _, other in running.values()):
            store.release(claimed)
        progress.done += len(part.photos)
        progress.fresh += len(part.photos)
        if fault:
            raise DeviceError(fault)

    for unit in plan.units(classifier, conditions):
        known = store.known(unit.configuration.fingerprint, hashes(unit.photos).values(), unit.seed)
        finished = all(set(unit.columns) <= columns for columns in known.values())
        if (finished and len(hashes(unit.photos)) == len(unit.photos)) or not store.claim(unit):
            progress.done += len(unit.photos)
            yield progress
            continue
        progress.now = f"{METHODS[unit.configuration.settings.method].title} on {unit.photos[0].name}"
        submit(unit, unit)
        if len(running) >= most:
            take()
            yield progress
    while running:
        take()
        yield progress
    progress.now = ""
    yield progress


def _hashes(photos: tuple[Photo, ...]) -> dict[Photo, str]:
    """Return the fingerprint of each photo whose file can be opened."""
    found = {}
    for photo in photos:
        try:
            found[photo] = photo.read()[1]
        except OSError:
            continue  # the worker will say why
    return found


def _halves(unit: Unit) -> list[Unit]:
    """Return the unit in two, with half the images at once; nothing if it cannot be made smaller."""
    if unit.batch_size == 1 and len(unit.photos) == 1:
        return []
    size = -(-len(unit.photos) // 2)
    batch_size = max(1, unit.batch_size // 2)
    return [
        replace(unit, photos=unit.photos[k : k + size], batch_size=batch_size) for k in range(0, len(unit.photos), size)
    ]


def _lost(unit: Unit, hashes: dict[Photo, str], words: str) -> tuple[list[PhotoRow], list[ResultRow]]:
    """Return the rows that say why a unit of one photo could not be measured."""
    (photo,) = unit.photos
    configuration, key = unit.configuration, hashes.get(photo, unreadable(photo.name))
    protocol = f"{FAILED}: {METHODS[configuration.settings.method].title} failed"
    conditions = str(replace(configuration.conditions, batch_size=unit.batch_size, photos=1))
    intake = in_json(configuration.preprocessing)
    return [PhotoRow(key, configuration.weights, photo.name, error=words, preprocessing=intake)], [
        ResultRow(key, configuration.fingerprint, column, unit.seed, protocol, None, words, conditions)
        for column in unit.columns
    ]
