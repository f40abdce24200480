"""``open``: what a file of runs holds."""

from __future__ import annotations

import argparse
from pathlib import Path

from samp_core.archive import open_archive
from samp_core.compare import table
from samp_core.render import format_gap


def fill(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.description = "Print what a file of runs holds. Nothing is computed."
    parser.epilog = f"Example: {parser.prog} results/cat/run.samp"
    parser.add_argument("file", metavar="FILE", type=Path, help="a file that ends in .samp")


def run(arguments: argparse.Namespace) -> int:
    """Print what is in the file; returns the exit status.

    Raises:
        ArchiveError: it cannot be opened.
    """
    archive = open_archive(arguments.file)
    inside = "the photo is inside" if archive.photo is not None else "the photo is not inside"
    print(f"{archive.name}, {inside}; {archive.network}; made {archive.words['created']}")
    for row, kept in zip(table(archive.entries), archive.words["runs"], strict=True):
        print(f"\n{kept['title']}\n  explains the {kept['explained_score']}")
        numbers = [
            "no sum promised" if row["gap"] is None else f"completeness gap {format_gap(row['gap'])}",
            f"{row['gradients']} gradient and {row['forwards']} forward evaluations",
            f"{row['seconds']:.1f} s",
        ]
        if row["difference"] is not None:
            numbers.append(
                f"deletion {row['deletion']:.3f}, insertion {row['insertion']:.3f}, difference {row['difference']:.3f}"
            )
        print("  " + "; ".join(numbers))
        for note in kept["result"]["notes"]:
            print(f"  Note: {note}")
    return 0
