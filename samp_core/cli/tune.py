"""``tune``: one or two knobs of a method, swept."""

from __future__ import annotations

import argparse

from samp_core.benchmark import COST, Plan, Store, StoreError, find_photos
from samp_core.benchmark.engine import DeviceError, settle_threads
from samp_core.benchmark.report import better
from samp_core.cli.benchmark import add_metrics, check_exports, measure_all
from samp_core.cli.shared import add_conditions, add_network, add_options, given_options, load_network, place, positive
from samp_core.methods import METHODS, default_settings
from samp_core.metrics import METRICS
from samp_core.sweep import FORMATS, gathered, read_axis, settings_of, write

FAILURES = (DeviceError,)
FAULTS = (StoreError,)
_METRICS = ("curves", "gap", "cancellation", "concentration", "stability")


def fill(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.description = (
        "Sweep one or two knobs of a method over a photo, several, or folders, and print what each setting gives, "
        "means over photos. * marks the settings that nothing beats: none is as good in both "
        "numbers of --trade and better in one. Every number is written as soon as it exists; the same command goes on "
        "where it was stopped, and a wider sweep uses what a narrower one has measured."
    )
    parser.epilog = (
        f"Example: {parser.prog} cat.jpg --sweep momentum=0:0.9:0.3 --sweep ic_tolerance=1/10,1/20,1/50 "
        "--out tune.sqlite --export tune.html"
    )
    parser.add_argument("images", metavar="IMAGE", type=place, nargs="+", help="photos, or folders of them")
    parser.add_argument(
        "--sweep", metavar="KNOB=VALUES", action="append", required=True,
        help="a knob and its values: first:last:step, or values with commas between; once or twice",
    )  # fmt: skip
    parser.add_argument("--out", metavar="FILE", type=place, required=True, help="SQLite file of the results")
    add_metrics(parser, _METRICS)
    parser.add_argument(
        "--trade", metavar="A,B", default="difference,gradients", help="two numbers to weigh (default: %(default)s)"
    )
    parser.add_argument("--limit", type=positive, metavar="N", help="only the first N photos, by name")
    parser.add_argument(
        "--export", metavar="FILE", type=place, action="append", default=[], help=f"also write {', '.join(FORMATS)}"
    )
    parser.add_argument("--threads", type=positive, metavar="N", help="CPU threads (default: as many as torch takes)")
    parser.add_argument("--quiet", action="store_true", help="no progress and no table")
    parser.set_defaults(engine="local")
    add_network(parser)
    how = parser.add_argument_group("how (what is not swept; defaults are the method's published settings)")
    how.add_argument("--method", default="samp", choices=list(METHODS), help="(default: %(default)s)")
    add_conditions(how, 8, "; half as many photos are explained together")
    add_options(how)


def run(arguments: argparse.Namespace) -> int:
    """Measure what is not measured yet, and report; returns the exit status.

    Raises:
        ValueError: an argument cannot be used.
    """
    check_exports(arguments.export, FORMATS)
    method = METHODS[arguments.method]
    axes = [read_axis(method, text) for text in arguments.sweep]
    base = default_settings(method.name, seed=arguments.seed, **given_options(arguments, method))
    plan = Plan(
        find_photos(arguments.images)[: arguments.limit],
        settings_of(base, axes),
        arguments.metrics,
        arguments.batch,
        arguments.seed,
    )
    trade = _trade(arguments.trade, plan)
    settle_threads(arguments.threads)
    classifier = load_network(arguments).prepare()
    with Store(arguments.out) as store:
        interrupted = measure_all(classifier, plan, store, arguments)
        sweep = gathered(store, plan, classifier, axes, trade)
    if not arguments.quiet:
        shown = sweep.frame[[*sweep.knobs, *sweep.numbers]].copy()
        shown.insert(0, "", ["*" if best else "" for best in sweep.frame["front"]])
        print(shown.to_string(index=False, float_format=lambda value: f"{value:.4g}", na_rep="-"))
        for number in sweep.numbers:
            if words := sweep.wins(number):
                print(f"{words}.")
        for column, protocol in sweep.protocols.items():
            print(f"{column}: {protocol}.")
    for path in arguments.export:
        write(sweep, path)
    return 130 if interrupted else 0


def _trade(text: str, plan: Plan) -> tuple[str, str]:
    known = [name for name in (*(c.name for m in plan.metrics for c in METRICS[m].columns), *COST) if better(name)]
    names = [name.strip() for name in text.split(",")]
    if len(set(names)) != 2 or not set(names) <= set(known):
        raise ValueError(f"--trade {text} must be two of: {', '.join(known)}.")
    return names[0], names[1]
