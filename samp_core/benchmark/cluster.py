"""The same work on a Ray cluster, for data sets that outgrow one machine. Needs ``requirements-ray.txt``."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import torch

from samp_core.benchmark.engine import Progress, missing, read, work
from samp_core.benchmark.plan import Plan, Unit
from samp_core.benchmark.store import PhotoRow, ResultRow, Store
from samp_core.classifiers import Classifier, load_classifier
from samp_core.methods import METHODS


@lru_cache(maxsize=1)
def _classifier(name: str, device: str) -> Classifier:
    found = load_classifier(name).prepare()
    found.network.to(device)
    return found


def _remote(
    unit: Unit, known: dict[str, set[str]], name: str, device: str, threads: int
) -> tuple[list[PhotoRow], list[ResultRow]]:
    torch.set_num_threads(threads)  # another number of threads rounds otherwise
    classifier = _classifier(name, device)
    batch, bad = read(classifier, unit.photos)
    if batch is None:
        return bad, []
    known = {row.sha256: known.get(row.sha256, set()) for row in batch.rows}
    rows = [row for part in work(classifier, unit, batch, known, lambda: None) for row in part]
    return [*batch.rows, *bad], rows


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

    Photos must be found under the same paths, and the package be importable, on every machine of the cluster.

    Args:
        classifier: a bundled or torchvision network; every worker loads it by its name.
        plan: what to measure.
        store: where results go.
        device: where the workers compute; each task asks Ray for one GPU if it is not the CPU.
        address: of a running cluster; by default one is started here.
        threads: CPU threads of a task; by default as many as this process uses, which gives the same rounding.

    Raises:
        ValueError: Ray is not installed.
    """
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
        task = ray.remote(num_cpus=cpus, num_gpus=0 if device == "cpu" else 1)(_remote)
        yield from _schedule(ray, task, classifier, plan, store, (classifier.name, device, count))
    finally:
        if owned:
            ray.shutdown()


def _schedule(
    ray: Any, task: Any, classifier: Classifier, plan: Plan, store: Store, rest: tuple[str, str, int]
) -> Iterator[Progress]:
    progress = Progress(len(plan.photos) * len(plan.methods))
    running: dict[Any, Unit] = {}
    most = 2 * max(1, int(ray.cluster_resources().get("CPU", 1)))  # a few ahead, so that no worker waits

    def take() -> None:
        done, _ = ray.wait(list(running), num_returns=1)
        unit = running.pop(done[0])
        photos, rows = ray.get(done[0])
        for photo in photos:
            store.add_photo(photo)
        progress.failures.update({row.name: row.error for row in photos if row.error})
        store.add(rows)
        store.release(unit)
        progress.done += len(unit.photos)
        progress.fresh += len(unit.photos)

    for unit in plan.units(classifier):
        store.add_configuration(unit.configuration)
        batch, bad = read(classifier, unit.photos)
        for photo in (*(batch.rows if batch else ()), *bad):
            store.add_photo(photo)
        progress.failures |= {row.name: row.error or "" for row in bad}
        known = missing(store, unit, batch) if batch else None
        if known is None or not store.claim(unit):
            progress.done += len(unit.photos)
            yield progress
            continue
        progress.now = f"{METHODS[unit.configuration.settings.method].title} on {unit.photos[0].name}"
        running[task.remote(unit, known, *rest)] = unit
        if len(running) >= most:
            take()
            yield progress
    while running:
        take()
        yield progress
    progress.now = ""
    yield progress
