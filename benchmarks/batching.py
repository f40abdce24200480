"""Photos a second of the benchmark's engine by batch size: ``PYTHONPATH=. python benchmarks/batching.py FOLDER``.

Runs the real engine (SAMP, Integrated Gradients, curves of both, into a store) on the same photos at several batch
sizes, in turns, and prints the medians as ratios to batch 1 of the same run.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from samp_core import default_settings, load_classifier
from samp_core.benchmark import Plan, Store, find_photos, run
from samp_core.process import keep_freed_memory


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--photos", type=int, default=8, help="(default: %(default)s)")
    parser.add_argument("--methods", nargs="+", default=["samp", "ig"], help="(default: samp ig)")
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 2, 4, 8, 16], help="(default: 1 2 4 8 16)")
    parser.add_argument("--rounds", type=int, default=3, help="(default: %(default)s)")
    arguments = parser.parse_args()
    keep_freed_memory()  # as the command line does
    classifier = load_classifier().prepare()
    photos = find_photos([arguments.folder])[: arguments.photos]
    methods = tuple(default_settings(name) for name in arguments.methods)
    seconds: dict[int, list[float]] = {b: [] for b in arguments.batches}
    for _ in range(arguments.rounds):
        for batch in arguments.batches:
            with TemporaryDirectory() as folder, Store(Path(folder, "results.sqlite")) as store:
                began = time.perf_counter()
                for _ in run(classifier, Plan(photos, methods, ("curves",), batch), store):
                    pass
                seconds[batch].append(time.perf_counter() - began)
    unit = median(seconds[arguments.batches[0]])
    print("| batch | photos a second | ratio to batch 1 |\n|---|---|---|")
    for batch, found in seconds.items():
        print(f"| {batch} | {len(photos) / median(found):.2f} | {unit / median(found):.2f} |")


if __name__ == "__main__":
    main()
