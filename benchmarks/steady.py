"""What each way of searching gives, side by side: ``PYTHONPATH=. python benchmarks/steady.py PHOTOS OUT.csv``.

Bundled network, logit of its first choice. For every photo of a folder and every candidate: ranking (insertion minus
deletion, the paper's protocol), DiffID with pixels ranked by |a|, relative gap, cancellation, share of |a| in the top
5 % of the pixels, stability (Spearman of the map and of that of the photo under noise of 1e-4) pixel by pixel and
smoothed by 2 pixels, and gradients. Of what draws also how alike two runs with other seeds are, and of several copies
which share of the pixels is firm, and which share of those keeps its sign in the other run. A row is written as soon as
it is measured; what OUT.csv holds already is not measured again. At the end the means over photos are printed, with
their standard errors.
"""

from __future__ import annotations

import argparse
import csv
import math
from collections.abc import Sequence
from pathlib import Path
from statistics import mean, stdev

import torch

from samp_core import Settings, default_settings, load_classifier, load_image, make_method
from samp_core.benchmark import find_photos
from samp_core.benchmark.plan import Photo
from samp_core.classifiers import Classifier
from samp_core.metrics import cancellation, deletion, diffid, insertion, scaled_stability, spearman, top_share
from samp_core.process import keep_freed_memory

MEAN = {"steps": 4, "momentum": 0.3, "copies": 7}  # SAMP instant on seven copies: SAMP steady before there were sweeps


def refined(way: tuple[int, ...], pull: float = 0.1, rule: str = "ordered") -> Settings:
    """Return a refined order: how many searches of how many moves, sweeps of how many states, and moves in the end."""
    names = ("searches", "search_steps", "sweeps", "states", "steps")
    return default_settings("samp-refined", **dict(zip(names, way, strict=True)), pull=pull, accumulation=rule)


def called(way: tuple[int, ...], pull: float = 0.1) -> str:
    words = "{} searches of {}, {} sweeps of {}, {} moves".format(*way)
    return words if pull == 0.1 else f"{words}, pull {pull}"


# Tried on the way for 60 gradients, or 56; with the rule `ordered`.
QUICK = (
    *((3, 4, 3, 5, 3), (3, 4, 4, 4, 2), (3, 4, 4, 3, 4), (3, 4, 4, 3, 6), (3, 4, 3, 4, 6), (2, 4, 4, 5, 2)),
    *(
        (4, 4, 2, 5, 4),
        (4, 4, 4, 2, 4),
        (4, 4, 4, 3, 2),
        (4, 3, 4, 3, 6),
        (3, 3, 4, 4, 5),
        (6, 2, 4, 3, 6),
        (5, 2, 4, 4, 4),
    ),
)
# For 200 or fewer, by pull; with the rule `falling`.
LONG: dict[float, tuple[tuple[int, ...], ...]] = {
    0.07: ((20, 3, 4, 8, 6),),
    0.08: ((20, 3, 4, 8, 6), (22, 3, 4, 7, 6), (14, 4, 4, 8, 6), (16, 4, 4, 6, 6)),
    0.1: (
        *((16, 4, 3, 10, 6), (16, 3, 4, 10, 6), (20, 3, 4, 8, 6), (24, 3, 4, 6, 4), (20, 3, 4, 9, 4), (14, 4, 4, 8, 6)),
        *((16, 3, 4, 10, 10), (16, 3, 4, 8, 12), (20, 2, 4, 8, 12), (12, 3, 4, 6, 12), (14, 3, 4, 6, 16)),
        *((12, 4, 4, 8, 12), (14, 4, 4, 6, 12), (12, 4, 4, 10, 10), (16, 4, 4, 6, 8), (10, 5, 4, 8, 12)),
    ),
    0.15: (
        *((16, 3, 4, 10, 6), (20, 3, 4, 8, 6), (24, 2, 4, 6, 10), (24, 2, 4, 10, 10), (24, 2, 4, 8, 8)),
        *((16, 3, 4, 8, 8), (16, 2, 4, 6, 8), (12, 3, 4, 6, 8), (16, 3, 4, 10, 8), (12, 4, 4, 10, 8)),
    ),
}
CANDIDATES = {
    "SAMP++": default_settings("samp++"),
    "SAMP": default_settings("samp"),
    "SAMP isotonic": default_settings("samp-isotonic"),
    "instant": default_settings("samp-instant"),
    "steady": default_settings("samp-steady"),
    "mean of 7 copies": default_settings("samp-instant", **MEAN),
    "clear": default_settings("samp-clear"),
    "IG": default_settings("ig"),
    "refined": default_settings("samp-refined"),
    # Tried on the way; not measured unless asked for.
    "steady, ordered": default_settings("samp-steady", accumulation="ordered"),
    "steady on 3 copies": default_settings("samp-steady", copies=3),
    **{called(way): refined(way) for way in QUICK},
    called((6, 2, 4, 3, 6), 0.15): refined((6, 2, 4, 3, 6), 0.15),
    **{f"{called(way, pull)}, falling": refined(way, pull, "falling") for pull, ways in LONG.items() for way in ways},
    "instant, spread": default_settings("samp-instant", accumulation="spread"),
    "instant, isotonic": default_settings("samp-instant", accumulation="isotonic"),
    "instant, falling": default_settings("samp-instant", accumulation="falling"),
    "instant, 4 moves": default_settings("samp-instant", steps=4),
    "mean of 7, spread": default_settings("samp-instant", **MEAN, accumulation="spread"),
    "mean of 7, isotonic": default_settings("samp-instant", **MEAN, accumulation="isotonic"),
    "mean of 7, monotone": default_settings("samp-instant", **MEAN, accumulation="monotone"),
    "mean of 5 of 6 moves": default_settings("samp-instant", **{**MEAN, "steps": 6, "copies": 5}),
    "mean of 10 of 3 moves": default_settings("samp-instant", **{**MEAN, "steps": 3, "copies": 10}),
    "mean of 25": default_settings("samp-instant", **{**MEAN, "copies": 25}),
    "mean of 25, ordered": default_settings("samp-instant", **{**MEAN, "copies": 25}, accumulation="ordered"),
    "mean of 20 of 5 moves, spread": default_settings(
        "samp-instant", **{**MEAN, "copies": 20, "steps": 5}, accumulation="spread"
    ),
    "mean of 7, no momentum": default_settings("samp-instant", **{**MEAN, "momentum": 0.0}),
    "mean of 7, noise 0.05": default_settings("samp-instant", **MEAN, copy_noise=0.05),
    "mean of 7, shift 1": default_settings("samp-instant", **MEAN, copy_shift=1),
    "refined, no sweeps": refined((23, 4, 0, 10, 6)),
    "refined, 5 searches and 1 sweep": refined((5, 4, 1, 10, 5)),
    "refined, 1 sweep": refined((4, 4, 1, 10, 4)),
    "refined, 1 sweep, pull 0.2": refined((4, 4, 1, 10, 4), 0.2),
    "refined, 5 sweeps": refined((12, 4, 5, 10, 10)),
    "refined, 4 sweeps of 9": refined((14, 4, 4, 9, 8)),
    "one search, monotone": default_settings("samp++", momentum=0.8, ic_tolerance=0.05, accumulation="monotone"),
}
USUAL = 9
COLUMNS = (
    *("ranking", "diffid", "gap", "cancellation", "top", "stability", "stability 2 px", "fresh", "firm", "firm kept"),
    *("gradients", "seconds"),
)


def measure(classifier: Classifier, photo: Photo, settings: Settings) -> dict[str, float]:
    """Return the figures of one candidate on one photo; NaN where it has none."""
    inputs = classifier.preprocessing(load_image(photo.source))
    target = classifier.predict(inputs, 1)[0].index
    method = make_method(classifier, settings.changed(target=target))
    found = method.explain(inputs, target)
    step = {"batch_size": 16}
    fall, rise = (c(classifier.network, inputs, found.maps, target, **step) for c in (deletion, insertion))
    noise = torch.randn(inputs.shape, generator=torch.Generator().manual_seed(99))
    noisy = method.explain(inputs + 1e-4 * noise, target).maps
    stability = scaled_stability(found.maps[0], noisy[0], (0.0, 2.0))
    fresh = firm = kept = math.nan
    if found.belief is not None or "searches" in settings.options:  # what draws
        other = make_method(classifier, settings.changed(target=target, seed=settings.seed + 1)).explain(inputs, target)
        fresh = float(spearman(found.maps, other.maps))
    if found.belief is not None:
        held = found.belief.firm
        firm = float(held.double().mean())
        kept = float((found.maps.sign() == other.maps.sign())[held].double().mean()) if held.any() else math.nan
    relative = found.completeness.relative
    hits, _ = diffid(classifier.network, inputs, found.maps, target, signed=False, **step)
    return {
        "ranking": float(rise.auc - fall.auc),
        "diffid": float(hits),
        "gap": float(relative.max()),
        "cancellation": float(cancellation(found.maps)),
        "top": float(top_share(found.maps, 0.05)),
        "stability": stability[0],
        "stability 2 px": stability[1],
        "fresh": fresh,
        "firm": firm,
        "firm kept": kept,
        "gradients": found.cost.gradients,
        "seconds": found.seconds,
    }


def read(file: Path) -> dict[tuple[str, str], dict[str, float]]:
    """Return what was measured before, by photo and candidate."""
    if not file.exists():
        return {}
    with file.open(newline="") as rows:
        return {(row["photo"], row["candidate"]): {c: float(row[c]) for c in COLUMNS} for row in csv.DictReader(rows)}


def show(known: dict[tuple[str, str], dict[str, float]], names: Sequence[str]) -> None:
    print(f"{'':38}{'photos':>7}" + "".join(f"{column:>18}" for column in COLUMNS))
    for name in names:
        rows = [values for (_, candidate), values in known.items() if candidate == name]
        if not rows:
            continue
        cells = []
        for column in COLUMNS:
            values = [row[column] for row in rows if math.isfinite(row[column])]
            error = stdev(values) / math.sqrt(len(values)) if len(values) > 1 else 0.0
            cells.append(f"{mean(values):.4g} ({error:.2g})" if values else "-")
        print(f"{name:38}{len(rows):>7}" + "".join(f"{cell:>18}" for cell in cells))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path, help="a folder of photos")
    parser.add_argument("out", type=Path, help="file of the rows, csv")
    parser.add_argument("--first", type=int, help="so many photos by name (default: all)")
    parser.add_argument("--last", type=int, help="so many of the last photos by name")
    parser.add_argument("--candidates", nargs="+", default=list(CANDIDATES)[:USUAL], choices=CANDIDATES, metavar="NAME")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    arguments = parser.parse_args()
    keep_freed_memory()
    torch.set_num_threads(arguments.threads)
    classifier = load_classifier().prepare()
    photos = list(find_photos([arguments.photos]))
    photos = photos[: arguments.first] if arguments.first else photos
    photos = photos[-arguments.last :] if arguments.last else photos
    known = read(arguments.out)
    with arguments.out.open("a", newline="") as file:
        rows = csv.DictWriter(file, ["photo", "candidate", *COLUMNS])
        if not known:
            rows.writeheader()
        for photo in photos:
            for name in arguments.candidates:
                if (photo.name, name) not in known:
                    known[photo.name, name] = measure(classifier, photo, CANDIDATES[name])
                    rows.writerow({"photo": photo.name, "candidate": name, **known[photo.name, name]})
                    file.flush()
    show(known, arguments.candidates)


if __name__ == "__main__":
    main()
