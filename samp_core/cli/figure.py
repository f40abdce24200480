"""``figure``: one image by several methods as a figure for a paper, with vector text."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from samp_core.cli import program
from samp_core.cli.shared import add_lanes, add_question, recorded
from samp_core.files import write_files
from samp_core.films.paper import FIGURES, WIDTHS, paper_figure
from samp_core.films.recording import MOMENTS

_ENDINGS = (".pdf", ".png", ".svg")


def fill(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.description = (
        "Walk several methods on one image and draw a figure for a paper: vector text, at a journal's column widths, "
        "lanes told apart by line and mark as well as by colour."
    )
    parser.epilog = f"Example: {parser.prog} cat.jpg --lanes samp++,ig --figure moments --out cat.pdf"
    add_question(parser, "FILE", "the figure: " + ", ".join(_ENDINGS))
    add_lanes(parser)
    kinds = "; ".join(f"{name}: {words}" for name, words in FIGURES.items())
    parser.add_argument("--figure", choices=list(FIGURES), default="moments", help=f"{kinds} (default: %(default)s)")
    widths = ", ".join(f"{name} {inches} in" for name, inches in WIDTHS.items())
    parser.add_argument("--width", choices=list(WIDTHS), default="page", help=f"{widths} (default: %(default)s)")


def run(arguments: argparse.Namespace) -> int:
    """Draw the figure; returns the exit status.

    Raises:
        ValueError: an argument cannot be used.
    """
    recording, interrupted = recorded(arguments, _ENDINGS, MOMENTS, arguments.figure == "plane")
    if recording is None:
        return 130
    if interrupted and arguments.figure == "plane":  # which is worked out when all lanes are walked
        print(f"{program()}: interrupted before there was a plane; nothing was written.", file=sys.stderr)
        return 130
    ending = arguments.out.suffix.lower()[1:]
    write_files({Path(arguments.out): paper_figure(recording, arguments.figure, arguments.width, ending)})
    if not arguments.quiet:
        print(f"wrote {arguments.out}")
    return 130 if interrupted else 0
