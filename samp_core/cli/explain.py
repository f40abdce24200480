"""``explain``: one image by one method, into a folder of files."""

from __future__ import annotations

import argparse
import sys
from importlib import import_module
from pathlib import Path
from threading import Thread

import torch

from samp_core.cli import program
from samp_core.cli.shared import (
    NO_MAP,
    add_conditions,
    add_options,
    add_photo_inside,
    add_question,
    given_options,
    load_question,
    pack_run,
    walk,
)
from samp_core.compare import Entry
from samp_core.films import Reel, film_of
from samp_core.methods import METHODS, default_settings, make_method
from samp_core.metrics import variance
from samp_core.render import format_gap, gap_in_words
from samp_core.runs import as_settled, begin, describe, save


def fill(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.description = (
        "Explain one image. Writes maps.npz, figure.png, run.json and run.samp (all in one file, for the app, open and "
        "replay) into the output folder."
    )
    parser.epilog = f"Example: {parser.prog} cat.jpg --method samp++ --out results/cat"
    add_question(parser)
    add_photo_inside(parser)
    how = parser.add_argument_group("how (defaults are the method's published settings)")
    how.add_argument("--method", default="samp++", choices=list(METHODS), help="(default: %(default)s)")
    add_conditions(how)
    add_options(how)


def run(arguments: argparse.Namespace) -> int:
    """Explain the image; returns the exit status.

    Raises:
        ValueError: an argument cannot be used.
    """
    method = METHODS[arguments.method]
    settings = default_settings(
        method.name,
        score=arguments.score or "logit",
        seed=arguments.seed,
        batch_size=arguments.batch,
        **given_options(arguments, method),
    ).settled()
    image, classifier, chosen = load_question(arguments)
    settings = settings.changed(**chosen)
    torch.manual_seed(settings.seed)
    settings, run = begin(classifier, image, settings)
    threads = torch.get_num_threads()
    estimate = make_method(classifier, settings).estimate(*classifier.preprocessing.crop)
    title, score = describe(classifier, settings)
    say = (lambda *_: None) if arguments.quiet else print
    say(f"{title}\nexplains the {score}; about {estimate.gradients:,} gradient evaluations")
    # Reading the drawing library takes half a second, which the search need not wait for, nor be waited for.
    Thread(target=import_module, args=("samp_core.figures",), daemon=True).start()
    film = film_of(classifier.preprocessing, run)
    interrupted = not walk(run, arguments.quiet, each=film.add)
    explanation = run.result()
    if interrupted and explanation.is_empty:  # zeros are no result, and there may be one in the folder
        print(f"{program()}: {NO_MAP}", file=sys.stderr)
        return 130
    film.close(explanation)
    name = Path(arguments.image).name
    entry = Entry(as_settled(settings, explanation), explanation)
    packed = {"run.samp": pack_run(arguments, classifier, image, [entry], [Reel.of(film)])}
    written = save(arguments.out, classifier, image, name, settings, explanation, threads, packed)
    for note in explanation.notes:
        print(f"Note: {note}", file=sys.stderr)
    for d, promise in enumerate(explanation.promises):
        relative = float(explanation.completeness.relative[d, 0])
        say(f"{promise:9}  completeness gap {format_gap(relative)}: {gap_in_words(relative)}")
    say(
        f"Var(a) {float(variance(explanation.maps)[0]):.4g}, {explanation.cost.gradients} gradient evaluations, "
        f"{explanation.seconds:.1f} s"
    )
    say("wrote " + ", ".join(str(path) for path in written))
    return 130 if interrupted else 0
