"""``compare``: one image by several methods."""

from __future__ import annotations

import argparse
import io
import logging
import sys
from pathlib import Path

from samp_core.cli import program
from samp_core.cli.shared import (
    NO_MAP,
    add_conditions,
    add_methods,
    add_photo_inside,
    add_question,
    load_question,
    pack_run,
    walk,
)
from samp_core.compare import SCALES, Entry, figure, maps_npz, measure, report_html, table, to_csv
from samp_core.files import write_files
from samp_core.films import Reel, film_of
from samp_core.methods import METHODS, default_settings
from samp_core.render import format_gap
from samp_core.runs import as_settled, begin, describe
from samp_core.scores import PathError


def fill(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.description = (
        "Explain one image by several methods, each with its published settings. Writes figure.png, figure.pdf, "
        "table.csv, maps.npz, report.html and comparison.samp (all in one file, for the app, open and replay) into the "
        "output folder."
    )
    parser.epilog = f"Example: {parser.prog} cat.jpg --methods samp,samp++,ig --out results/cat"
    add_question(parser)
    add_photo_inside(parser)
    add_methods(parser, ("samp", "samp++", "samp-isotonic", "ig"))
    add_conditions(parser)
    parser.add_argument("--scale", choices=SCALES, default="map", help="how the maps are coloured (default: map)")


def run(arguments: argparse.Namespace) -> int:
    """Explain the image by every method; returns the exit status."""
    image, classifier, chosen = load_question(arguments)
    say = (lambda *_: None) if arguments.quiet else print
    done: list[tuple[Entry, Reel | None]] = []
    interrupted = False
    try:
        for name in arguments.methods:
            settings = default_settings(
                name, **chosen, score=arguments.score or "logit", seed=arguments.seed, batch_size=arguments.batch
            )
            try:
                settings, work = begin(classifier, image, settings)
                film = film_of(classifier.preprocessing, work)
                interrupted = not walk(work, arguments.quiet, f"{METHODS[name].title:22}", film.add)
                if interrupted:
                    break
                explanation = work.result()
                film.close(explanation)
                entry, reel = Entry(as_settled(settings, explanation), explanation), Reel.of(film)
            except Exception as error:  # one method's failure is no reason to lose the others
                print(f"{METHODS[name].title} is left out: {_reason(name, error)}", file=sys.stderr)
                continue
            try:
                entry = measure(classifier, image, entry)
            except KeyboardInterrupt:  # the map is there, and worth keeping without its curves
                interrupted = True
            except Exception as error:
                print(f"{METHODS[name].title} has no curves: {_reason(name, error)}", file=sys.stderr)
            done.append((entry, reel))
            if interrupted:
                break
    except KeyboardInterrupt:  # between two walks
        interrupted = True
    entries, films = [entry for entry, _ in done], [reel for _, reel in done]
    if not entries:
        words = NO_MAP if interrupted else "no method gave a map, so nothing was written."
        print(f"{program()}: {words}", file=sys.stderr)
        return 130 if interrupted else 1
    drawn = figure(classifier, image, entries, scale=arguments.scale)
    pictures = {"figure.png": io.BytesIO(), "figure.pdf": io.BytesIO()}
    for filename, buffer in pictures.items():
        drawn.savefig(buffer, format=filename[-3:], dpi=200)
    name = Path(arguments.image).name
    contents = {
        **{filename: buffer.getvalue() for filename, buffer in pictures.items()},
        "maps.npz": maps_npz(classifier, image, name, entries),
        "table.csv": to_csv(classifier, entries).encode(),
        "comparison.samp": pack_run(arguments, classifier, image, entries, films),
        "report.html": report_html(classifier, image, name, entries, arguments.scale).encode(),
    }
    write_files({arguments.out / filename: content for filename, content in contents.items()})
    say(f"All explain the {describe(classifier, entries[0].settings)[1]}.")
    for row in table(entries):
        gap = "none" if row["gap"] is None else format_gap(row["gap"])
        curves = "no curves"
        if row["difference"] is not None:
            curves = (
                f"deletion {row['deletion']:6.3f}  insertion {row['insertion']:6.3f}  "
                f"difference {row['difference']:6.3f}"
            )
        say(f"{row['method']:22} {row['seconds']:7.1f} s  gap {gap:>9}  {curves}")
    say(f"wrote {', '.join(contents)} into {arguments.out}")
    return 130 if interrupted else 0


def _reason(method: str, error: Exception) -> str:
    """Return why a method failed, in words; what nobody foresaw is named by its kind, and its details are logged."""
    if isinstance(error, PathError | ValueError | OSError):
        return str(error)
    logging.getLogger(__name__).info("%s failed", method, exc_info=error)
    return f"{type(error).__name__}: {error}"
