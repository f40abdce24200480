"""A benchmark small enough to be killed many times; also a program that does it.

``python -m tests.toy_benchmark kill STORE FOLDER TIMES`` forks a process that works on the benchmark and kills it at a
random moment, again and again; ``... share STORE FOLDER`` lets two such processes work through it together and prints
how many maps each of them made.
"""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import sys
import time
from collections.abc import Callable
from contextlib import closing, suppress
from importlib import import_module
from pathlib import Path

import torch
from torch import nn

from samp_core.benchmark import Plan, Store, find_photos, run
from samp_core.classifiers import Classifier, load_classifier
from samp_core.images import Preprocessing
from samp_core.methods import default_settings

SMALL = Preprocessing(resize=None, crop=(16, 16), mean=(0.5,) * 3, std=(0.5,) * 3, interpolation="bilinear")
METHODS = {"samp": {"steps": 4}, "ig": {"steps": 6}, "random": {}}


def toy_classifier() -> Classifier:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = nn.Sequential(
            nn.Conv2d(3, 4, 3, padding=1), nn.Tanh(), nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(64, 5)
        )
    return load_classifier(network.eval(), preprocessing=SMALL)


def toy_plan(folder: Path, metrics: tuple[str, ...] = ("curves", "gap", "stability")) -> Plan:
    settings = tuple(default_settings(name, **more) for name, more in METHODS.items())
    return Plan(find_photos([folder]), settings, metrics, batch_size=4)


def work(store: Path, folder: Path) -> int:
    with Store(store) as opened:
        fresh = 0
        for progress in run(toy_classifier(), toy_plan(folder), opened, wait=0.05):
            fresh = progress.fresh
        return fresh


def whole(base: sqlite3.Connection) -> None:
    """Raise unless the store is sound and every metric's numbers are all there or not at all."""
    assert base.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
    curves = base.execute(
        "SELECT count(*) FROM results WHERE metric IN ('deletion', 'insertion', 'difference') "
        "GROUP BY photo, configuration"
    ).fetchall()
    assert all(row[0] == 3 for row in curves), curves
    assert base.execute(
        "SELECT count(*) FROM results WHERE protocol NOT IN (SELECT id FROM protocols) "
        "OR photo NOT IN (SELECT sha256 FROM photos) OR configuration NOT IN (SELECT fingerprint FROM configurations)"
    ).fetchone() == (0,)


def _begin(store: Path, folder: Path, tell: Callable[[int], object] = lambda fresh: None) -> int:
    """Fork a process that works on the benchmark and tells how many maps it made; return its id."""
    child = os.fork()
    if not child:
        try:
            tell(work(store, folder))
        finally:
            os._exit(0)
    return child


def _results(store: Path) -> int | None:
    """Return how many results a store holds now, or None before it has its tables."""
    if not store.exists():
        return None
    with closing(sqlite3.connect(store, timeout=60)) as base:
        if not base.execute("SELECT count(*) FROM sqlite_master WHERE name = 'results'").fetchone()[0]:
            return None
        return base.execute("SELECT count(*) FROM results").fetchone()[0]


def kill(store: Path, folder: Path, times: int) -> None:
    """Kill a working process ``times`` times; print the number of results after each.

    The moments are drawn by what is done, not by the clock: a machine that was busy when the work was timed and quiet
    when it is killed would be killed after the end every time. Up to an eighth of all results are written before each
    kill, and then up to a twentieth of a second passes, so that it falls anywhere between two writes or within one.
    """
    rehearsal, modules = (store.with_suffix(f".{name}") for name in ("rehearsal", "modules"))
    os.waitpid(_begin(rehearsal, folder, lambda fresh: modules.write_text("\n".join(sys.modules))), 0)
    total = _results(rehearsal) or 0
    for name in modules.read_text().splitlines():  # or every child would begin with seconds of importing them
        if name not in sys.modules:
            with suppress(ImportError):  # there are names that are put there and that nobody could import
                import_module(name)
    counts = [0]
    for _ in range(times):
        until = counts[-1] + random.uniform(0, 0.12) * total
        child = _begin(store, folder)
        while not os.waitpid(child, os.WNOHANG)[0]:
            if (_results(store) or 0) >= until:
                time.sleep(random.uniform(0, 0.05))
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)
                break
            time.sleep(0.005)
        written = _results(store)
        if written is not None:
            with closing(sqlite3.connect(store)) as base:
                whole(base)
        counts.append(written or 0)
    print(*counts[1:])


def share(store: Path, folder: Path) -> None:
    """Let two processes work at once; print how many maps each made, if it came to its end."""
    told, telling = os.pipe()
    children = [_begin(store, folder, lambda fresh: os.write(telling, f"{fresh} ".encode())) for _ in range(2)]
    for child in children:
        os.waitpid(child, 0)
    os.close(telling)
    print(os.read(told, 100).decode())


if __name__ == "__main__":
    torch.set_num_threads(1)  # a forked child has no other thread to wait for
    command, store, folder, *rest = sys.argv[1:]
    if command == "kill":
        kill(Path(store), Path(folder), int(rest[0]))
    else:
        share(Path(store), Path(folder))
