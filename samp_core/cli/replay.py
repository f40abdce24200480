"""``replay``: the runs of a file once more, and how far they agree with it."""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from samp_core.archive import ArchiveError, open_archive, replay
from samp_core.classifiers import OWN
from samp_core.cli.shared import add_network, load_network, walk
from samp_core.devices import AUTO
from samp_core.images import load_image


def fill(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.description = (
        "Do the runs of a file again, on the threads that they were done on, and say how far the maps agree. The exit "
        "status is 0 if all maps are equal to the last bit."
    )
    parser.epilog = f"Example: {parser.prog} results/cat/run.samp --image cat.jpg"
    parser.add_argument("file", metavar="FILE", type=Path, help="a file that ends in .samp")
    parser.add_argument("--image", metavar="IMAGE", help="the photo, where it is not inside the file")
    add_network(parser.add_argument_group("the network, where its name in the file does not say enough"))
    parser.add_argument("--quiet", action="store_true", help="no progress bar")


def run(arguments: argparse.Namespace) -> int:
    """Do the runs again; returns the exit status.

    Raises:
        ArchiveError: the file cannot be opened, or network or photo are others than its runs'.
    """
    archive = open_archive(arguments.file)
    if arguments.image is None and archive.photo is None:
        raise ArchiveError(f"The photo, {archive.name}, is not inside the file. Give it with --image.")
    image = archive.photo if arguments.image is None else load_image(arguments.image)
    assert image is not None
    if (arguments.model, arguments.weights, arguments.module) == (None, None, None):
        if archive.network.endswith(OWN):
            name = archive.network.removesuffix(OWN)
            raise ArchiveError(
                f"The runs explain {archive.network}, which the file does not hold. Give --model {name} "
                "--weights FILE, with the labels and preprocessing that they had."
            )
        arguments.model = archive.network
    machine = archive.words["runs"][0].get("machine", {})
    if arguments.device == AUTO and machine.get("device") == "cpu":
        arguments.device = "cpu"  # elsewhere it would round otherwise
    classifier = load_network(arguments)
    if machine.get("prepared"):
        classifier = classifier.prepare()
    if isinstance(threads := machine.get("threads"), int) and 1 <= threads <= 256:
        torch.set_num_threads(threads)
    found = replay(archive, classifier, image, lambda work, title: walk(work, arguments.quiet, f"{title:22}"))
    for each in found:
        if each.same:
            print(f"{each.title:22} equal to the last bit")
            continue
        why = "; ".join(each.reasons) or "nothing that is known of has changed"
        print(
            f"{each.title:22} Spearman {each.correlation:.4f}, largest difference {100 * each.difference:.2g} % of the "
            f"largest value ({why})"
        )
    if len(found) < len(archive.entries):
        return 130
    return 0 if all(each.same for each in found) else 1
