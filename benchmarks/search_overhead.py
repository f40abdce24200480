"""How much a search costs beyond its gradient evaluations: ``python benchmarks/search_overhead.py``.

Runs SAMP as published (3584 pixels a step, both directions) on the bundled network and compares its wall time with
the number of batched gradient evaluations times the time of one bare forward and backward pass of the same prepared
network at the same batch size, both measured in this run, alternating. Prints a ratio: 1 would be a search for free.
"""

from __future__ import annotations

import argparse
import statistics
import time

import torch

from samp_core import SAMP, load_classifier, load_sample


def bare(network: torch.nn.Module, images: torch.Tensor, target: int) -> float:
    """Return the seconds of one forward and backward pass."""
    leaf = images.detach().requires_grad_()
    began = time.perf_counter()
    torch.autograd.grad(network(leaf)[:, target].sum(), leaf)
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7, help="(default: %(default)s)")
    parser.add_argument("--threads", type=int, default=2, help="(default: %(default)s)")
    parser.add_argument("--photo", default="chelsea", help="sample photo (default: %(default)s)")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)

    classifier = load_classifier().prepare()
    inputs = classifier.preprocessing(load_sample(arguments.photo))
    target = classifier.predict(inputs, 1)[0].index
    samp = SAMP.samp(classifier.network)
    pair = torch.cat([inputs, torch.zeros_like(inputs)])
    for _ in range(3):
        bare(classifier.network, pair, target)

    ratios, units = [], []
    for _ in range(arguments.rounds):
        # Step and bare pass alternate, so that whatever else the machine does slows both alike.
        searching, passes = 0.0, []
        began = time.perf_counter()
        run = samp.start(inputs, target)
        while next(iter(run), None) is not None:
            searching += time.perf_counter() - began
            passes.append(bare(classifier.network, pair, target))
            began = time.perf_counter()
        searching += time.perf_counter() - began
        units += passes
        ratios.append(searching / sum(passes))
        explanation = run.result()
        steps = len(passes)
    print(f"steps a direction              {explanation.steps[:, 0].tolist()}")
    print(f"gradient evaluations           {steps} batches of 2 images")
    print(f"bare forward and backward      {1000 * statistics.median(units):.1f} ms (median)")
    print(f"search / bare evaluations      {statistics.median(ratios):.3f} (median of {arguments.rounds}; "
          f"{min(ratios):.3f} to {max(ratios):.3f})")  # fmt: skip


if __name__ == "__main__":
    main()
