"""``film``: one image by several methods on one clock, as a page that plays offline or as a moving picture."""

from __future__ import annotations

import argparse
from pathlib import Path

from samp_core.cli.shared import add_lanes, add_question, recorded
from samp_core.files import write_files
from samp_core.films.recording import KINDS, MOMENTS, MOST_MOMENTS


def fill(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.description = (
        "Walk several methods on one image and write the film of it. The ending of --out says what it becomes: "
        ".html, one page with the player of the app that works offline; .webp, .gif or .mp4, a moving picture."
    )
    parser.epilog = f"Example: {parser.prog} cat.jpg --lanes samp++,ig,steps=20 --out cat.html"
    add_question(parser, "FILE", "the film; its ending says how it is kept: " + ", ".join(KINDS))
    add_lanes(parser)
    parser.add_argument(
        "--moments", type=int, default=MOMENTS, metavar="N",
        help=f"pictures of each lane, about; 2 to {MOST_MOMENTS} (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument("--no-planes", action="store_true", help="leave out the path planes (only .html shows them)")


def run(arguments: argparse.Namespace) -> int:
    """Record the film; returns the exit status.

    Raises:
        ValueError: an argument cannot be used.
    """
    ending = arguments.out.suffix.lower()
    planes = ending == ".html" and not arguments.no_planes
    recording, interrupted = recorded(arguments, KINDS, arguments.moments, planes)
    if recording is None:
        return 130
    content = recording.encoded(ending)
    write_files({Path(arguments.out): content})
    if not arguments.quiet:
        for lane in recording.lanes:
            cost = lane.explanation.cost
            print(f"{lane.title:22} {cost.gradients:6,} gradient evaluations  {lane.explanation.seconds:6.1f} s")
        print(f"wrote {arguments.out}, {len(content) / 1e6:.1f} MB")
    return 130 if interrupted else 0
