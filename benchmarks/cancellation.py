"""What a method does to a map's credit: ``python benchmarks/cancellation.py``.

Explains the logit of the bundled network's first choice on the six sample photos, each method with its published
settings, SAMP's path also under other rules. Prints a Markdown table of medians over the photos, least and most in
brackets: the share of |a| that the top 5 % of the pixels hold, cancellation (sum |a| / |sum a|, 1 if all pixels have
the same sign), the share of pixels with positive credit, Var(a) of the map divided by its mean (so that maps of other
sums compare), and the largest relative completeness gap.
"""

from __future__ import annotations

import argparse
import statistics
from collections import defaultdict

import torch

from samp_core import default_settings, load_classifier, load_sample
from samp_core.images import SAMPLES
from samp_core.metrics import cancellation, top_share, variance
from samp_core.runs import begin

ROWS = {
    "Integrated Gradients": default_settings("ig"),
    "Integrated Gradients from blur": default_settings("ig", insertion_baseline="blur"),
    "SAMP": default_settings("samp"),
    "SAMP, isotonic rule": default_settings("samp", accumulation="isotonic"),
    "SAMP++": default_settings("samp++"),
    "SAMP++, isotonic rule": default_settings("samp++", accumulation="isotonic"),
    "SAMP isotonic": default_settings("samp-isotonic"),
    "SAMP, line integral (Gauss, 16 nodes)": default_settings("samp", accumulation="gauss"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", nargs="+", default=list(SAMPLES), choices=SAMPLES)
    parser.add_argument("--threads", type=int, default=1, help="of the arithmetic: another number makes other maps")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    classifier = load_classifier().prepare()
    print("| map | top 5 % hold | cancellation | pixels for the class | Var(a / mean) | completeness gap |")
    print("|---|---|---|---|---|---|")
    for title, settings in ROWS.items():
        numbers: dict[str, list[float]] = defaultdict(list)
        for name in arguments.photos:
            _, run = begin(classifier, load_sample(name), settings)
            for _ in run:
                pass
            explanation = run.result()
            maps = explanation.maps
            numbers["top"].append(100 * top_share(maps, 0.05).item())
            numbers["cancellation"].append(cancellation(maps).item())
            numbers["positive"].append(100 * (maps > 0).float().mean().item())
            numbers["variance"].append(variance(maps / maps.mean()).item())
            numbers["gap"].append(explanation.completeness.relative.max().item())
        words = {
            key: f"{statistics.median(values):.3g} ({min(values):.3g} to {max(values):.3g})"
            for key, values in numbers.items()
        }
        words["top"] += " %"
        words["positive"] += " %"
        print(f"| {title} | {' | '.join(words.values())} |", flush=True)


if __name__ == "__main__":
    main()
