"""How much a search costs beyond its gradient evaluations: ``PYTHONPATH=. python benchmarks/search_overhead.py``.

Runs the greedy search without momentum and constraint (both directions, 14 and 6 steps, the rules ``paper`` and
``isotonic``) on the bundled network, start, every step and the final result included, and compares its CPU time with
the number of batched gradient evaluations times the time of one bare forward and backward pass of the same prepared
network at the same batch size, both measured in this run, alternating. Prints ratios: 1 would be a search for free.

The CPU time of one thread is taken, because it hardly depends on what else the machine does.
"""

from __future__ import annotations

import argparse
import statistics
import time

import torch

from samp_core import SAMP, load_classifier, load_sample
from samp_core.process import keep_freed_memory
from samp_core.scores import Cost


def bare(network: torch.nn.Module, images: torch.Tensor, target: int) -> float:
    """Return the seconds of one forward and backward pass."""
    leaf = images.detach().requires_grad_()
    began = time.thread_time()
    torch.autograd.grad(network(leaf)[:, target].sum(), leaf)
    return time.thread_time() - began


def search(samp: SAMP, inputs: torch.Tensor, pair: torch.Tensor, target: int) -> tuple[float, list[float], Cost]:
    """Return the seconds of a search, those of a bare pass beside each of its steps, and what the search asked."""
    # Step and bare pass alternate, so that whatever else the machine does slows both alike.
    seconds, passes = 0.0, []
    began = time.thread_time()
    run = samp.start(inputs, target)
    while next(iter(run), None) is not None:
        seconds += time.thread_time() - began
        passes.append(bare(samp.forward_func, pair, target))
        began = time.thread_time()
    cost = run.result().cost
    return seconds + time.thread_time() - began, passes, cost


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7, help="(default: %(default)s)")
    parser.add_argument("--photo", default="chelsea", help="sample photo (default: %(default)s)")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    keep_freed_memory()  # as page and command line do

    classifier = load_classifier().prepare()
    inputs = classifier.preprocessing(load_sample(arguments.photo))
    target = classifier.predict(inputs, 1)[0].index
    pair = torch.cat([inputs, torch.zeros_like(inputs)])
    for _ in range(3):
        bare(classifier.network, pair, target)
    print("| rule | steps | gradient evaluations | forward evaluations | bare pass of a pair, ms | ratio |")
    print("|---|---|---|---|---|---|")
    for steps in (14, 6):
        for rule in ("paper", "isotonic"):
            samp = SAMP.samp(classifier.network, steps=steps, accumulation=rule)
            found = [search(samp, inputs, pair, target) for _ in range(arguments.rounds)]
            ratios = [seconds / sum(passes) for seconds, passes, _ in found]
            unit, cost = 1000 * statistics.median(t for _, passes, _ in found for t in passes), found[0][2]
            print(
                f"| {rule} | {steps} | {cost.gradients} | {cost.forwards} | {unit:.0f} "
                f"| {statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f}) |",
                flush=True,
            )


if __name__ == "__main__":
    main()
