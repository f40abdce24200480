"""A benchmark small enough to be killed many times; also a program that does it.

``python -m tests.toy_benchmark kill STORE FOLDER TIMES`` forks a process that works on the benchmark and kills it at a
random moment, again and again; ``... run STORE FOLDER`` works through it once and prints how many maps it made.
"""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import sys
import time
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


def _begin(store: Path, folder: Path) -> int:
    """Fork a process that works on the benchmark; return its id."""
    child = os.fork()
    if not child:
        try:
            work(store, folder)
        finally:
            os._exit(0)
    return child


def kill(store: Path, folder: Path, times: int) -> None:
    """Kill a working process ``times`` times; print the number of results after each."""
    seconds = []  # on this machine, as busy as it is: of the whole, and of reading the photos when all is done
    for _ in range(2):
        began = time.monotonic()
        os.waitpid(_begin(store.with_suffix(".rehearsal"), folder), 0)
        seconds.append(time.monotonic() - began)
    whole_run, reading = seconds
    counts = []
    for _ in range(times):
        child = _begin(store, folder)
        time.sleep(random.uniform(0.5, 1) * reading + random.uniform(0, 0.3) * max(0, whole_run - reading))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        if not store.exists():
            counts.append(0)
            continue
        base = sqlite3.connect(store)
        tables = base.execute("SELECT count(*) FROM sqlite_master WHERE name = 'results'").fetchone()[0]
        if tables:
            whole(base)
        counts.append(base.execute("SELECT count(*) FROM results").fetchone()[0] if tables else 0)
        base.close()
    print(*counts)


if __name__ == "__main__":
    torch.set_num_threads(1)  # a forked child has no other thread to wait for
    command, store, folder, *rest = sys.argv[1:]
    if command == "kill":
        kill(Path(store), Path(folder), int(rest[0]))
    else:
        print(work(Path(store), Path(folder)))
