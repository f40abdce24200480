"""Deletion and insertion of many methods over a folder of photos: ``python benchmarks/paper_table.py FOLDER``.

Explains the logit of the network's first choice on every photo with every method's published settings and measures
the paper's protocol (1792 pixels a step, logit divided by the photo's, zeros for deletion, blur for insertion). Every
row is appended to a csv file as soon as it exists; the same command goes on where it stopped. Prints a Markdown table
of means.
"""

from __future__ import annotations

import argparse
import csv
from collections import defaultdict
from pathlib import Path
from statistics import mean, stdev

from samp_core import PathError, default_settings, load_classifier, load_image
from samp_core.attribution import UnsupportedError
from samp_core.compare import Entry, measure, table
from samp_core.methods import METHODS
from samp_core.process import keep_freed_memory
from samp_core.runs import begin

METHOD_NAMES = (
    *("samp", "samp++", "samp-isotonic", "ig", "blur-ig", "guided-ig", "gradient-shap", "smoothgrad", "deeplift"),
    *("grad-cam", "grad-cam++", "layer-cam", "score-cam", "occlusion", "rise", "xrai", "edges", "random"),
)
FIELDS = ("photo", "method", "deletion", "insertion", "difference", "gap", "seconds")


def report(path: Path) -> None:
    """Print the means of all rows measured so far."""
    rows = defaultdict(list)
    with path.open() as file:
        for row in csv.DictReader(file):
            rows[row["method"]].append({k: float(row[k]) if row[k] else None for k in FIELDS[2:]})
    print("| method | photos | deletion | insertion | difference (standard error) | seconds |")
    print("|---|---|---|---|---|---|")
    for name, found in sorted(rows.items(), key=lambda item: -mean(r["difference"] for r in item[1])):
        differences = [r["difference"] for r in found]
        error = stdev(differences) / len(differences) ** 0.5 if len(differences) > 1 else float("nan")
        print(
            f"| {METHODS[name].title} | {len(found)} | {mean(r['deletion'] for r in found):.2f} "
            f"| {mean(r['insertion'] for r in found):.2f} | {mean(differences):.2f} ({error:.2f}) "
            f"| {mean(r['seconds'] for r in found):.1f} |"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--photos", type=int, default=20, help="first so many by name (default: %(default)s)")
    parser.add_argument("--methods", nargs="+", default=METHOD_NAMES, choices=METHODS)
    parser.add_argument("--out", type=Path, default=Path("results/paper_table.csv"), help="(default: %(default)s)")
    arguments = parser.parse_args()
    keep_freed_memory()
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    known = set()
    if arguments.out.exists():
        with arguments.out.open() as file:
            known = {(row["photo"], row["method"]) for row in csv.DictReader(file)}
    photos = sorted(p for p in arguments.folder.iterdir() if p.suffix.lower() in (".jpeg", ".jpg", ".png"))
    classifier = load_classifier().prepare()
    with arguments.out.open("a", newline="") as file:
        writer = csv.DictWriter(file, FIELDS)
        if not file.tell():
            writer.writeheader()
        for path in photos[: arguments.photos]:
            image = load_image(path)
            target = classifier.predict(classifier.preprocessing(image), 1)[0].index
            for name in arguments.methods:
                if (path.name, name) in known:
                    continue
                try:
                    settings, run = begin(classifier, image, default_settings(name, target=target))
                    for _ in run:
                        pass
                    row = table([measure(classifier, image, Entry(settings, run.result()))])[0]
                except (PathError, UnsupportedError) as error:
                    print(f"{path.name}, {name}: {error}")
                    continue
                writer.writerow({"photo": path.name, **{k: row[k] for k in FIELDS[2:]}, "method": name})
                file.flush()
    report(arguments.out)


if __name__ == "__main__":
    main()
