"""SAMP beside later path methods, on several networks: ``PYTHONPATH=. python benchmarks/record.py PHOTOS OUT.csv``.

The only later paper with SAMP in a table (Kim et al., "Spectral Integrated Gradients", KDD 2026, arXiv 2605.19607) ran
it with 5 pixels a step, 5 fragments (IC tolerance 1/5), a blur 11 pixels wide, no momentum, on probabilities. This
command measures the SAMP paper's settings beside that paper's method and ours, on the logit of each network's first
choice, by the DiffID of that paper (pixels ranked by |a|), ROAD (how much of the probability is left with the worst
pixels imputed, less that with the best, mean over 10 to 90 %) and the SAMP paper's curves. Prints a Markdown table for
each network: means, and the difference to a reference with its 95 % interval (bootstrap over photos) and p (Wilcoxon's
signed ranks, two-sided, Holm's correction over a column). A row is written as soon as it is measured; the same command
goes on where it stopped.

``--question ic``, ``baselines`` or ``s`` asks what the paper's reviewers did: whether the infinitesimal constraint
matters, how baselines move results, and what s, the pixels of one step, does.

5 pixels a step take 20,070 gradients a photo, ten minutes on two cores: "SAMP, as in SIG's table" is measured only if
named by ``--candidates``.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Callable
from itertools import product
from pathlib import Path

import pandas as pd
from scipy.stats import wilcoxon

from samp_core import SAMP, default_settings, load_classifier, load_image, make_method
from samp_core.attribution import AttributionMethod
from samp_core.baselines import GaussianBlur
from samp_core.benchmark import find_photos
from samp_core.benchmark.plan import Photo
from samp_core.benchmark.report import interval
from samp_core.bundled import BUNDLED
from samp_core.classifiers import Classifier
from samp_core.metrics import curve_step, deletion, diffid, insertion, road
from samp_core.process import keep_freed_memory
from samp_core.scores import Probability

Maker = Callable[[Classifier, int], AttributionMethod]


def registered(name: str, **changes: object) -> Maker:
    """Return what makes a registered method with its published settings, but for these."""

    def make(classifier: Classifier, target: int) -> AttributionMethod:
        return make_method(classifier, default_settings(name, target=target, **changes))

    return make


def as_in_the_table(classifier: Classifier, target: int) -> AttributionMethod:
    return SAMP(
        classifier.network,
        5,
        momentum=0.0,
        ic_tolerance=1 / 5,
        insertion_baseline=GaussianBlur(11, 5.0),
        score=Probability(),
        max_steps=20_000,
    )


_ENDS = ("zero", "blur", "mean", "noise")
QUESTIONS: dict[str, dict[str, Maker]] = {
    "methods": {
        "SIG": registered("sig"),
        "IG": registered("ig"),
        "Blur IG": registered("blur-ig"),
        "Guided IG": registered("guided-ig"),
        "SAMP": registered("samp"),
        "SAMP++": registered("samp++"),
        "SAMP steady": registered("samp-steady"),
        "SAMP clear": registered("samp-clear"),
        "SAMP, mean of 7 copies": registered("samp-instant", steps=4, momentum=0.3, copies=7),
        "SAMP refined": registered("samp-refined"),
        "SAMP, as in SIG's table": as_in_the_table,
    },
    "ic": {
        "SAMP, momentum 0.5": registered("samp", momentum=0.5),
        **{f"the same, IC 1/{n}": registered("samp", momentum=0.5, ic_tolerance=1 / n) for n in (10, 20, 50, 100, 200)},
    },
    "baselines": {
        f"SAMP, {away} and {back}": registered("samp", deletion_baseline=away, insertion_baseline=back)
        for away, back in sorted(product(_ENDS, _ENDS), key=lambda pair: pair != ("zero", "blur"))
    },
    "s": {
        f"SAMP, {s} pixels a step": registered("samp", pixels_per_step=s)
        for s in (3584, 224, 448, 896, 1792, 7168, 14336)
    },
}
"""The candidates of each question; the first is the reference."""
DEAR = ("SAMP, as in SIG's table",)
COLUMNS = {"diffid": "DiffID by abs(a)", "road": "ROAD", "ranking": "insertion - deletion"}


def measure(classifier: Classifier, photo: Photo, make: Maker) -> dict[str, float]:
    """Return the figures of one candidate on one photo."""
    inputs = classifier.preprocessing(load_image(photo.source))
    target = classifier.predict(inputs, 1)[0].index
    found = make(classifier, target).explain(inputs, target)
    network, maps, step = classifier.network, found.maps, curve_step(inputs)
    fall, rise = (curve(network, inputs, maps, target, pixels_per_step=step) for curve in (deletion, insertion))
    hits, _ = diffid(network, inputs, maps, target, signed=False)
    probability, _ = road(network, inputs, maps, target)
    return {
        "diffid": float(hits),
        "road": float((probability[0, 1] - probability[0, 0]).mean()),
        "ranking": float(rise.auc - fall.auc),
        "gradients": found.cost.gradients,
    }


def compared(values: pd.DataFrame, column: str, names: list[str]) -> dict[str, str]:
    """Return a cell for each candidate: its mean, and its difference to the first on the photos that both have."""
    table = values.pivot_table(index="photo", columns="candidate", values=column)
    cells, tests = {names[0]: f"{table[names[0]].mean():.3f}"}, {}
    for name in names[1:]:
        differences = (table[name] - table[names[0]]).dropna().to_numpy()
        cells[name] = f"{table[name].mean():.3f}"
        if len(differences) < 5 or not differences.any():
            continue
        low, high = interval(differences)
        cells[name] += f" ({differences.mean():+.3f}, {low:+.3f} to {high:+.3f}"
        tests[name] = float(wilcoxon(differences, method="approx").pvalue)
    largest = 0.0
    for k, name in enumerate(sorted(tests, key=tests.__getitem__)):  # Holm
        largest = max(largest, min(1.0, tests[name] * (len(tests) - k)))
        cells[name] += f"; p {largest:.2g})"
    return cells


def report(path: Path, networks: list[str], candidates: list[str]) -> None:
    rows = pd.read_csv(path)
    for network in networks:
        here = rows[(rows["network"] == network) & rows["candidate"].isin(candidates)]
        names = [name for name in candidates if (here["candidate"] == name).any()]
        if not names:
            continue
        columns = {column: compared(here, column, names) for column in COLUMNS}
        print(f"\n**{network}**; differences to {names[0]}\n")
        print("| | photos | gradients | " + " | ".join(COLUMNS.values()) + " |")
        print("|---" * (3 + len(COLUMNS)) + "|")
        for name in names:
            own = here[here["candidate"] == name]
            cells = " | ".join(columns[column][name] for column in COLUMNS)
            print(f"| {name} | {own['photo'].nunique()} | {own['gradients'].mean():.0f} | {cells} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path, help="a folder of photos")
    parser.add_argument("out", type=Path, help="file of the rows, csv")
    parser.add_argument("--question", choices=QUESTIONS, default="methods", help="(default: %(default)s)")
    parser.add_argument("--candidates", nargs="+", metavar="NAME", help="only these, the reference first")
    parser.add_argument("--networks", nargs="+", default=list(BUNDLED), metavar="NAME", help="(default: the bundled)")
    parser.add_argument("--last", type=int, help="so many of the last photos by name (default: all)")
    arguments = parser.parse_args()
    known = QUESTIONS[arguments.question]
    names = arguments.candidates or [name for name in known if name not in DEAR]
    if unknown := set(names) - set(known):
        parser.error(f"no candidate {', '.join(sorted(unknown))}; there are: {', '.join(known)}")
    keep_freed_memory()
    photos = list(find_photos([arguments.photos]))[-(arguments.last or 0) :]
    done = set()
    if arguments.out.exists():
        done = set(pd.read_csv(arguments.out)[["network", "photo", "candidate"]].itertuples(index=False, name=None))
    with arguments.out.open("a", newline="") as file:
        rows = csv.DictWriter(file, ["network", "photo", "candidate", *COLUMNS, "gradients"])
        if not file.tell():
            rows.writeheader()
        for network in arguments.networks:
            wanted = [unit for unit in product(photos, names) if (network, unit[0].name, unit[1]) not in done]
            if not wanted:
                continue
            classifier = load_classifier(network).prepare()
            for photo, name in wanted:
                rows.writerow({"network": network, "photo": photo.name, "candidate": name}
                              | measure(classifier, photo, known[name]))  # fmt: skip
                file.flush()
    report(arguments.out, arguments.networks, names)


if __name__ == "__main__":
    main()
