"""The command line: ``python -m samp_core explain IMAGE --method samp++ --out DIR``."""

from __future__ import annotations

import argparse
import io
import math
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import torch
from PIL import Image
from tqdm import tqdm

from samp_core import __version__
from samp_core.allocator import keep_freed_memory
from samp_core.baselines import BASELINES
from samp_core.benchmark import (
    DEFAULT_METHODS,
    DEFAULT_METRICS,
    Plan,
    Results,
    Stopped,
    Store,
    check_device,
    export,
    find_photos,
    markdown,
    measurable,
    summary,
)
from samp_core.benchmark import load as load_results
from samp_core.benchmark import run as run_here
from samp_core.benchmark.cluster import run as run_on_ray
from samp_core.benchmark.engine import DeviceError, settle_threads
from samp_core.benchmark.report import FORMATS, INTERVALS
from samp_core.benchmark.store import StoreError
from samp_core.classifiers import Classifier, ClassifierError, load_classifier
from samp_core.compare import SCALES, Entry, maps_npz, measure, report_html, table, to_csv
from samp_core.compare import figure as compare_figure
from samp_core.files import write_files
from samp_core.images import ImageError, load_image
from samp_core.integrate import RULES
from samp_core.methods import (
    METHODS,
    SCORES,
    DirectRun,
    PathRun,
    Settings,
    UnsupportedError,
    default_settings,
    make_method,
)
from samp_core.metrics import variance
from samp_core.render import format_gap, gap_in_words
from samp_core.runs import as_settled, begin, describe, save
from samp_core.scores import PathError

_BAR = "{percentage:3.0f}% {bar} {elapsed} gone, {remaining} left"


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}\nTry '{self.prog} --help'.\n")


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, not {text}")
    return value


def _seed(text: str) -> int:
    value = int(text)
    if not 0 <= value < 2**63:
        raise argparse.ArgumentTypeError("must be from 0 to 2^63 - 1")
    return value


def _tolerance(text: str) -> float | None:
    if text.lower() in ("none", "off"):
        return None
    return float(text)


_positive.__name__ = _seed.__name__ = "whole number"
_tolerance.__name__ = "number"  # argparse puts these into its messages


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="python -m samp_core",
        description="Explain what an image classifier saw, along a path that is searched for (SAMP, ICLR 2024).",
    )
    parser.add_argument("--version", action="version", version=f"samp_core {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=_Parser)
    explain = commands.add_parser(
        "explain",
        help="explain one image and write map, figure and settings",
        description="Explain one image. Writes maps.npz, figure.png and run.json into the output folder.",
        epilog="Example: python -m samp_core explain cat.jpg --method samp++ --out results/cat",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    what = _question(explain)
    what.add_argument("--score", choices=SCORES, help="what of the class is explained (default: logit)")
    how = explain.add_argument_group("how (defaults are the method's published settings)")
    how.add_argument("--method", default="samp++", choices=METHODS, help="(default: %(default)s)")
    size = how.add_mutually_exclusive_group()
    size.add_argument("--steps", type=_positive, metavar="N", help="moves that share out the pixels")
    size.add_argument("--pixels-per-step", type=_positive, metavar="N", help="pixels moved at once (paper: 3584)")
    how.add_argument(
        "--momentum", type=float, metavar="M", help="weight of the previous direction, 0 to below 1 (paper: 0.5)"
    )
    how.add_argument(
        "--ic-tolerance",
        type=_tolerance,
        metavar="T",
        default=argparse.SUPPRESS,
        help="longest move as a fraction of the way, above 0 to 1, or 'none' (paper: 0.02)",
    )
    how.add_argument("--directions", choices=("both", "deletion", "insertion"), help="(default: both)")
    how.add_argument("--accumulation", choices=RULES, help="how the path is added up")
    how.add_argument("--gauss-nodes", type=_positive, metavar="N", help="nodes a move for --accumulation gauss")
    how.add_argument("--deletion-baseline", choices=BASELINES, help="where deletion ends (default: zero)")
    how.add_argument("--insertion-baseline", choices=BASELINES, help="where insertion starts (default: blur; ig: zero)")
    how.add_argument("--tie-band", type=float, metavar="B", help="1e-6 reproduces the authors' selection")
    how.add_argument("--max-steps", type=_positive, metavar="N", help="refuse or stop a longer search (default: 2000)")
    how.add_argument("--seed", type=_seed, metavar="S", help="seed of everything random (default: 0)")
    how.add_argument(
        "--option",
        action="append",
        metavar="NAME=VALUE",
        type=_option,
        default=[],
        help="setting that only this method has, e.g. samples=10 for smoothgrad or fraction=0.5 for guided-ig; may be "
        "repeated",
    )
    compare = commands.add_parser(
        "compare",
        help="explain one image by several methods and write figure, table, maps and report",
        description="Explain one image by several methods, each with its published settings. Writes figure.png, "
        "figure.pdf, table.csv, maps.npz and report.html into the output folder.",
        epilog="Example: python -m samp_core compare cat.jpg --methods samp,samp++,ig --out results/cat",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _question(compare)
    compare.add_argument(
        "--methods",
        type=_names,
        default=_names("samp,samp++,samp-isotonic,ig"),
        metavar="NAMES",
        help=f"names with commas between, or 'all'; known: {', '.join(METHODS)}",
    )
    compare.add_argument(
        "--batch",
        type=_positive,
        default=16,
        metavar="N",
        help="most images sent through the network at once; bounds the memory (default: 16)",
    )
    compare.add_argument("--scale", choices=SCALES, default="map", help="how the maps are coloured (default: map)")
    compare.add_argument("--seed", type=_seed, default=0, metavar="S", help="seed of everything random (default: 0)")
    _benchmark_parser(commands)
    return parser  # fmt: skip


def _benchmark_parser(commands: Any) -> None:
    bench = commands.add_parser(
        "benchmark",
        help="measure many methods on many photos, into a file that survives a kill",
        description="Measure methods by metrics on every photo of a folder, and print means with intervals. Every "
        "number is written as soon as it exists; the same command goes on where it was stopped, however it was "
        "stopped, and several processes may work on one file. With only --out, the file is reported on.",
        epilog="Example: python -m samp_core benchmark photos --methods samp,samp++,ig --out results.sqlite",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    bench.add_argument("folder", metavar="DIR", type=Path, nargs="?", help="folder of photos, with its subfolders")
    bench.add_argument("--images", metavar="FILE", type=Path, nargs="+", default=[], help="photos, one by one")
    bench.add_argument("--out", metavar="FILE", type=Path, required=True, help="SQLite file of the results")
    bench.add_argument(
        "--methods",
        type=_names,
        default=list(DEFAULT_METHODS),
        metavar="NAMES",
        help=f"names with commas between, or 'all' (default: {','.join(DEFAULT_METHODS)})",
    )
    bench.add_argument(
        "--metrics",
        type=lambda text: tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip())),
        default=DEFAULT_METRICS,
        metavar="NAMES",
        help=f"names with commas between; known: {', '.join(measurable())} (default: {','.join(DEFAULT_METRICS)})",
    )
    bench.add_argument("--limit", type=_positive, metavar="N", help="only the first N photos, by name")
    bench.add_argument("--seed", type=_seed, default=0, metavar="S", help="seed of everything random (default: 0)")
    bench.add_argument(
        "--device",
        default="cpu",
        metavar="NAME",
        help="where to compute, e.g. cuda (default: cpu). Device, threads and batch decide the rounding and so a "
        "search's path: results under other ones are measured anew and stay apart",
    )
    bench.add_argument(
        "--batch",
        type=_positive,
        default=8,
        metavar="N",
        help="most images sent through the network at once; half as many photos are explained together; halved where "
        "memory does not suffice (default: 8)",
    )
    bench.add_argument("--threads", type=_positive, metavar="N", help="CPU threads (default: as many as torch takes)")
    bench.add_argument(
        "--engine",
        choices=("local", "ray"),
        default="local",
        help="'ray' for data sets that outgrow one machine; needs requirements-ray.txt (default: local)",
    )
    bench.add_argument("--address", metavar="A", help="of a running Ray cluster; one is started here without it")
    bench.add_argument(
        "--against", metavar="NAME", help="test the other methods against this one: its name, or as the table names it"
    )
    bench.add_argument("--retry", action="store_true", help="also try again what could not be measured before")
    bench.add_argument(
        "--export", metavar="FILE", type=Path, action="append", default=[], help=f"also write {', '.join(FORMATS)}"
    )
    bench.add_argument("--quiet", action="store_true", help="no progress and no table")
    bench.add_argument("--model", default="efficientnet_lite0", metavar="NAME", help="see explain")
    bench.add_argument("--download", action="store_true", help="allow weights to be fetched")


def _question(command: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    """Add the arguments that say what is explained; returns their group."""
    command.add_argument("image", metavar="IMAGE", help="image file of any common format")
    command.add_argument("--out", metavar="DIR", type=Path, required=True, help="folder for the results")
    command.add_argument("--quiet", action="store_true", help="no progress bar and no summary")
    what = command.add_argument_group("what is explained")
    what.add_argument(
        "--model",
        default="efficientnet_lite0",
        metavar="NAME",
        help="efficientnet_lite0 (bundled) or a torchvision network (default: %(default)s)",
    )
    what.add_argument(
        "--download", action="store_true", help="allow the weights of a torchvision network to be fetched"
    )
    what.add_argument("--target", metavar="CLASS", help="class number or label (default: the network's first choice)")
    what.add_argument("--contrast", metavar="CLASS", help='explain "target rather than this class"')
    return what  # fmt: skip


def _option(text: str) -> tuple[str, float | str]:
    name, _, value = text.partition("=")
    if not name or not value:
        raise argparse.ArgumentTypeError(f"must be NAME=VALUE, not {text!r}")
    for kind in (int, float):
        try:
            return name, kind(value)
        except ValueError:
            continue
    return name, value


def _names(text: str) -> list[str]:
    names = list(METHODS) if text == "all" else [name.strip() for name in text.split(",") if name.strip()]
    if unknown := [name for name in names if name not in METHODS]:
        raise argparse.ArgumentTypeError(f"there is no method {unknown[0]!r}; choose from {', '.join(METHODS)}")
    if not names:
        raise argparse.ArgumentTypeError("name at least one method")
    return list(dict.fromkeys(names))


def _settings(arguments: argparse.Namespace) -> Settings:
    """Merge what was given on the command line into the method's published settings.

    Raises:
        ValueError: an option has no meaning for the method.
    """
    given = {k: v for k, v in vars(arguments).items() if k in Settings.__dataclass_fields__ and v is not None}
    if "ic_tolerance" in vars(arguments):
        given["ic_tolerance"] = arguments.ic_tolerance
    for name in ("target", "contrast", "method"):
        given.pop(name, None)
    if "directions" in given:
        both = ("deletion", "insertion")
        given["directions"] = both if given["directions"] == "both" else (given["directions"],)
    if "pixels_per_step" in given:
        given["steps"] = None
    method = METHODS[arguments.method]
    if not method.has_path:
        pathless = {"score", "seed"}
        if useless := [f"--{n.replace('_', '-')}" for n in given if n not in pathless]:
            raise ValueError(
                f"{', '.join(useless)} belongs to a path, and {method.title} walks none. Its own settings are given by "
                f"--option: {', '.join(o.name for o in method.options) or 'it has none'}."
            )
    known = {o.name for o in method.options}
    options = {**method.defaults.options, **dict(arguments.option)}
    if unknown := set(options) - known:
        raise ValueError(
            f"{method.title} has no option {unknown.pop()!r}. It has: {', '.join(sorted(known)) or 'none'}."
        )
    if options:
        given["options"] = options
    if not method.has_baseline and "insertion_baseline" in given:
        raise ValueError(f"--insertion-baseline means nothing to {method.title}: its path starts at the blurred image.")
    if not method.is_search:
        searches = (
            *("momentum", "ic_tolerance", "directions", "pixels_per_step", "tie_band", "deletion_baseline"),
            "max_steps",
        )
        if useless := [f"--{n.replace('_', '-')}" for n in searches if n in given]:
            raise ValueError(
                f"{', '.join(useless)} steers a search, and {method.title} does not search: "
                "leave it out, or choose a SAMP method."
            )
    settings = default_settings(arguments.method, **given)
    if "gauss_nodes" in given and settings.accumulation != "gauss":
        raise ValueError(
            f"--gauss-nodes means nothing to the rule {settings.accumulation!r}: add --accumulation gauss, or leave "
            "it out."
        )
    return settings


def _check_folder(option: str, folder: Path) -> None:
    """Nothing is made before there is a result, but that it can be made must be known before the work begins.

    Raises:
        ValueError: files cannot be written into the folder.
    """
    parent = next(p for p in (folder, *folder.absolute().parents) if p.exists())
    if not parent.is_dir():
        raise ValueError(f"{option} {folder} cannot be made: {parent} is a file; name a folder.")
    if not os.access(parent, os.W_OK):
        raise ValueError(f"{option} {folder} cannot be written: there is no permission for {parent}.")


def _load(arguments: argparse.Namespace) -> tuple[Image.Image, Classifier, dict[str, int]]:
    """Return image, network and the chosen classes.

    Raises:
        ValueError: an argument cannot be used.
    """
    image = load_image(arguments.image)
    _check_folder("--out", arguments.out)
    classifier = load_classifier(arguments.model, download=arguments.download).prepare()
    chosen = {
        name: classifier.find_label(text)
        for name in ("target", "contrast")
        if (text := getattr(arguments, name)) is not None
    }
    if "target" not in chosen:
        chosen["target"] = classifier.predict(classifier.preprocessing(image), 1)[0].index
    return image, classifier, chosen


def _explain(arguments: argparse.Namespace) -> int:
    if arguments.contrast is not None and arguments.score is not None:
        raise ValueError("--contrast explains a difference of logits, so --score cannot be chosen with it.")
    settings = _settings(arguments)
    image, classifier, chosen = _load(arguments)
    settings = Settings.from_dict({**settings.to_dict(), **chosen})
    torch.manual_seed(settings.seed)
    settings, run = begin(classifier, image, settings)
    threads = torch.get_num_threads()
    estimate = make_method(classifier, settings).estimate(*classifier.preprocessing.crop)
    title, score = describe(classifier, settings)
    say = (lambda *_: None) if arguments.quiet else print
    say(f"{title}\nexplains the {score}; about {estimate.gradients:,} gradient evaluations")
    interrupted = not _walk(run, arguments.quiet)
    explanation = run.result()
    written = save(arguments.out, classifier, image, Path(arguments.image).name, settings, explanation, threads)
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
    return 130 if interrupted else 0  # fmt: skip


def _walk(run: PathRun | DirectRun, quiet: bool, label: str = "") -> bool:
    """Carry a run to its end with a progress bar; returns whether it got there without an interrupt."""
    interrupted = False

    def stop(*_: object) -> None:
        nonlocal interrupted
        interrupted = True
        run.stop()  # after the step in hand, so that what was walked stays consistent

    before = signal.signal(signal.SIGINT, stop)
    try:
        with tqdm(total=100, disable=quiet, bar_format=f"{label}{_BAR}") as bar:
            for _ in run:
                bar.update(100 * run.progress - bar.n)
            if not interrupted:
                bar.update(100 - bar.n)
    finally:
        signal.signal(signal.SIGINT, before)
    return not interrupted


def _compare(arguments: argparse.Namespace) -> int:
    image, classifier, chosen = _load(arguments)
    say = (lambda *_: None) if arguments.quiet else print
    entries: list[Entry] = []
    interrupted = False
    for name in arguments.methods:
        settings = default_settings(name, **chosen, seed=arguments.seed, batch_size=arguments.batch)
        try:
            settings, run = begin(classifier, image, settings)
            interrupted = not _walk(run, arguments.quiet, f"{METHODS[name].title:22}")
            if interrupted:
                break
            explanation = run.result()
            entries.append(measure(classifier, image, Entry(as_settled(settings, explanation), explanation)))
        except (UnsupportedError, PathError) as error:  # one method's refusal is no reason to lose the others
            print(f"{METHODS[name].title} is left out: {error}", file=sys.stderr)
    if not entries:
        print("python -m samp_core: no method gave a map, so nothing was written.", file=sys.stderr)
        return 130 if interrupted else 1
    drawn = compare_figure(classifier, image, entries, scale=arguments.scale)
    pictures = {"figure.png": io.BytesIO(), "figure.pdf": io.BytesIO()}
    for filename, buffer in pictures.items():
        drawn.savefig(buffer, format=filename[-3:], dpi=200)
    name = Path(arguments.image).name
    contents = {
        **{filename: buffer.getvalue() for filename, buffer in pictures.items()},
        "maps.npz": maps_npz(classifier, image, name, entries),
        "table.csv": to_csv(classifier, entries).encode(),
        "report.html": report_html(classifier, image, name, entries, arguments.scale).encode(),
    }
    write_files({arguments.out / filename: content for filename, content in contents.items()})
    say(f"All explain the {describe(classifier, entries[0].settings)[1]}.")
    for row in table(entries):
        gap = "none" if row["gap"] is None else format_gap(row["gap"])
        say(
            f"{row['method']:22} {row['seconds']:7.1f} s  gap {gap:>9}  deletion {row['deletion']:6.3f}  "
            f"insertion {row['insertion']:6.3f}  difference {row['difference']:6.3f}"
        )
    say(f"wrote figure.png, figure.pdf, maps.npz, table.csv and report.html into {arguments.out}")
    return 130 if interrupted else 0


def _benchmark(arguments: argparse.Namespace) -> int:
    for path in arguments.export:
        if path.suffix.lower() not in FORMATS:
            raise ValueError(f"--export {path}: the ending must be one of {', '.join(FORMATS)}.")
        _check_folder("--export", path.parent)
    sources = [*([arguments.folder] if arguments.folder else []), *arguments.images]
    if arguments.against and not (sources and arguments.against in arguments.methods):
        _check_against(arguments)
    interrupted = False
    asked: set[str] = set()
    if sources:
        plan = Plan(
            find_photos(sources)[: arguments.limit],
            tuple(default_settings(name, seed=arguments.seed) for name in arguments.methods),
            arguments.metrics,
            arguments.batch,
            arguments.seed,
        )
        device = check_device(arguments.device)
        settle_threads(arguments.threads)
        classifier = load_classifier(arguments.model, download=arguments.download).prepare()
        classifier.network.to(device)
        asked = {c.fingerprint for c in plan.configurations(classifier, plan.conditions(classifier))}
        with Store(arguments.out) as store:
            if arguments.retry:
                store.forget_failures()
            interrupted = _measure_all(classifier, plan, store, arguments)
    with Store(arguments.out, read_only=True) as store:
        results = load_results(store)
    against = _against(results, arguments.against, asked) if arguments.against and len(results.frame) else None
    if not arguments.quiet:
        _print_results(results, against)
    for path in arguments.export:
        export(results, path, against)
    return 130 if interrupted else 0


def _check_against(arguments: argparse.Namespace) -> None:
    """Find out before anything is measured whether there will be anything to test against.

    Raises:
        ValueError: there will not.
    """
    if not arguments.out.exists():
        raise ValueError(
            f"--against {arguments.against}: that is not among the methods to measure. Add it to --methods, or test "
            f"against one of: {', '.join(arguments.methods)}."
        )
    with Store(arguments.out, read_only=True) as store:
        _against(load_results(store), arguments.against, set())


def _against(results: Results, name: str, asked: set[str]) -> str:
    """Return the label of the method to test against; of several, the one that this command has measured.

    Raises:
        ValueError: there is none, or there are several.
    """
    if name in results.labels:
        return name
    pairs = results.frame[["label", "method"]].drop_duplicates()
    labels = pairs.loc[pairs["method"] == name, "label"].tolist()
    labels = [label for label in labels if results.fingerprints[label] in asked] or labels
    if len(labels) == 1:
        return str(labels[0])
    if labels:
        raise ValueError(f"--against {name}: there are several of it. Name one of: {', '.join(map(repr, labels))}.")
    raise ValueError(
        f"--against {name}: there are no results of it, and it is not among the methods to measure. Add it to "
        f"--methods, or test against one of: {', '.join(map(repr, results.labels))}."
    )


def _measure_all(classifier: Classifier, plan: Plan, store: Store, arguments: argparse.Namespace) -> bool:
    """Carry a plan out with a progress bar; returns whether it was interrupted."""
    interrupted = False

    def stop(*_: object) -> None:
        nonlocal interrupted
        interrupted = True

    def tick() -> None:
        if interrupted:
            raise Stopped

    if arguments.engine == "ray":
        work = run_on_ray(classifier, plan, store, device=arguments.device, address=arguments.address)
    else:
        work = run_here(classifier, plan, store, tick=tick)
    before = signal.signal(signal.SIGINT, stop)
    failures: dict[str, str] = {}
    notes: tuple[str, ...] = ()
    try:
        with tqdm(
            total=len(plan.photos) * len(plan.methods), disable=arguments.quiet, unit="map", dynamic_ncols=True
        ) as bar:
            for progress in work:
                bar.set_postfix_str(progress.now)
                bar.update(progress.done - bar.n)
                for name in progress.failures.keys() - failures.keys():
                    bar.write(f"{name} is left out: {progress.failures[name]}", file=sys.stderr)
                failures = dict(progress.failures)
                for note in progress.notes[len(notes) :]:
                    bar.write(f"Note: {note}", file=sys.stderr)
                notes = progress.notes
                if interrupted:
                    break
    except Stopped:
        pass
    finally:
        signal.signal(signal.SIGINT, before)
    if interrupted:
        print("Interrupted; the same command goes on from here.", file=sys.stderr)
    return interrupted


def _print_results(results: Results, against: str | None) -> None:
    print(markdown(results))
    print(f"\n{INTERVALS}.")
    print("The explained class is the network's first choice on each photo.")
    for title, words in results.protocols.items():
        print(f"{title}: {words}.")
    for words, count in results.conditions.items():
        print(f"{count} numbers were made with: {words}.")
    if len(set(results.planned.values())) > 1:
        for label, words in results.planned.items():
            print(f"{label}: {words}.")
    for words in results.failures:
        print(f"Not measured: {words}")
    made = summary(results, against)
    print("\nMean rank (1 is best):")
    for column, part in made.dropna(subset="rank").groupby("column", sort=False):
        places = ", ".join(f"{r['method']} {r['rank']:.2f}" for r in part.sort_values("rank").to_dict("records"))
        print(f"{column}: {places}")
    if against and "p" in made:
        print(f"\nAgainst {against} (Wilcoxon signed-rank, two-sided, Benjamini-Hochberg within a column):")
        for row in made.dropna(subset="p").to_dict("records"):
            wins = "" if math.isnan(row["wins"]) else f", better on {100 * row['wins']:.0f} %"
            print(f"{row['column']}: {row['method']} {row['difference']:+.3g}{wins}, p = {row['p']:.2g}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status: 0 done, 1 failed, 2 wrong arguments, 130 interrupted."""
    parsed = _parser().parse_args(arguments)
    keep_freed_memory()
    try:
        return {"compare": _compare, "explain": _explain, "benchmark": _benchmark}[parsed.command](parsed)
    except (ValueError, PathError, OSError, DeviceError) as error:
        print(f"python -m samp_core: {error}", file=sys.stderr)
        # Bad images, networks and stores are ValueErrors too, but the command itself was well formed.
        fault = isinstance(error, ImageError | ClassifierError | StoreError)
        wrong_arguments = isinstance(error, ValueError) and not fault
        return 2 if wrong_arguments else 1
    except KeyboardInterrupt:
        print("python -m samp_core: interrupted; nothing was written.", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
