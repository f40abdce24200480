"""How long SAMP++ takes on a digit: ``PYTHONPATH=. python benchmarks/digits.py``.

Runs SAMP++ as published (10 pixels a step, both directions) on every sample digit with the prepared digit network,
and Integrated Gradients with 50 steps. Prints the median of the digits' medians in seconds, the number of gradient
evaluations, and the ratio of the search's wall time to as many bare forward and backward passes of the same batch
size, measured in the same run: so small a network leaves most of the time to everything around it.
"""

from __future__ import annotations

import argparse
import statistics
import time

import torch

from benchmarks.search_overhead import bare
from samp_core import SAMP, IntegratedGradients
from samp_core.baselines import make_baseline
from samp_core.digits import load_digits, samples


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="(default: %(default)s)")
    parser.add_argument("--threads", type=int, default=1, help="as the app does (default: %(default)s)")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)

    classifier = load_digits().prepare()
    blur = make_baseline("blur", classifier.preprocessing)
    samp = SAMP.samp_plus_plus(classifier.network, pixels_per_step=10, insertion_baseline=blur)
    ig = IntegratedGradients(classifier.network)
    searches, lines, ratios, evaluations = [], [], [], []
    for image in samples().values():
        inputs = classifier.preprocessing(image)
        target = classifier.predict(inputs, 1)[0].index
        pair = inputs.repeat(2, 1, 1, 1)
        walls, straight, single = [], [], []
        for _ in range(arguments.rounds):
            began = time.perf_counter()
            found = samp.explain(inputs, target)
            walls.append(time.perf_counter() - began)
            began = time.perf_counter()
            ig.explain(inputs, target)
            straight.append(time.perf_counter() - began)
            single += [bare(classifier.network, pair, target) for _ in range(20)]
        searches.append(statistics.median(walls))
        lines.append(statistics.median(straight))
        evaluations.append(found.cost.gradients)
        ratios.append(searches[-1] / (int(found.steps.max()) * statistics.median(single)))
    print(
        f"SAMP++ {statistics.median(searches):.3f} s (slowest digit {max(searches):.3f}), "
        f"{statistics.median(evaluations):.0f} gradient evaluations; IG {statistics.median(lines):.3f} s"
    )
    print(f"search over its bare gradient evaluations: {statistics.median(ratios):.2f}")


if __name__ == "__main__":
    main()
