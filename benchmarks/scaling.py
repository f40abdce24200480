"""How speed and memory grow with photos and sides: ``PYTHONPATH=. python benchmarks/scaling.py``.

Bundled network. For every number of images and side, the seconds of a method over those of as many bare gradient
evaluations in the same batches, measured in the same run; and the memory that it needs at its peak beyond what was in
use before, an image, each in a process of its own (Linux alone says how much that is). At the end, side by side on one
photo of 224 x 224, the same methods of other libraries.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import torch
from torch import Tensor

from samp_core import IntegratedGradients, default_settings, load_classifier, load_sample, make_method
from samp_core.classifiers import Classifier
from samp_core.process import keep_freed_memory

METHODS = ("samp", "samp-instant", "samp-steady", "ig")
BATCH = 16


def seconds(work: Callable[[], object], repeats: int) -> float:
    """Return the median seconds of some work."""
    taken = []
    for _ in range(repeats):
        begin = time.perf_counter()
        work()
        taken.append(time.perf_counter() - begin)
    return median(taken)


def bare(network: torch.nn.Module, images: Tensor) -> None:
    """Evaluate the gradient of one logit of every image, at most :data:`BATCH` at a time."""
    for part in images.split(BATCH):
        leaf = part.clone().requires_grad_()
        torch.autograd.grad(network(leaf)[:, 281].sum(), leaf)


def _status(name: str) -> int:
    line = next(s for s in Path("/proc/self/status").read_text().splitlines() if s.startswith(name))
    return 1024 * int(line.split()[1])


def peak(name: str, count: int, side: int) -> float | None:
    """Return how many MiB an image a method needs at most beyond network and images; None where nobody says."""
    command = [sys.executable, __file__, "--peak", name, str(count), str(side)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(done.stdout) / count / 2**20 if done.stdout.strip() else None


def say_peak(name: str, count: int, side: int) -> None:
    """Print by how many bytes memory grows at most while a method works; nothing where nobody says."""
    refs = Path("/proc/self/clear_refs")
    if not refs.exists():
        return
    classifier, images = load_classifier().prepare(), torch.zeros(count, 3, side, side)
    method = make_method(classifier, default_settings(name, target=281, batch_size=BATCH))
    classifier.network(images[:1])
    refs.write_text("5")  # the highest use so far is what is used now
    before = _status("VmRSS")
    method.explain(photos(classifier, count, side), 281)
    print(_status("VmHWM") - before)


def photos(classifier: Classifier, count: int, side: int) -> Tensor:
    """Return so many images of one side, all different."""
    photo = classifier.preprocessing(load_sample("chelsea"))
    one = torch.nn.functional.interpolate(photo, (side, side), mode="bilinear")
    return torch.cat([one.roll(k, 3) for k in range(count)])


def growth(classifier: Classifier, counts: list[int], sides: list[int], repeats: int) -> None:
    print(f"{'side':>5}{'images':>8}{'bare gradient':>15}" + "".join(f"{name:>24}" for name in METHODS))
    for side in sides:
        for count in counts:
            images = photos(classifier, count, side)
            batch = images[:BATCH]
            bare(classifier.network, batch)  # the first one sets up what the others use
            each = seconds(lambda batch=batch: bare(classifier.network, batch), 3 * repeats) / len(batch)  # type: ignore[misc]
            cells = []
            for name in METHODS:
                method = make_method(classifier, default_settings(name, target=281, batch_size=BATCH))
                gradients = method.explain(images, 281).cost.gradients
                ratio = seconds(lambda m=method, x=images: m.explain(x, 281), repeats) / (gradients * each)  # type: ignore[misc]
                used = peak(name, count, side)
                cells.append(f"{ratio:.2f}" + ("" if used is None else f", {used:.0f} MB an image"))
            print(f"{side:>5}{count:>8}{1000 * each:>12.1f} ms" + "".join(f"{cell:>24}" for cell in cells), flush=True)


def beside(classifier: Classifier, repeats: int) -> None:
    """Time the same methods here and in other libraries, on one photo."""
    from captum import attr  # noqa: PLC0415
    from torchcam.methods import GradCAM  # noqa: PLC0415

    image = classifier.preprocessing(load_sample("chelsea"))
    network = classifier.network

    def ours(name: str, **options: object) -> Callable[[], object]:
        method = make_method(classifier, default_settings(name, target=281, **options))
        return lambda: method.explain(image, 281)

    def cam() -> object:
        extractor = GradCAM(network, "_swish")
        try:
            return extractor(281, network(image.clone().requires_grad_()))
        finally:
            extractor.remove_hooks()

    noise = attr.NoiseTunnel(attr.Saliency(network))
    theirs: dict[str, tuple[Callable[[], object], Callable[[], object]]] = {
        "Integrated Gradients, 50 steps": (
            lambda: IntegratedGradients(network, 50, batch_size=BATCH).explain(image, 281),
            lambda: attr.IntegratedGradients(network).attribute(
                image, target=281, n_steps=50, internal_batch_size=BATCH
            ),
        ),
        "SmoothGrad, 25 samples": (
            ours("smoothgrad", samples=25),
            lambda: noise.attribute(image, target=281, nt_samples=25, nt_samples_batch_size=5, abs=False),
        ),
        "Grad-CAM": (ours("grad-cam"), cam),
    }
    print(f"\n{'one photo of 224 x 224':34}{'here':>10}{'captum, torchcam':>20}")
    for name, (here, there) in theirs.items():
        here(), there()
        print(f"{name:34}{seconds(here, 3 * repeats):>8.3f} s{seconds(there, 3 * repeats):>18.3f} s", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--counts", type=int, nargs="+", default=[1, 2, 8, 32])
    parser.add_argument("--sides", type=int, nargs="+", default=[112, 224, 384, 512])
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--peak", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.peak:
        name, count, side = arguments.peak
        return say_peak(name, int(count), int(side))
    keep_freed_memory()
    classifier = load_classifier().prepare()
    growth(classifier, arguments.counts, arguments.sides, arguments.repeats)
    beside(classifier, arguments.repeats)


if __name__ == "__main__":
    main()
