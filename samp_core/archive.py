"""Runs that travel: settings, maps, curves and where they came from, in one file that is safe to open.

A ``.samp`` file is a zip of ``run.json`` (everything in words and numbers), arrays (``0/attributions.npy`` ...), what
was seen on the way (``0/film.json`` ..., ``planes.json``) and, if its owner wants that, ``photo.png``. Reading one
executes nothing, and takes bounded time and memory, whatever is in it.
"""

from __future__ import annotations

import io
import json
import math
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from samp_core.attribution import Belief, Explanation
from samp_core.baselines import GaussianBlur, Zero
from samp_core.classifiers import (
    OWN,
    RANDOM,
    Classifier,
    ClassifierError,
    network_info,
    published_labels,
    published_preprocessing,
)
from samp_core.compare import Entry
from samp_core.films import Reel, View, view_from_dict
from samp_core.images import ImageError, Preprocessing, load_image, sha256
from samp_core.methods import Settings, default_settings, make_method
from samp_core.metrics import Curve, Measurement
from samp_core.metrics.base import Protocol
from samp_core.own import Reordered
from samp_core.rules import Completeness
from samp_core.runs import as_settled, labels_key, machine, now, outcome, subject, versions
from samp_core.runs import asked as wanted
from samp_core.scores import Cost

FORMAT = "samp/1"
ENDING = ".samp"
MOST_BYTES = 200 * 2**20
"""The largest file that is opened, in bytes."""
MOST_UNPACKED = 400 * 2**20
"""The most that one unpacks to, in bytes."""
WEIGHTS_FILE, LABELS_FILE = "weights.pth", "labels.txt"
"""What :func:`as_python` calls the files of a network of somebody's own."""
MOST_RUNS = 64
MOST_MEMBERS = 8192
_MOST_WORDS = 8 * 2**20  # of run.json, and of the planes
_MOST_FILM = 32 * 2**20  # of one film
_NOT_ZIPPED_AT = (1980, 1, 1, 0, 0, 0)  # so that equal runs make equal files

# The arrays of a run with their dimensions: one image's part of what an explanation holds, and the curves'.
_ARRAYS = {
    **{"attributions": 3, "by_direction": 4, "order": 2, "scores": 2, "sums": 1, "targets": 1, "steps": 1},
    **{"agreement": 2, "low": 2, "high": 2, "deletion": 1, "deletion_raw": 1, "insertion": 1, "insertion_raw": 1},
}
_FILM, _PLANES = "film.json", "planes.json"
_FILLS = {"deletion": Zero, "insertion": GaussianBlur}


class ArchiveError(ValueError):
    """A file of runs that cannot be opened or used; the message tells a user what happened and what to do."""


@dataclass(frozen=True)
class Archive:
    """What a file of runs holds.

    Attributes:
        entries: the runs, each with settings, explanation and, if they were measured, curves; all of one photo.
        photo: the photo, if its owner put it in.
        words: everything else, as ``run.json`` has it; see :func:`samp_core.runs.record`, whose parts it holds.
        numbers: of each run, what each metric gave, by the metric's name; empty for what was not measured.
        films: of each run, what was seen on its way; None where that was not kept.
        planes: the planes in which the paths are seen; their tracks are called by the number of their run.
    """

    entries: tuple[Entry, ...]
    photo: Image.Image | None
    words: Mapping[str, Any]
    numbers: tuple[Mapping[str, tuple[Measurement, ...]], ...] = ()
    films: tuple[Reel | None, ...] = ()
    planes: tuple[View, ...] = ()

    @property
    def name(self) -> str:
        """What the photo's file was called."""
        return str(self.words["image"]["name"])

    @property
    def photo_key(self) -> str:
        """The photo's fingerprint, see :func:`samp_core.images.sha256`."""
        return str(self.words["image"]["sha256"])

    @property
    def network(self) -> str:
        """What the network is called."""
        return str(self.words["network"]["name"])

    def check(self, classifier: Classifier, image: Image.Image) -> None:
        """Make sure that this network and this photo are those of the runs.

        Raises:
            ArchiveError: they are others.
        """
        self.check_network(classifier)
        if sha256(image) != self.photo_key:
            raise ArchiveError(
                f"This is another photo than that of the runs, {self.name} (fingerprint {self.photo_key[:12]}). Give "
                "the file that they were made with, unscaled."
            )

    def check_network(self, classifier: Classifier) -> None:
        """Make sure that this network is that of the runs: its weights, how it gets its pictures and its labels.

        Older files do not say the labels.

        Raises:
            ArchiveError: it is another.
        """
        if classifier.multi_label != (self.words["network"].get("multi_label", False) is True):
            raise ArchiveError(
                f"The runs explain {self.network} as a network whose classes "
                f"{'exclude' if classifier.multi_label else 'do not exclude'} each other. Load it "
                f"{'without' if classifier.multi_label else 'with'} multi_label."
            )
        if classifier.fingerprint != self.words["network"]["sha256"]:
            raise ArchiveError(
                f"The runs explain {self.network} with other weights than this {classifier.name}: fingerprint "
                f"{str(self.words['network']['sha256'])[:12]}, not {classifier.fingerprint[:12]}. Load the one that "
                "they were made with."
            )
        kept = self.words["network"].get("preprocessing")
        here = classifier.preprocessing.to_dict()
        if isinstance(kept, dict) and (others := [name for name, value in here.items() if kept.get(name) != value]):
            differences = ", ".join(f"{name} {str(kept.get(name))[:80]} and not {here[name]}" for name in others)
            raise ArchiveError(
                f"The runs explain {self.network} with other pictures than this {classifier.name} gets, though its "
                f"weights are the same: {differences}. Load it with the preprocessing that they were made with."
            )
        if self.words["network"].get("labels", labels_key(classifier)) != labels_key(classifier):
            raise ArchiveError(
                f"The runs explain {self.network} with other names of its classes than this {classifier.name} has, "
                "though its weights are the same. Load it with the labels that they were made with."
            )


def pack(
    classifier: Classifier,
    image: Image.Image,
    name: str,
    entries: Sequence[Entry],
    *,
    with_photo: bool,
    threads: int | None = None,
    numbers: Sequence[Mapping[str, Sequence[Measurement]]] = (),
    asked: Mapping[str, Any] | None = None,
    films: Sequence[Reel | None] = (),
    planes: Sequence[View] = (),
) -> bytes:
    """Return runs on one photo as the bytes of a file.

    Args:
        classifier: what was explained.
        image: the photo.
        name: of the photo's file.
        entries: the runs, as their methods gave them.
        with_photo: whether the photo goes into the file.
        threads: ``torch.get_num_threads()`` of the thread that walked them; None if nobody knows.
        numbers: of each run, what metrics gave for it, by the metric's name; with what each was made from.
        asked: how the numbers were asked for, in plain values: which metrics, what box, calibrated maps or not.
        films: of each run, what was seen on its way.
        planes: the planes in which the paths are seen; their tracks are called by the number of their run.

    Raises:
        ValueError: there is no run, there are too many, one is calibrated, or its curves are of another kind than
            :func:`samp_core.compare.measure` makes.
    """
    if not 1 <= len(entries) <= MOST_RUNS:
        raise ValueError(f"A file holds 1 to {MOST_RUNS} runs, not {len(entries)}.")
    records = []
    shared = {"created": now(), **subject(classifier, image, name), "versions": versions()}
    arrays: dict[str, NDArray[Any]] = {}
    for number, entry in enumerate(entries):
        if entry.is_calibrated:
            raise ValueError(
                "Runs are kept as their methods gave them; a calibrated map is made from its curves again."
            )
        found = entry.explanation
        records.append(
            {
                **wanted(classifier, as_settled(entry.settings, found)),
                "result": outcome(found),
                "machine": machine(classifier, threads),
                "directions": list(found.directions),
                "settled": dict(found.settled),
                "copies": None if found.belief is None else found.belief.copies,
                "curves": {d: _curve_in_words(curve) for d in _FILLS if (curve := getattr(entry, d)) is not None},
            }
        )
        arrays |= {f"{number}/{key}": value for key, value in _arrays(entry).items()}
        if number < len(numbers):
            records[-1]["numbers"] = {name: list(map(_in_words, found)) for name, found in numbers[number].items()}
            arrays |= {
                f"{number}/{_place(name, k, key)}": value[0].cpu().numpy()
                for name, measurements in numbers[number].items()
                for k, measurement in enumerate(measurements)
                for key, value in measurement.evidence.items()
            }
    words = {"format": FORMAT, **shared, "runs": records, **({"asked": dict(asked)} if asked else {})}
    contents = {"run.json": json.dumps(words, indent=1, allow_nan=False).encode()}
    for number, film in enumerate(films):
        if film is not None:
            contents[f"{number}/{_FILM}"] = _compact(film.to_dict())
    if planes:
        contents[_PLANES] = _compact([asdict(view) for view in planes])
    if with_photo:
        buffer = io.BytesIO()
        image.convert("RGB").save(buffer, "PNG")
        contents["photo.png"] = buffer.getvalue()
    for key, value in arrays.items():
        buffer = io.BytesIO()
        np.lib.format.write_array(buffer, np.ascontiguousarray(value), allow_pickle=False)
        contents[f"{key}.npy"] = buffer.getvalue()
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as packed:
        for key, content in contents.items():
            how = zipfile.ZIP_STORED if key == "photo.png" else zipfile.ZIP_DEFLATED
            packed.writestr(zipfile.ZipInfo(key, _NOT_ZIPPED_AT), content, how, 6)
    return file.getvalue()


def _compact(values: Any) -> bytes:
    return json.dumps(values, separators=(",", ":"), allow_nan=False).encode()


def _curve_in_words(curve: Curve) -> dict[str, Any]:
    if not isinstance(curve.fill, _FILLS[curve.direction]):
        raise ValueError(
            f"A {curve.direction} curve with {curve.fill} cannot be kept: measure it by the usual protocol."
        )
    return {"pixels_per_step": curve.pixels_per_step, "protocol": asdict(curve.protocol)}


def _in_words(measurement: Measurement) -> dict[str, Any]:
    value = float(measurement.values[0])
    return {
        "name": measurement.name,
        "value": value if math.isfinite(value) else None,
        "note": measurement.note,
        "protocol": asdict(measurement.protocol),
        "evidence": list(measurement.evidence),
    }


def _place(metric: str, number: int, evidence: str) -> str:
    """Return where in a run a metric's evidence is kept."""
    return f"numbers/{metric}/{number}/{evidence}"


def _arrays(entry: Entry) -> dict[str, NDArray[Any]]:
    found, belief = entry.explanation, entry.explanation.belief
    tensors = {
        "attributions": found.attributions[0],
        "by_direction": found.by_direction[:, 0],
        "order": found.order[0],
        "scores": found.scores[:, :, 0],
        "sums": found.completeness.sums[:, 0],
        "targets": found.completeness.targets[:, 0],
        "steps": found.steps[:, 0],
    }
    if belief is not None:
        tensors |= {"agreement": belief.agreement[0], "low": belief.low[0], "high": belief.high[0]}
    for direction in _FILLS:
        if (curve := getattr(entry, direction)) is not None:
            tensors |= {direction: curve.scores[0], f"{direction}_raw": curve.raw[0]}
    return {name: tensor.cpu().numpy() for name, tensor in tensors.items()}


# -- reading -----------------------------------------------------------------------------------------------------------


def unpack(content: bytes) -> Archive:
    """Return what a file of runs holds.

    Raises:
        ArchiveError: it is none, is damaged, was written by a newer version, or needs what is not installed here.
    """
    if len(content) > MOST_BYTES:
        raise ArchiveError(f"The file has {len(content) / 2**20:.0f} MiB; at most {MOST_BYTES / 2**20:.0f} are opened.")
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as packed:
            return _read(packed)
    except ArchiveError:
        raise
    # Damaged zips, arrays and words raise a dozen kinds of exceptions, and few are documented.
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, NotImplementedError, RuntimeError) as error:
        raise ArchiveError(
            "This is no file of runs, or it was damaged on its way: it cannot be unzipped "
            f"({error or type(error).__name__}). Fetch it once more from where it was made."
        ) from error
    except Exception as error:
        raise ArchiveError(
            f"The file of runs is damaged: what is in it does not fit together ({type(error).__name__}: "
            f"{str(error)[:200]}). Fetch it once more from where it was made."
        ) from error


def open_archive(path: Path) -> Archive:
    """Return what the file of runs at a path holds.

    Raises:
        ArchiveError: see :func:`unpack`; also, it cannot be read.
    """
    try:
        if path.stat().st_size > MOST_BYTES:
            raise ArchiveError(f"{path} is larger than the {MOST_BYTES / 2**20:.0f} MiB that are opened.")
        return unpack(path.read_bytes())
    except OSError as error:
        raise ArchiveError(f"{path} cannot be read: {error.strerror or error}. Check name and permission.") from error


def _read(packed: zipfile.ZipFile) -> Archive:
    members = packed.infolist()
    if len(members) > MOST_MEMBERS or sum(m.file_size for m in members) > MOST_UNPACKED:
        raise ArchiveError(f"The file unpacks to more than the {MOST_UNPACKED / 2**20:.0f} MiB that are opened.")
    names = {member.filename for member in members}
    if "run.json" not in names:
        raise ArchiveError("This zip is no file of runs: it has no run.json. Choose a file that ends in .samp.")
    words = json.loads(read_member(packed, "run.json", _MOST_WORDS))
    form = words.get("format") if isinstance(words, dict) else None
    if not isinstance(form, str) or not form.startswith("samp/"):
        raise ArchiveError("This zip is no file of runs: its run.json says nothing of the kind.")
    if form != FORMAT:
        raise ArchiveError(
            f"The file was written by a newer version ({form}; this one reads {FORMAT}). Update samp_core."
        )
    if not isinstance(words["runs"], list) or not 1 <= len(words["runs"]) <= MOST_RUNS:
        raise ValueError("no runs, or too many")
    for place in (("image", "name"), ("image", "sha256"), ("network", "name"), ("network", "sha256")):
        if not isinstance(words[place[0]][place[1]], str):
            raise TypeError(f"{' '.join(place)} is no text")
    photo = _photo(packed, words) if "photo.png" in names else None
    entries = tuple(_entry(packed, names, number, run) for number, run in enumerate(words["runs"]))
    if len({entry.explanation.attributions.shape for entry in entries}) > 1:
        raise ValueError("maps of different sizes")
    numbers = tuple(_numbers(packed, number, run.get("numbers", {})) for number, run in enumerate(words["runs"]))
    films = tuple(_film(packed, names, number, entry.explanation) for number, entry in enumerate(entries))
    return Archive(entries, photo, words, numbers, films, _planes(packed, names, entries))


def read_member(packed: zipfile.ZipFile, name: str, most: int = MOST_UNPACKED) -> bytes:
    """Return a member's bytes; no more are unpacked than it says, which is bounded.

    Raises:
        ArchiveError: it says that it is larger than ``most`` bytes.
        Exception: of one of many kinds, the zip is damaged.
    """
    member = packed.getinfo(name)
    if member.file_size > most:
        raise ArchiveError(f"{name} unpacks to more than the {most / 2**20:.0f} MiB that are read.")
    with packed.open(member) as file:
        content = file.read(member.file_size + 1)
    if len(content) != member.file_size:
        raise zipfile.BadZipFile(f"{name} is not as long as it says")
    return content


def _photo(packed: zipfile.ZipFile, words: Mapping[str, Any]) -> Image.Image:
    try:
        photo = load_image(read_member(packed, "photo.png"))
    except ImageError as error:
        raise ArchiveError(f"The photo in the file cannot be used. {error}") from error
    if sha256(photo) != words["image"]["sha256"]:
        raise ArchiveError("The photo in the file is not the one that its runs explain: somebody has changed the file.")
    original = words["image"].get("original_size")
    if isinstance(original, list) and len(original) == 2 and tuple(original) != photo.size:
        photo.info["original_size"] = (int(original[0]), int(original[1]))
    return photo


def _array(packed: zipfile.ZipFile, name: str, dimensions: int | None = None) -> Tensor:
    buffer = io.BytesIO(read_member(packed, name))
    version = np.lib.format.read_magic(buffer)
    if version != (1, 0):
        raise ValueError(f"{name} is an array of another format")
    shape, by_columns, dtype = np.lib.format.read_array_header_1_0(buffer)
    rest = buffer.getbuffer().nbytes - buffer.tell()
    known = dtype == np.bool_ or (dtype.kind in "fi" and dtype.itemsize in (2, 4, 8))
    if by_columns or not known or len(shape) != (len(shape) if dimensions is None else dimensions):
        raise ValueError(f"{name} is an array of another kind")
    if any(side < 0 for side in shape) or math.prod(shape) * dtype.itemsize != rest:
        raise ValueError(f"{name} is cut short")
    values = np.frombuffer(buffer.getvalue(), dtype, offset=buffer.tell()).reshape(shape)
    return torch.from_numpy(values.astype(dtype.newbyteorder("=")))  # a copy that may be written to


def _entry(packed: zipfile.ZipFile, names: set[str], number: int, run: Mapping[str, Any]) -> Entry:
    try:
        settings = Settings.from_dict(run["settings"]).settled()
    except ValueError as error:
        raise ArchiveError(f"The file asks for what this installation does not have. {error}") from error
    if settings.target is None:
        raise ValueError("no class is explained")
    arrays = {
        name: _array(packed, f"{number}/{name}.npy", dimensions)
        for name, dimensions in _ARRAYS.items()
        if f"{number}/{name}.npy" in names
    }
    directions = tuple(map(str, run["directions"]))
    attributions, by_direction = arrays["attributions"], arrays["by_direction"]
    shape, count = attributions.shape, len(directions)
    sides = {name: arrays[name].shape for name in ("order", "agreement", "low", "high") if name in arrays}
    rows = (len(by_direction), arrays["scores"].shape[1], len(arrays["steps"]))
    if not attributions.numel() or any(side != shape[1:] for side in sides.values()) or any(n != count for n in rows):
        raise ValueError("arrays of different sizes")
    if count and by_direction.shape[1:] != shape:
        raise ValueError("directions of another size")
    promised = len(arrays["sums"])  # of a method without directions one sum, or none
    if len(arrays["targets"]) != promised or (promised != count if count else promised > 1):
        raise ValueError("sums of another number of directions")
    result, belief = run["result"], None
    if "agreement" in arrays:
        belief = Belief(int(run["copies"]), *(arrays[name].unsqueeze(0) for name in ("agreement", "low", "high")))
    explanation = Explanation(
        attributions=attributions.unsqueeze(0),
        by_direction=by_direction.unsqueeze(1),
        directions=directions,
        order=arrays["order"].unsqueeze(0),
        scores=arrays["scores"].unsqueeze(2),
        completeness=Completeness(arrays["sums"].unsqueeze(1), arrays["targets"].unsqueeze(1)),
        finished=bool(result["finished"]),
        notes=tuple(map(str, result["notes"])),
        steps=arrays["steps"].unsqueeze(1),
        cost=Cost(*(int(result["cost"][name]) for name in ("gradients", "forwards", "batches"))),
        seconds=float(result["seconds"]),
        settled={str(name): str(value) for name, value in run["settled"].items()},
        belief=belief,
    )
    curves = {d: _curve(d, run["curves"][d], arrays[d], arrays[f"{d}_raw"]) for d in _FILLS if d in run["curves"]}
    return Entry(settings, explanation, curves.get("deletion"), curves.get("insertion"))


def _numbers(packed: zipfile.ZipFile, number: int, words: Mapping[str, Any]) -> dict[str, tuple[Measurement, ...]]:
    def measurement(metric: str, k: int, said: Mapping[str, Any]) -> Measurement:
        value = torch.tensor([math.nan if said["value"] is None else float(said["value"])])
        evidence = {
            str(key): _array(packed, f"{number}/{_place(metric, k, key)}.npy").unsqueeze(0) for key in said["evidence"]
        }
        return Measurement(str(said["name"]), value, Protocol(**said["protocol"]), evidence, str(said["note"]))

    return {
        str(metric): tuple(measurement(metric, k, said) for k, said in enumerate(found))
        for metric, found in words.items()
    }


def _film(packed: zipfile.ZipFile, names: set[str], number: int, explanation: Explanation) -> Reel | None:
    if (name := f"{number}/{_FILM}") not in names:
        return None
    return Reel.from_dict(json.loads(read_member(packed, name, _MOST_FILM)), explanation)


def _planes(packed: zipfile.ZipFile, names: set[str], entries: Sequence[Entry]) -> tuple[View, ...]:
    if _PLANES not in names:
        return ()
    runs = [entry.explanation.directions for entry in entries]
    views = json.loads(read_member(packed, _PLANES, _MOST_WORDS))
    if len(views) > MOST_RUNS:
        raise ValueError("too many planes")
    return tuple(view_from_dict(view, runs) for view in views)


def _curve(direction: Any, words: Mapping[str, Any], scores: Tensor, raw: Tensor) -> Curve:
    step = int(words["pixels_per_step"])
    if scores.shape != raw.shape or not len(scores) or step < 1:
        raise ValueError("a curve that is none")
    scores, raw = scores.unsqueeze(0), raw.unsqueeze(0)
    return Curve(scores, raw, scores.mean(1), direction, Protocol(**words["protocol"]), step, _FILLS[direction]())


# -- doing it again ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Agreement:
    """How a run that was done again compares with the one in the file.

    Attributes:
        title: the method's.
        same: whether both maps are equal to the last bit.
        correlation: Spearman of both maps' pixels.
        difference: largest difference, as a share of the largest magnitude in the file.
        reasons: what is other than it was, and may explain a difference; empty if nothing is known to be.
    """

    title: str
    same: bool
    correlation: float
    difference: float
    reasons: tuple[str, ...]


def replay(
    archive: Archive,
    classifier: Classifier,
    image: Image.Image,
    walk: Callable[[Any, str], bool] | None = None,
) -> list[Agreement]:
    """Do every run of a file again and compare the maps.

    Args:
        archive: the file.
        classifier: the network, as loaded or prepared.
        image: the photo.
        walk: carries a run out, given what to call it; False ends the replay with what is there.

    Raises:
        ArchiveError: network or photo are others.
        UnsupportedError: a method does not serve this network.
        PathError: a map is not finite.
    """
    from samp_core.metrics import spearman  # noqa: PLC0415 - what only packs and opens needs no statistics

    archive.check(classifier, image)
    found = []
    inputs = classifier.inputs(image)
    for entry, kept in zip(archive.entries, archive.words["runs"], strict=True):
        run = make_method(classifier, entry.settings).start(inputs, entry.settings.target)
        if walk is None:
            for _ in run:
                pass
        elif not walk(run, entry.title):
            break
        again, before = run.result(), entry.explanation
        here = {"machine": machine(classifier, torch.get_num_threads()), "versions": versions()}
        largest = float(before.attributions.abs().max()) or 1.0
        found.append(
            Agreement(
                entry.title,
                torch.equal(again.attributions.cpu(), before.attributions),
                float(spearman(again.maps.cpu(), before.maps)),
                float((again.attributions.cpu() - before.attributions).abs().max()) / largest,
                _reasons({**archive.words, **kept}, here),
            )
        )
    return found


def _reasons(before: Mapping[str, Any], here: Mapping[str, Any]) -> tuple[str, ...]:
    found = [] if before["result"]["finished"] else ["it was stopped before its end"]
    for part in ("machine", "versions"):
        for name, value in here[part].items():
            was = before[part].get(name)
            if was is None:
                found.append(f"{name} is not known")
            elif was != value:
                found.append(f"{name} was {was}, is {value}")
    return tuple(found)


def as_python(classifier: Classifier, photo: str, settings: Settings, is_sample: bool = False) -> str:
    """Return Python that makes the map of these settings again.

    Files that only their owner has (photo, weights, labels) are called by names to put others in for.

    Args:
        classifier: what was explained.
        photo: the photo's file.
        settings: with the target.
        is_sample: whether the photo is one of the samples, and called like it.
    """
    values, published = (given.settled().to_dict() for given in (settings, default_settings(settings.method)))
    options, usual = values.pop("options"), published.pop("options")
    given = {name: value for name, value in values.items() if value != published[name]}
    given |= {name: value for name, value in options.items() if value != usual[name]}
    load = "load_sample" if is_sample else "load_image"
    lines = "".join(f"    {name}={value!r},\n" for name, value in given.items())
    imports, network = _network_in_python(classifier)
    return (
        f"{imports[0]}from samp_core import default_settings, load_classifier, {load}, make_method\n{imports[1]}\n"
        f"{network}"
        f"inputs = classifier.inputs({load}({photo!r}))\n"
        f"settings = default_settings(\n    {settings.method!r},\n{lines})\n"
        "explanation = make_method(classifier, settings).explain(inputs, settings.target)\n"
        "print(explanation.maps.shape, explanation.completeness.relative)\n"
    )


def _network_in_python(classifier: Classifier) -> tuple[tuple[str, str], str]:
    """Return the imports before and after those of every script, and the lines that load and prepare a network."""
    name, how = classifier.name.removesuffix(RANDOM).removesuffix(OWN), classifier.preprocessing
    lines: list[str] = []
    given: list[str] = []
    before = after = ""
    labels = tuple(f"class {k}" for k in range(len(classifier.labels)))
    try:
        usual: Preprocessing | None = published_preprocessing(name)
        labels = published_labels(name, len(classifier.labels))
        given.append(repr(name))
    except ClassifierError:  # a module
        usual = None
        given.append("network")
        lines.append("# network: your own module (torch.nn.Module) or function, as you have made it")
    if classifier.name.endswith(OWN):
        given.append(f"weights={WEIGHTS_FILE!r}")
        lines.append(f"# {WEIGHTS_FILE}: your own file of the weights; put its path here")
    elif classifier.name.endswith(RANDOM):
        given.append('weights="random"')
    elif usual is not None and network_info(name).file.endswith(".pt2"):
        lines.append("# SAMP_MODELS_DIR must name the folder of the program")
    elif usual is not None and network_info(name).file:
        given.append("download=True")
        lines.append("# download=True: the weights are fetched once, if they are not on this computer")
    if labels != classifier.labels:
        given.append("labels=read_labels(labels.read_bytes(), labels.suffix)")
        lines.append(f"# {LABELS_FILE}: your own file of the names of the classes; put its path here")
        lines.append(f"labels = Path({LABELS_FILE!r})")
        before, after = "from pathlib import Path\n\n", "from samp_core.own import read_labels\n"
    if how != usual:
        values = ", ".join(f"{field.name}={getattr(how, field.name)!r}" for field in fields(how))
        given.append(f"preprocessing=Preprocessing({values})")
        after = f"from samp_core.images import Preprocessing\n{after}"
    given += ["bgr=True"] if isinstance(classifier.network, Reordered) else []
    given += ["multi_label=True"] if classifier.multi_label else []
    call = ", ".join(given) if len(given) == 1 else "".join(f"\n    {each}," for each in given) + "\n"
    said = "".join(f"{line}\n" for line in lines)
    return (before, after), f"{said}classifier = load_classifier({call}).prepare()\n"
