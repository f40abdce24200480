"""``benchmark``: many images by many methods, measured, into a file that survives a kill."""

from __future__ import annotations

import argparse
import math
import signal
import sys
from collections.abc import Collection, Iterable
from pathlib import Path

from tqdm import tqdm

from samp_core.benchmark import (
    DEFAULT_METHODS,
    DEFAULT_METRICS,
    Plan,
    Results,
    Stopped,
    Store,
    export,
    find_photos,
    markdown,
    measurable,
    summary,
)
from samp_core.benchmark import load as load_results
from samp_core.benchmark import run as run_here
from samp_core.benchmark.cluster import run as run_on_ray
from samp_core.benchmark.engine import DeviceError, settle_threads
from samp_core.benchmark.report import FORMATS, INTERVALS
from samp_core.benchmark.store import StoreError
from samp_core.classifiers import Classifier
from samp_core.cli.shared import add_conditions, add_methods, add_network, check_folder, load_network, place, positive
from samp_core.methods import default_settings

FAILURES = (DeviceError,)
FAULTS = (StoreError,)  # a bad file of results is a ValueError too, but the command itself was well formed


def fill(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.description = (
        "Measure methods by metrics on every photo of a folder, and print means with intervals. Every "
        "number is written as soon as it exists; the same command goes on where it was stopped, however it was "
        "stopped, and several processes may work on one file. With only --out, the file is reported on."
    )
    parser.epilog = f"Example: {parser.prog} photos --methods samp,samp++,ig --out results.sqlite"
    parser.add_argument("folder", metavar="DIR", type=place, nargs="?", help="folder of photos, with its subfolders")
    parser.add_argument("--images", metavar="FILE", type=place, nargs="+", default=[], help="photos, one by one")
    parser.add_argument("--out", metavar="FILE", type=place, required=True, help="SQLite file of the results")
    add_methods(parser, DEFAULT_METHODS)
    add_metrics(parser, DEFAULT_METRICS)
    parser.add_argument("--limit", type=positive, metavar="N", help="only the first N photos, by name")
    add_conditions(parser, 8, "; half as many photos are explained together; halved where memory does not suffice")
    parser.add_argument("--threads", type=positive, metavar="N", help="CPU threads (default: as many as torch takes)")
    parser.add_argument(
        "--engine",
        choices=("local", "ray"),
        default="local",
        help="'ray' for data sets that outgrow one machine; needs requirements-ray.txt (default: local)",
    )
    parser.add_argument("--address", metavar="A", help="of a running Ray cluster; one is started here without it")
    parser.add_argument(
        "--against", metavar="NAME", help="test the other methods against this one: its name, or as the table names it"
    )
    parser.add_argument("--retry", action="store_true", help="also try again what could not be measured before")
    parser.add_argument(
        "--export", metavar="FILE", type=place, action="append", default=[], help=f"also write {', '.join(FORMATS)}"
    )
    parser.add_argument("--quiet", action="store_true", help="no progress and no table")
    add_network(parser)


def add_metrics(parser: argparse.ArgumentParser, default: tuple[str, ...]) -> None:
    """Add the choice of metrics."""
    parser.add_argument(
        "--metrics",
        type=lambda text: tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip())),
        default=default,
        metavar="NAMES",
        help=f"names with commas between; known: {', '.join(measurable())} (default: {','.join(default)})",
    )


def check_exports(paths: Iterable[Path], endings: Collection[str]) -> None:
    """Make sure before the work begins that the results can be exported to these files.

    Raises:
        ValueError: an ending is unknown, or a folder cannot be written into.
    """
    for path in paths:
        if path.suffix.lower() not in endings:
            raise ValueError(f"--export {path}: the ending must be one of {', '.join(endings)}.")
        check_folder("--export", path.parent)


def run(arguments: argparse.Namespace) -> int:
    """Measure what is not measured yet, and report; returns the exit status."""
    check_exports(arguments.export, FORMATS)
    sources = [*([arguments.folder] if arguments.folder else []), *arguments.images]
    if arguments.against and not (sources and arguments.against in arguments.methods):
        _check_against(arguments)
    interrupted = False
    asked: set[str] = set()
    if sources:
        plan = Plan(
            find_photos(sources)[: arguments.limit],
            tuple(default_settings(name, seed=arguments.seed) for name in arguments.methods),
            arguments.metrics,
            arguments.batch,
            arguments.seed,
        )
        settle_threads(arguments.threads)
        classifier = load_network(arguments).prepare()
        asked = {c.fingerprint for c in plan.configurations(classifier, plan.conditions(classifier))}
        with Store(arguments.out) as store:
            if arguments.retry:
                store.forget_failures()
            interrupted = measure_all(classifier, plan, store, arguments)
    with Store(arguments.out, read_only=True) as store:
        results = load_results(store)
    against = _against(results, arguments.against, asked) if arguments.against and len(results.frame) else None
    if not arguments.quiet:
        _print_results(results, against)
    for path in arguments.export:
        export(results, path, against)
    return 130 if interrupted else 0


def _check_against(arguments: argparse.Namespace) -> None:
    """Find out before anything is measured whether there will be anything to test against.

    Raises:
        ValueError: there will not.
    """
    if not arguments.out.exists():
        raise ValueError(
            f"--against {arguments.against}: that is not among the methods to measure. Add it to --methods, or test "
            f"against one of: {', '.join(arguments.methods)}."
        )
    with Store(arguments.out, read_only=True) as store:
        _against(load_results(store), arguments.against, set())


def _against(results: Results, name: str, asked: set[str]) -> str:
    """Return the label of the method to test against; of several, the one that this command has measured.

    Raises:
        ValueError: there is none, or there are several.
    """
    if name in results.labels:
        return name
    pairs = results.frame[["label", "method"]].drop_duplicates()
    labels = pairs.loc[pairs["method"] == name, "label"].tolist()
    labels = [label for label in labels if results.fingerprints[label] in asked] or labels
    if len(labels) == 1:
        return str(labels[0])
    if labels:
        raise ValueError(f"--against {name}: there are several of it. Name one of: {', '.join(map(repr, labels))}.")
    raise ValueError(
        f"--against {name}: there are no results of it, and it is not among the methods to measure. Add it to "
        f"--methods, or test against one of: {', '.join(map(repr, results.labels))}."
    )


def measure_all(classifier: Classifier, plan: Plan, store: Store, arguments: argparse.Namespace) -> bool:
    """Carry a plan out with a progress bar; returns whether it was interrupted."""
    interrupted = False

    def stop(*_: object) -> None:
        nonlocal interrupted
        interrupted = True

    def tick() -> None:
        if interrupted:
            raise Stopped

    if arguments.engine == "ray":
        work = run_on_ray(classifier, plan, store, device=str(classifier.device), address=arguments.address)
    else:
        work = run_here(classifier, plan, store, tick=tick)
    before = signal.signal(signal.SIGINT, stop)
    failures: dict[str, str] = {}
    notes: tuple[str, ...] = ()
    try:
        with tqdm(
            total=len(plan.photos) * len(plan.methods), disable=arguments.quiet, unit="map", dynamic_ncols=True
        ) as bar:
            for progress in work:
                bar.set_postfix_str(progress.now)
                bar.update(progress.done - bar.n)
                for name in progress.failures.keys() - failures.keys():
                    bar.write(f"{name} is left out: {progress.failures[name]}", file=sys.stderr)
                failures = dict(progress.failures)
                for note in progress.notes[len(notes) :]:
                    bar.write(f"Note: {note}", file=sys.stderr)
                notes = progress.notes
                if interrupted:
                    break
    except Stopped:
        pass
    finally:
        signal.signal(signal.SIGINT, before)
    if interrupted:
        print("Interrupted; the same command goes on from here.", file=sys.stderr)
    return interrupted


def _print_results(results: Results, against: str | None) -> None:
    print(markdown(results))
    print(f"\n{INTERVALS}.")
    print("The explained class is the network's first choice on each photo.")
    for title, words in results.protocols.items():
        print(f"{title}: {words}.")
    for words, count in results.conditions.items():
        print(f"{count} numbers were made with: {words}.")
    if len(set(results.planned.values())) > 1:
        for label, words in results.planned.items():
            print(f"{label}: {words}.")
    for words in results.failures:
        print(f"Not measured: {words}")
    made = summary(results, against)
    print("\nMean rank (1 is best):")
    for column, part in made.dropna(subset="rank").groupby("column", sort=False):
        places = ", ".join(f"{r['method']} {r['rank']:.2f}" for r in part.sort_values("rank").to_dict("records"))
        print(f"{column}: {places}")
    if against and "p" in made:
        print(f"\nAgainst {against} (Wilcoxon signed-rank, two-sided, Benjamini-Hochberg within a column):")
        for row in made.dropna(subset="p").to_dict("records"):
            wins = "" if math.isnan(row["wins"]) else f", better on {100 * row['wins']:.0f} %"
            print(f"{row['column']}: {row['method']} {row['difference']:+.3g}{wins}, p = {row['p']:.2g}")
