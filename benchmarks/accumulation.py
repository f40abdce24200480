"""What each accumulation rule costs and how complete it is: ``python benchmarks/accumulation.py``.

Walks the same search (momentum 0.8, IC 1/20, 3584 pixels a step, both directions) on the six sample photos through
the bundled network and adds it up by every rule; explains the logit of the network's first choice. Prints a Markdown
table: the median over photos and directions of the relative completeness gap, and gradient evaluations a photo.
"""

from __future__ import annotations

import argparse
import statistics

from samp_core import default_settings, load_classifier, load_sample
from samp_core.images import SAMPLES
from samp_core.rules import RULES
from samp_core.runs import begin


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", nargs="+", default=list(SAMPLES), choices=SAMPLES)
    parser.add_argument("--rules", nargs="+", default=list(RULES), choices=RULES)
    arguments = parser.parse_args()
    classifier = load_classifier().prepare()
    print("| rule | median relative gap | worst | gradient evaluations |\n|---|---|---|---|")
    for rule in arguments.rules:
        gaps: list[float] = []
        gradients: list[int] = []
        for name in arguments.photos:
            _, run = begin(classifier, load_sample(name), default_settings("samp-isotonic", accumulation=rule))
            for _ in run:
                pass
            explanation = run.result()
            gaps += explanation.completeness.relative.flatten().tolist()
            gradients.append(explanation.cost.gradients)
        print(f"| {rule} | {statistics.median(gaps):.2g} | {max(gaps):.2g} | {statistics.mean(gradients):.0f} |")


if __name__ == "__main__":
    main()
