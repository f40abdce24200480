"""What the commands share: arguments made from the declarations, a photo and a network, a bar while a run runs."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from PIL import Image
from tqdm import tqdm

from samp_core.attribution import Run
from samp_core.bundled import BUNDLED, DEFAULT
from samp_core.catalogue import METHODS, SCORES
from samp_core.classifiers import DIGITS, Classifier, ClassifierError, load_classifier
from samp_core.cli import program
from samp_core.devices import AUTO, find_device
from samp_core.images import ImageError, load_image
from samp_core.methods import Method, Option, Settings
from samp_core.methods.options import SHARED
from samp_core.own import MOST_WORDS, from_code, read_bytes, read_intake, read_labels
from samp_core.process import keep_freed_memory
from samp_core.scores import PathError, require_score

if TYPE_CHECKING:
    from samp_core.compare import Entry
    from samp_core.films import Reel
    from samp_core.films.recording import Recording

__all__ = ["FAILURES", "NO_MAP", "keep_freed_memory"]

FAILURES: tuple[type[Exception], ...] = (ValueError, PathError, OSError)
"""What a command may raise to say why it cannot go on."""

NO_MAP = "interrupted before there was a map; nothing was written."
"""What a command says that was interrupted before there was anything to keep."""

_BAR = "{percentage:3.0f}% {bar} {elapsed} gone, {remaining} left"


def is_wrong_argument(error: Exception) -> bool:
    """Return whether an error is about the command, and not about what it was given to work on."""
    # Bad images and networks are ValueErrors too, but the command itself was well formed.
    return isinstance(error, ValueError) and not isinstance(error, ImageError | ClassifierError)


def positive(text: str) -> int:
    """Read a whole number of at least 1."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, not {text}")
    return value


positive.__name__ = "whole number"  # argparse puts this into its messages


def place(text: str) -> Path:
    """Read where a file or folder is; no words would be the folder in which the command was called."""
    if not text.strip():
        raise argparse.ArgumentTypeError("must name a file or folder, and nothing was given; '.' is this folder")
    return Path(text)


def of(option: Option) -> Callable[[str], Any]:
    """Return what reads an option's value."""

    def read(text: str) -> Any:
        try:
            return option.read(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error).removeprefix(f"{option.name} ")) from None

    return read


def flag(option: str) -> str:
    """Return an option's flag."""
    return f"--{option.replace('_', '-')}"


def add_question(
    command: argparse.ArgumentParser, out: str = "DIR", out_help: str = "folder for the results"
) -> argparse._ArgumentGroup:
    """Add the arguments that say what is explained and where the results go; returns the group of the former."""
    command.add_argument("image", metavar="IMAGE", help="image file of any common format")
    command.add_argument("--out", metavar=out, type=place, required=True, help=out_help)
    command.add_argument("--quiet", action="store_true", help="no progress bar and no summary")
    what = command.add_argument_group("what is explained")
    add_network(what)
    what.add_argument("--target", metavar="CLASS", help="class number or label (default: the network's first choice)")
    what.add_argument("--contrast", metavar="CLASS", help='explain "target rather than this class"')
    scores = "; ".join(f"{name}: {score.summary}" for name, score in SCORES.items())
    what.add_argument(
        "--score", choices=list(SCORES), help=f"what of the class is explained (default: logit). {scores}"
    )
    return what


def add_photo_inside(command: argparse.ArgumentParser) -> None:
    """Add the owner's leave to put the photo into the file of runs."""
    command.add_argument(
        "--with-photo",
        action="store_true",
        help="put the photo into the .samp file, too (default: only its fingerprint)",
    )


def pack_run(
    arguments: argparse.Namespace,
    classifier: Classifier,
    image: Image.Image,
    entries: Sequence[Entry],
    films: Sequence[Reel | None],
) -> bytes:
    """Return runs with their films as the bytes of a file, with the photo if its owner said so."""
    from samp_core.archive import pack  # noqa: PLC0415 - other commands write none

    return pack(
        classifier,
        image,
        Path(arguments.image).name,
        entries,
        with_photo=arguments.with_photo,
        threads=torch.get_num_threads(),
        films=films,
    )


def add_network(where: Any) -> None:
    """Add the arguments that choose a network."""
    where.add_argument(
        "--model",
        "--arch",
        default=None,
        metavar="NAME",
        help=f"{', '.join(BUNDLED)}, {', '.join(DIGITS)} (bundled), a torchvision network, timm/NAME, or program/NAME: "
        f"NAME.pt2 in the folder that SAMP_MODELS_DIR names (default: {DEFAULT})",
    )
    where.add_argument("--download", action="store_true", help="allow the weights to be fetched")
    where.add_argument(
        "--weights",
        metavar="FILE",
        help="weights of your own for a torchvision or timm network, a state dict as safetensors or by torch.save; or "
        "'random'",
    )
    where.add_argument(
        "--module",
        metavar="PLACE",
        help="a network of your own: PACKAGE.MODULE:FUNCTION, which returns a torch.nn.Module; needs --preprocess",
    )
    where.add_argument(
        "--labels", metavar="FILE", type=place, help="names of the classes: a label a line, or json, or csv"
    )
    where.add_argument(
        "--preprocess",
        metavar="FILE",
        type=place,
        help='how the network wants its pictures, as json: {"resize": 256, "crop": 224, "mean": [...], "std": [...]}',
    )
    where.add_argument(
        "--multi-label",
        action="store_true",
        help="the network's classes do not exclude each other: their probabilities are sigmoids, and --score sigmoid "
        "explains one",
    )
    where.add_argument(
        "--device",
        default=AUTO,
        metavar="NAME",
        help="where to compute: cpu, cuda, cuda:1, mps, or auto for the best that works (default: auto). Device, "
        "threads and batch decide the rounding and so a search's path: results under other ones stay apart",
    )


def load_network(arguments: argparse.Namespace) -> Classifier:
    """Return the network that the arguments choose, on the device that they choose.

    Raises:
        ClassifierError: it cannot be loaded.
        ValueError: the arguments do not go together, or the device cannot be used.
    """
    device = find_device(arguments.device)
    return _network(arguments).to(device)


def _network(arguments: argparse.Namespace) -> Classifier:
    more: dict[str, Any] = {}
    if arguments.labels is not None:
        content = read_bytes(arguments.labels, MOST_WORDS, "labels")
        more["labels"] = read_labels(content, arguments.labels.suffix)
    if arguments.preprocess is not None:
        intake = read_intake(read_bytes(arguments.preprocess, MOST_WORDS, "preprocessing"))
        more |= {"preprocessing": intake.preprocessing, "bgr": intake.bgr}
    if arguments.multi_label:
        more["multi_label"] = True
    if arguments.module is None:
        return _known(arguments.model or DEFAULT, arguments, more)
    if arguments.model is not None or arguments.weights is not None:
        raise ValueError("--module brings its own network and weights: leave --model and --weights out.")
    made = from_code(arguments.module)
    if isinstance(made, Classifier):
        if more:
            raise ValueError(
                f"{arguments.module} returns a whole classifier: leave --labels, --preprocess and --multi-label out, "
                "and say them there, to load_classifier."
            )
        return made
    if not callable(made):
        raise ClassifierError(
            f"{arguments.module} returns a {type(made).__name__}, not a network (torch.nn.Module, or any function from "
            "images to class scores)."
        )
    return load_classifier(made, **more)


def _known(name: str, arguments: argparse.Namespace, more: dict[str, Any]) -> Classifier:
    try:
        return load_classifier(name, weights=arguments.weights, download=arguments.download, **more)
    except ClassifierError as error:
        call = f"load_classifier({name!r}, download=True)"  # what Python calls is a flag here
        if call not in str(error):
            raise
        raise ClassifierError(str(error).replace(call, "--download")) from error


def add_conditions(where: Any, batch: int = 16, more: str = "") -> None:
    """Add seed and batch, which all methods share."""
    shared = {option.name: option for option in SHARED}
    where.add_argument(
        "--seed", type=of(shared["seed"]), default=0, metavar="S", help="seed of everything random (default: 0)"
    )
    where.add_argument(
        "--batch",
        type=of(shared["batch_size"]),
        default=batch,
        metavar="N",
        help=f"most images sent through the network at once; bounds the memory{more} (default: {batch})",
    )


def add_methods(where: Any, default: tuple[str, ...]) -> None:
    """Add the choice of several methods."""
    where.add_argument(
        "--methods",
        type=method_names,
        default=list(default),
        metavar="NAMES",
        help=f"names with commas between, or 'all'; known: {', '.join(METHODS)} (default: {','.join(default)})",
    )


def method_names(text: str) -> list[str]:
    """Read names of methods."""
    names = list(METHODS) if text == "all" else [name.strip() for name in text.split(",") if name.strip()]
    try:
        for name in names:
            METHODS.require(name)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    if not names:
        raise argparse.ArgumentTypeError("name at least one method")
    return list(dict.fromkeys(names))


def add_options(where: argparse._ArgumentGroup) -> None:
    """Add a flag for every option that any method has; what it may be depends on the method, and is read later."""
    owners: dict[str, list[Method]] = {}
    for method in METHODS.values():
        for option in method.options:
            owners.setdefault(option.name, []).append(method)
    for name, methods in owners.items():
        words: dict[str, list[str]] = {}
        for method in methods:
            option = method.option(name)
            assert option is not None
            words.setdefault(f"{option.help.rstrip('.')}: {option.range_in_words}", []).append(method.name)
        parts = [f"{text} ({', '.join(owned)})" for text, owned in words.items()]
        where.add_argument(flag(name), metavar="VALUE", help="; ".join(parts).replace("%", "%%"))
    where.add_argument(
        "--option",
        action="append",
        metavar="NAME=VALUE",
        type=_assignment,
        default=[],
        help="any of these in another way, e.g. samples=10; may be repeated",
    )


def _assignment(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    if not name or not value:
        raise argparse.ArgumentTypeError(f"must be NAME=VALUE, not {text!r}")
    return name.strip().replace("-", "_"), value


def given_options(arguments: argparse.Namespace, method: Method) -> dict[str, Any]:
    """Return the options that were given on the command line, as the method takes them.

    Raises:
        ValueError: the method has no such option, it cannot have this value, or it counts for nothing beside the rest.
    """
    texts = {name: text for name, text in vars(arguments).items() if _is_option(name) and text is not None}
    texts |= dict(arguments.option)
    if useless := [flag(name) for name in texts if method.option(name) is None]:
        own = ", ".join(flag(option.name) for option in method.options)
        raise ValueError(f"{', '.join(useless)} means nothing to {method.title}. Its options: {own}.")
    try:
        values = {o.name: o.read(texts[o.name]) for o in method.options if o.name in texts}
    except ValueError as error:
        raise ValueError(f"{method.title}: {error}.") from None
    beside = {**method.defaults.options, **values}
    for option in method.options:
        if option.name in values and option.when and not option.counts(beside):
            raise ValueError(
                f"{flag(option.name)} counts only with {flag(option.when[0])} {option.when[1]}: add that, or leave it "
                "out."
            )
    return values


def _is_option(name: str) -> bool:
    return any(method.option(name) is not None for method in METHODS.values())


def check_folder(option: str, folder: Path) -> None:
    """Nothing is made before there is a result, but that it can be made must be known before the work begins.

    Raises:
        ValueError: files cannot be written into the folder.
    """
    parent = next(p for p in (folder, *folder.absolute().parents) if p.exists())
    if not parent.is_dir():
        raise ValueError(f"{option} {folder} cannot be made: {parent} is a file; name a folder.")
    if not os.access(parent, os.W_OK):
        raise ValueError(f"{option} {folder} cannot be written: there is no permission for {parent}.")


def add_lanes(where: Any) -> None:
    """Add the choice of lanes for a film, and what they share."""
    where.add_argument(
        "--lanes",
        type=_lanes,
        default="samp,ig",
        metavar="LANES",
        help="1 to 4 methods with commas between, each followed by its options: samp++,momentum=0.8,ig,steps=20 "
        "(default: %(default)s)",
    )
    add_conditions(where)


def _lanes(text: str) -> list[Settings]:
    from samp_core.films.lanes import read_lanes  # noqa: PLC0415 - other commands have no lanes

    try:
        return read_lanes(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def recorded(
    arguments: argparse.Namespace, endings: Iterable[str], moments: int, planes: bool
) -> tuple[Recording | None, bool]:
    """Walk the lanes with progress bars; returns the recording of those walked, and whether it was interrupted.

    Args:
        arguments: of the command.
        endings: what ``--out`` may end in.
        moments: pictures of each lane, about.
        planes: whether the path planes are worked out.

    Raises:
        ValueError: an argument cannot be used.
    """
    from samp_core.films.recording import Recording, Take  # noqa: PLC0415 - other commands make no film

    if arguments.out.suffix.lower() not in endings:
        raise ValueError(f"--out {arguments.out} must end in {', '.join(endings)}: the ending says how it is kept.")
    image, classifier, chosen = load_question(arguments, arguments.out.absolute().parent)
    lanes, interrupted = [], False
    try:
        for settings in arguments.lanes:
            question = settings.changed(
                **chosen, score=arguments.score or "logit", seed=arguments.seed, batch_size=arguments.batch
            )
            take = Take.of(classifier, image, question, moments)
            interrupted = not walk(take.run, arguments.quiet, f"{METHODS[settings.method].title:22}", take.add)
            if interrupted:
                break
            lanes.append(take.close())
    except KeyboardInterrupt:  # between two walks
        interrupted = True
    if not lanes:
        print(f"{program()}: {NO_MAP}", file=sys.stderr)
        return None, True
    recording = Recording(classifier, image, Path(arguments.image).name, lanes)
    if planes and not interrupted:
        try:
            with tqdm(total=100, disable=arguments.quiet, bar_format=f"{'path planes':22}{_BAR}") as bar:
                recording.survey(lambda share: bar.update(100 * share - bar.n))
        except KeyboardInterrupt:  # the lanes are walked, and are worth keeping without their planes
            interrupted = True
    return recording, interrupted


def load_question(
    arguments: argparse.Namespace, folder: Path | None = None
) -> tuple[Image.Image, Classifier, dict[str, int]]:
    """Return image, network and the chosen classes; ``folder`` is where the results go, by default ``--out``.

    Raises:
        ValueError: an argument cannot be used.
    """
    if arguments.contrast is not None and arguments.score is not None:
        raise ValueError("--contrast explains a difference of logits, so --score cannot be chosen with it.")
    image = load_image(arguments.image)
    check_folder("--out", folder or arguments.out)
    classifier = load_network(arguments).prepare()
    require_score(arguments.score or "logit", classifier.multi_label)
    chosen = {
        name: classifier.find_label(text)
        for name in ("target", "contrast")
        if (text := getattr(arguments, name)) is not None
    }
    if "target" not in chosen:
        chosen["target"] = classifier.predict(classifier.inputs(image), 1)[0].index
    return image, classifier, chosen


def walk(run: Run, quiet: bool, label: str = "", each: Callable[[Any], object] = lambda piece: None) -> bool:
    """Carry a run to its end with a progress bar; returns whether it got there without an interrupt.

    Args:
        run: the run.
        quiet: whether there is no bar.
        label: what stands before the bar.
        each: told of every piece of work that is done.
    """
    interrupted = False

    def stop(*_: object) -> None:
        nonlocal interrupted
        interrupted = True
        run.stop()  # after the step in hand, so that what was walked stays consistent

    before = signal.signal(signal.SIGINT, stop)
    try:
        with tqdm(total=100, disable=quiet, bar_format=f"{label}{_BAR}") as bar:
            for piece in run:
                each(piece)
                bar.update(100 * run.progress - bar.n)
            if not interrupted:
                bar.update(100 - bar.n)
    finally:
        signal.signal(signal.SIGINT, before)
    return not interrupted
