"""What lower precision and compiling would give: ``PYTHONPATH=. python benchmarks/precision.py PHOTOS``.

Runs the same network as it is, in lower precision by torch's autocast (bfloat16; on CUDA also float16, and float32
with TF32), and compiled (on CUDA with its graphs). Prints for each the time of a gradient evaluation over float32's,
measured in turns in the same run, and the rank correlation (Spearman) of methods' maps with those of float32, mean over
photos. The first line is what rounding alone does: float32 in another memory layout. ``prepare()`` would take a variant
only where maps keep 0.99, or what they keep under rounding.
"""

from __future__ import annotations

import argparse
import copy
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import mean, median

import torch
from torch import Tensor, nn

from samp_core import Classifier, default_settings, load_classifier, load_image, make_method
from samp_core.benchmark import find_photos
from samp_core.devices import find_device
from samp_core.metrics.agreement import spearman
from samp_core.process import keep_freed_memory

METHODS = ("gradient", "ig", "samp", "samp-steady")


class Variant(nn.Module):
    """A network asked in another way, with its answer in float32."""

    def __init__(self, network: nn.Module, ask: Callable[[nn.Module, Tensor], Tensor]) -> None:
        super().__init__()
        self.network, self.ask = network, ask

    def forward(self, x: Tensor) -> Tensor:
        return self.ask(self.network, x).float()


def lower(dtype: torch.dtype) -> Callable[[nn.Module, Tensor], Tensor]:
    def ask(network: nn.Module, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, dtype):
            answer: Tensor = network(x)
        return answer

    return ask


def with_tf32(network: nn.Module, x: Tensor) -> Tensor:
    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    torch.set_float32_matmul_precision("high")
    torch.backends.cudnn.allow_tf32 = True
    try:
        answer: Tensor = network(x)
    finally:
        torch.set_float32_matmul_precision(before[0])
        torch.backends.cudnn.allow_tf32 = before[1]
    return answer


def seconds(networks: dict[str, nn.Module], x: Tensor, rounds: int) -> dict[str, float]:
    """Return the median time of a gradient evaluation of each, measured in turns."""
    found: dict[str, list[float]] = {name: [] for name in networks}
    for _ in range(rounds + 1):  # the first does not count
        for name, network in networks.items():
            inputs = x.clone().requires_grad_()
            began = time.perf_counter()
            gradient = torch.autograd.grad(network(inputs).sum(), inputs)[0]
            float(gradient.sum())  # an accelerator has done its work then
            found[name].append(time.perf_counter() - began)
    return {name: median(values[1:]) for name, values in found.items()}


def maps(classifier: Classifier, pictures: Tensor, targets: list[int]) -> dict[str, list[Tensor]]:
    """Return each method's map of each picture's class."""
    return {
        method: [
            make_method(classifier, default_settings(method, target=target))
            .explain(inputs.unsqueeze(0), target)
            .maps.float()
            for inputs, target in zip(pictures, targets, strict=True)
        ]
        for method in METHODS
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path, help="a folder of photos")
    parser.add_argument("--network", default="efficientnet_lite0", help="(default: %(default)s)")
    parser.add_argument("--device", default="auto", help="(default: %(default)s)")
    parser.add_argument("--count", type=int, default=8, help="photos (default: %(default)s)")
    parser.add_argument("--batch", type=int, default=8, help="images of a timed gradient (default: %(default)s)")
    parser.add_argument("--compile", action="store_true", help="measure compiling, too; it takes minutes")
    arguments = parser.parse_args()
    keep_freed_memory()
    classifier = load_classifier(arguments.network).to(find_device(arguments.device)).prepare()
    photos = [photo.source for photo in find_photos([arguments.photos])[: arguments.count]]
    network, on_cuda = classifier.network, classifier.device.type == "cuda"
    plain = copy.deepcopy(network).to(memory_format=torch.contiguous_format)
    variants: dict[str, nn.Module] = {
        "float32, another layout": plain,
        "bfloat16": Variant(network, lower(torch.bfloat16)),
    }
    if on_cuda:
        variants |= {"float16": Variant(network, lower(torch.float16)), "TF32": Variant(network, with_tf32)}
    if arguments.compile:
        variants["compiled"] = torch.compile(network, mode="reduce-overhead" if on_cuda else "default", dynamic=False)
    pictures = torch.cat([classifier.inputs(load_image(photo)) for photo in photos])
    print(f"{classifier.name} on {classifier.device}, {torch.get_num_threads()} threads, {len(photos)} photos")
    print("| | gradient, 1 image | " + f"{arguments.batch} images | " + " | ".join(METHODS) + " |")
    print("|---" * (3 + len(METHODS)) + "|")
    times = []
    for size in (1, arguments.batch):
        batch = pictures[torch.arange(size) % len(pictures)]
        took = seconds({"": network, **variants}, batch, 9)
        times.append({name: value / took[""] for name, value in took.items()})
    targets = [classifier.predict(inputs.unsqueeze(0), 1)[0].index for inputs in pictures]
    own = maps(classifier, pictures, targets)
    for name, variant in variants.items():
        cells = [f"{each[name]:.2f}" for each in times]
        found = maps(replace(classifier, network=variant), pictures, targets)
        cells += [f"{mean(map(float, map(spearman, own[method], found[method]))):.3f}" for method in METHODS]
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
