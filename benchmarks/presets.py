"""Seconds that Compare's presets take on one photo: ``PYTHONPATH=. python benchmarks/presets.py [PHOTO]``.

Runs the app's own queue, methods and curves, without a browser, on the bundled network. Prints every method's seconds,
and the whole preset's also as a multiple of one gradient evaluation measured in the same run.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from statistics import median

import torch

from samp_core import Classifier, default_settings, load_classifier, load_image, load_sample
from samp_core.process import keep_freed_memory
from ui.shared.picker import presets
from ui.work.queue import Item, Queue
from ui.work.turns import Turns


def gradient_seconds(classifier: Classifier, inputs: torch.Tensor, target: int) -> float:
    """Return the median seconds of one gradient evaluation."""
    seconds = []
    for _ in range(9):
        x = inputs.clone().requires_grad_()
        start = time.perf_counter()
        torch.autograd.grad(classifier.network(x)[0, target], x)
        seconds.append(time.perf_counter() - start)
    return median(seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photo", type=Path, nargs="?", help="(default: a sample)")
    parser.add_argument("--presets", nargs="+", default=["Fast", "The paper's table"], choices=presets())
    arguments = parser.parse_args()
    keep_freed_memory()  # as the app does
    image = load_image(arguments.photo) if arguments.photo else load_sample("chelsea")
    classifier = load_classifier().prepare()
    inputs = classifier.preprocessing(image)
    target = classifier.predict(inputs, 1)[0].index
    unit = gradient_seconds(classifier, inputs, target)
    print(f"one gradient evaluation: {1000 * unit:.0f} ms")
    for preset in arguments.presets:
        items = [Item(name, default_settings(name, target=target)) for name in presets()[preset]]
        start = time.perf_counter()
        queue = Queue(classifier, image, classifier.name, items, Turns()).start()
        queue.wait(3600)
        total = time.perf_counter() - start
        for item in items:
            took = f"{item.entry.explanation.seconds:6.1f} s" if item.entry else item.error
            print(f"  {item.title:28}{took}")
        print(f"{preset}: {total:.1f} s, {total / unit:.0f} gradient evaluations' time")


if __name__ == "__main__":
    main()
