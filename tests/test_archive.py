"""Files of runs: everything comes back, nothing is executed, and whatever is wrong is said in a sentence."""

from __future__ import annotations

import base64
import gzip
import io
import json
import math
import pickle
import random
import zipfile
from dataclasses import replace

import numpy as np
import pytest
import torch
import torchvision
from PIL import Image
from torch import nn

from samp_core import archive as archives
from samp_core import cli as command_line
from samp_core import load_classifier
from samp_core.archive import Archive, ArchiveError, as_python, open_archive, pack, replay, unpack
from samp_core.classifiers import published_labels, published_preprocessing
from samp_core.compare import Entry, measure
from samp_core.films import (
    Film,
    Lane,
    Recording,
    Reel,
    Still,
    Walk,
    data_uri,
    film_of,
    frame_message,
    pieces,
    points_message,
    surveys,
)
from samp_core.films.paper import FIGURES, paper_figure
from samp_core.images import Preprocessing, load_sample
from samp_core.methods import METHODS, default_settings, make_method
from samp_core.metrics import METRICS, Measurement, Subject
from samp_core.runs import as_settled, begin

OF_ATTENTION = {"legrad", "rollout"}


@pytest.fixture(scope="module")
def toy():
    torch.manual_seed(5)
    network = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 5)
    )
    half = (0.5, 0.5, 0.5)
    return load_classifier(network, preprocessing=Preprocessing(36, (32, 32), half, half))


@pytest.fixture(scope="module")
def photo():
    return load_sample("coffee").resize((60, 40))


def filmed(toy, photo, name, **changes) -> tuple[Entry, Film | Still]:
    settings, run = begin(toy, photo, default_settings(name, target=2, **changes))
    film = film_of(toy.preprocessing, run)
    for piece in run:
        film.add(piece)
    explanation = run.result()
    film.close(explanation)
    return Entry(as_settled(settings, explanation), explanation), film


def explained(toy, photo, name, **changes) -> Entry:
    return filmed(toy, photo, name, **changes)[0]


@pytest.fixture(scope="module")
def lanes(toy, photo):
    short = {"steps": 4}
    found = [
        filmed(toy, photo, "samp", **short),
        filmed(toy, photo, "ig", **short),
        filmed(toy, photo, "grad-cam"),
        filmed(toy, photo, "samp-instant", copies=3),
        filmed(toy, photo, "samp-refined", searches=2, sweeps=2, **short),
    ]
    assert found[3][0].explanation.belief is not None
    return found


@pytest.fixture(scope="module")
def entries(toy, photo, lanes):
    return [measure(toy, photo, entry) if k in (0, 3) else entry for k, (entry, _) in enumerate(lanes)]


@pytest.fixture(scope="module")
def seen(toy, lanes):
    """Return what was seen of the runs: films, and the finished planes of those that walked a path."""
    films = [film for _, film in lanes]
    walks = [
        Walk(str(k), entry.settings, film) for k, (entry, film) in enumerate(lanes) if isinstance(film, Film) and k != 3
    ]
    found = surveys(walks, "the score")
    assert sum(pieces(found, toy, lanes[0][0].settings)) == sum(survey.cells for survey in found)
    assert sum(len(survey.view.drafts) for survey in found) == 2 * 2
    return {"films": [Reel.of(film) for film in films], "planes": [survey.view for survey in found]}


@pytest.fixture(scope="module")
def packed(toy, photo, entries, seen):
    return pack(toy, photo, "cup.png", entries, with_photo=True, threads=1, **seen)


def members(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        return {name: file.read(name) for name in file.namelist()}


def zipped(contents: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name, content in contents.items():
            file.writestr(name, content)
    return buffer.getvalue()


def assert_same(a: object, b: object) -> None:
    if isinstance(a, torch.Tensor):
        assert torch.equal(a.nan_to_num(7e7), b.nan_to_num(7e7))
        assert a.dtype == b.dtype
    elif hasattr(a, "__dataclass_fields__"):
        for name in a.__dataclass_fields__:
            if name != "seconds":
                assert_same(getattr(a, name), getattr(b, name))
    else:
        assert a == b or dict(a) == dict(b)


def test_everything_comes_back_and_is_kept_again_to_the_byte(toy, photo, entries, packed):
    found = unpack(packed)
    assert found.name == "cup.png"
    assert found.photo.tobytes() == photo.tobytes()
    found.check(toy, photo)
    for before, after in zip(entries, found.entries, strict=True):
        assert after.settings == before.settings.settled()
        assert after.settings.options == before.settings.settled().options
        assert_same(before.explanation, after.explanation)
        for one, other in ((before.deletion, after.deletion), (before.insertion, after.insertion)):
            assert (one is None) == (other is None)
            if one is not None:
                assert str(one.fill) == str(other.fill)
                assert_same(replace(one, fill=other.fill), other)
        assert (before.in_units is None) == (after.in_units is None)
    again = pack(
        toy, photo, "cup.png", found.entries, with_photo=True, threads=1, films=found.films, planes=found.planes
    )
    again, first = members(again), members(packed)
    assert again.keys() == first.keys()
    assert all(again[name] == first[name] for name in first if name != "run.json")


def test_films_come_back_as_they_are_told(lanes, seen, packed):
    found = unpack(packed)
    assert found.films[2] is None  # of a method without a path its map is the film
    assert [view.ends for view in found.planes] == [view.ends for view in seen["planes"]]
    assert found.planes == tuple(seen["planes"])
    for (entry, film), kept in zip(lanes, found.films, strict=True):
        reel = kept or Reel.still(entry.explanation)
        assert reel.directions == film.directions
        count = len(film.frames)
        assert json.dumps([frame_message(film, k) for k in range(count)]) == json.dumps(
            [frame_message(reel, k) for k in range(count)]
        )
        told = [points_message(points, entry.explanation) for points in (film.points, reel.points)]
        assert told[0] == told[1]


def test_a_film_from_a_file_is_kept_in_every_way(toy, photo, packed):
    found = unpack(packed)
    lanes = [
        Lane(entry.settings, film or Reel.still(entry.explanation), entry.explanation)
        for entry, film in zip(found.entries[1:], found.films[1:], strict=True)
    ]
    recording = Recording(toy, photo, "cup.png", lanes)
    recording.take_views(found.planes, {str(k + 1): f"run-{k}" for k in range(len(lanes))})
    assert "cup.png" in recording.html()
    assert recording.encoded(".webp")[:4] == b"RIFF"
    for kind in FIGURES:
        assert paper_figure(recording, kind, ending="png")[:4] == b"\x89PNG"


def numbers_of(toy, photo, entry: Entry) -> dict[str, tuple[Measurement, ...]]:
    """Return what every metric that needs no more than the map gives for it."""
    subject = Subject(
        toy.network,
        toy.preprocessing(photo),
        torch.tensor([2]),
        entry.explanation.attributions,
        box=(0.2, 0.2, 0.8, 0.8),
    )
    quick = [m for m in METRICS.values() if m.needs != "explain"]
    return {metric.name: metric.compute(subject) for metric in quick}


def test_numbers_come_back_with_what_they_were_made_from(toy, photo, entries):
    numbers = [numbers_of(toy, photo, entry) for entry in entries[:2]]
    asked = {"metrics": list(numbers[0]), "box": [0.2, 0.2, 0.8, 0.8], "in_units": False}
    content = pack(toy, photo, "cup.png", entries[:3], with_photo=True, numbers=numbers, asked=asked)
    found = unpack(content)
    assert found.words["asked"] == asked
    assert found.numbers[2] == {}
    evidence = 0
    for before, after in zip(numbers, found.numbers, strict=False):
        assert list(before) == list(after)
        for name in before:
            for one, other in zip(before[name], after[name], strict=True):
                assert (one.name, one.note, one.protocol) == (other.name, other.note, other.protocol)
                torch.testing.assert_close(other.values, one.values.float(), rtol=1e-6, atol=0, equal_nan=True)
                assert list(one.evidence) == list(other.evidence)
                for key, value in one.evidence.items():
                    assert_same(value, other.evidence[key])
                    evidence += 1
    assert evidence >= 10
    again = pack(toy, photo, "cup.png", found.entries, with_photo=True, numbers=found.numbers, asked=asked)
    one, other = members(content), members(again)
    assert one.keys() == other.keys()
    assert all(one[name] == other[name] for name in one if name != "run.json")
    broken = one | {"0/numbers/curves/0/deletion.npy": b"no array"}
    with pytest.raises(ArchiveError, match="damaged"):
        unpack(zipped(broken))


@pytest.mark.parametrize("name", sorted(set(METHODS) - OF_ATTENTION))
def test_every_method_can_be_kept_and_replayed(toy, photo, name):
    entry = explained(toy, photo, name)
    found = unpack(pack(toy, photo, "cup.png", [entry], with_photo=False, threads=1))
    assert found.photo is None
    assert_same(entry.explanation, found.entries[0].explanation)
    (agreement,) = replay(found, toy, photo)
    assert agreement.same
    assert agreement.difference == 0
    assert not agreement.reasons


def test_what_is_other_than_it_was_is_named(toy, photo, packed):
    torch.set_num_threads(1)
    words = json.loads(members(packed)["run.json"])
    for run in words["runs"]:
        run["machine"]["threads"] = 7
    words["versions"]["torch"] = "1.0"
    contents = members(packed) | {"run.json": json.dumps(words).encode()}
    values = np.load(io.BytesIO(contents["0/attributions.npy"]))
    changed = io.BytesIO()
    np.save(changed, values[:, ::-1].copy())
    found = replay(unpack(zipped(contents | {"0/attributions.npy": changed.getvalue()})), toy, photo)
    assert not found[0].same
    assert found[0].correlation < 0.9
    assert found[0].difference > 0.01
    assert "threads was 7, is 1" in found[0].reasons
    assert any(reason.startswith("torch was 1.0") for reason in found[0].reasons)


def test_other_photos_and_networks_are_refused(toy, photo, packed):
    found = unpack(packed)
    with pytest.raises(ArchiveError, match="another photo"):
        replay(found, toy, load_sample("chelsea"))
    torch.manual_seed(6)
    other = nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 5))
    with pytest.raises(ArchiveError, match="other weights"):
        replay(found, load_classifier(other, preprocessing=toy.preprocessing), photo)


def test_what_cannot_be_kept_is_refused(toy, photo, entries):
    with pytest.raises(ValueError, match="1 to 64 runs"):
        pack(toy, photo, "cup.png", [], with_photo=False)
    with pytest.raises(ValueError, match="as their methods gave them"):
        pack(toy, photo, "cup.png", [entries[0].in_units], with_photo=False)


class Bomb:
    def __reduce__(self):
        return (pytest.fail, ("a pickle was executed",))


def hostile(packed: bytes) -> dict[str, tuple[bytes, str]]:
    contents = members(packed)
    words = json.loads(contents["run.json"])

    def with_words(**changes) -> bytes:
        return zipped(contents | {"run.json": json.dumps(words | changes).encode()})

    objects = io.BytesIO()
    np.save(objects, np.array([Bomb()], dtype=object), allow_pickle=True)
    unknown = [{**words["runs"][0], "settings": {**words["runs"][0]["settings"], "method": "samp-2040"}}]
    other_photo = io.BytesIO()
    load_sample("chelsea").save(other_photo, "PNG")
    zeros = io.BytesIO()
    with zipfile.ZipFile(zeros, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as file:
        file.writestr("run.json", b"0" * (archives.MOST_UNPACKED + 1))
    return {
        "nothing": (b"", "no file of runs"),
        "a photo": (contents["photo.png"], "no file of runs"),
        "another zip": (zipped({"a.txt": b"a"}), "no run.json"),
        "other words": (zipped({"run.json": b"[1, 2]"}), "says nothing of the kind"),
        "no words": (zipped({"run.json": b"\xff\xfe"}), "damaged"),
        "deep words": (zipped({"run.json": b"[" * 100_000}), "damaged"),
        "newer": (with_words(format="samp/2"), "newer version"),
        "an unknown method": (with_words(runs=unknown), "does not have"),
        "no runs": (with_words(runs=[]), "damaged"),
        "too many runs": (with_words(runs=words["runs"] * 20), "damaged"),
        "a pickle": (zipped(contents | {"0/attributions.npy": objects.getvalue()}), "damaged"),
        "a bare pickle": (zipped(contents | {"0/attributions.npy": pickle.dumps(Bomb())}), "damaged"),
        "another photo": (zipped(contents | {"photo.png": other_photo.getvalue()}), "somebody has changed"),
        "no photo": (zipped(contents | {"photo.png": b"no"}), "photo in the file cannot be used"),
        "a bomb": (zeros.getvalue(), "unpacks to more"),
        "a missing array": (zipped({k: v for k, v in contents.items() if k != "1/sums.npy"}), "damaged"),
        **{f"a film with {what}": (content, "damaged") for what, content in hostile_films(contents).items()},
        "infinite": (zipped(contents | {"0/attributions.npy": infinite(contents)}), "damaged"),
    }


def hostile_films(contents: dict[str, bytes]) -> dict[str, bytes]:
    film, planes = (json.loads(contents[name]) for name in ("0/film.json", "planes.json"))

    def with_frame(**changes) -> bytes:
        frames = [film["frames"][0] | changes, *film["frames"][1:]]
        return zipped(contents | {"0/film.json": json.dumps(film | {"frames": frames}).encode()})

    def with_film(**changes) -> bytes:
        return zipped(contents | {"0/film.json": json.dumps(film | changes).encode()})

    def with_plane(**changes) -> bytes:
        return zipped(contents | {"planes.json": json.dumps([planes[0] | changes]).encode()})

    huge = data_uri(Image.new("L", (30_000, 6_000)), "PNG")  # more than Pillow opens
    svg = "data:image/svg+xml;base64,PHN2Zy8+"
    bomb = base64.b64encode(gzip.compress(bytes(50_000_000))).decode()
    track = planes[0]["tracks"][0]
    return {
        "a picture from elsewhere": with_frame(states=["http://example.com/a.png"] * 2),
        "a script in a picture": with_frame(states=[svg] * 2),
        "a huge picture": with_frame(states=[huge] * 2),
        "another picture's size": with_frame(pixel_map=data_uri(Image.new("L", (16, 16)))),
        "one direction too few": with_frame(states=film["frames"][0]["states"][:1]),
        "no number": with_frame(way=math.nan),
        "a map of moves that were not made": with_frame(credited=1),
        "no pictures": with_film(frames=[]),
        "another end": with_film(closing=1),
        "a bomb": with_film(when=[bomb] * 2),
        "a list for everything": zipped(contents | {"0/film.json": b"[]"}),
        "no ground": with_plane(values=[]),
        "a gap in its ground": with_plane(values=[[1.0, 2.0], [1.0]]),
        "a path of no run": with_plane(tracks=[track | {"run": "9"}]),
        "a path of no direction": with_plane(tracks=[track | {"direction": "sideways"}]),
        "a draft of no run": with_plane(drafts=[track | {"run": "9"}]),
        "drafts without end": with_plane(drafts=[track] * 1000),
        "a draft with a story": with_plane(drafts=[track | {"words": "x" * 1000}]),
        "scores of other states": with_plane(drafts=[track | {"scores": [1.0]}]),
        "a path without places": with_plane(tracks=[track | {"places": []}]),
    }


def infinite(contents: dict[str, bytes]) -> bytes:
    values = np.load(io.BytesIO(contents["0/attributions.npy"]))
    values[0, 0, 0] = np.inf
    buffer = io.BytesIO()
    np.save(buffer, values)
    return buffer.getvalue()


def test_hostile_files_get_a_sentence(packed):
    for content, words in hostile(packed).values():
        with pytest.raises(ArchiveError, match=words):
            unpack(content)


def test_mutated_files_get_a_sentence_or_are_whole(packed, no_type_checks):
    rng = random.Random(0)
    contents = members(packed)
    opened = 0
    for number in range(2000):
        if number % 2:  # anywhere in the file
            mutated = bytearray(packed)
            for _ in range(rng.choice((1, 1, 2, 20))):
                mutated[rng.randrange(len(mutated))] = rng.randrange(256)
            content = bytes(mutated[: rng.randrange(len(mutated))] if rng.random() < 0.2 else mutated)
        else:  # in one of its parts, which is zipped as it should be
            name = rng.choice(["run.json", *(n for n in contents if n != "photo.png")])
            part = bytearray(contents[name])
            for _ in range(rng.choice((1, 2, 5))):
                place = rng.randrange(min(len(part), 300 if name.endswith(".npy") else len(part)))
                part[place : place + rng.choice((0, 1, 1, 3))] = bytes([rng.choice(b'0123456789{}[]",:-eN\x00\xff')])
            content = zipped(contents | {name: bytes(part)})
        try:
            found = unpack(content)
        except ArchiveError:
            continue
        opened += 1
        assert isinstance(found, Archive)
        assert all(entry.explanation.maps.isfinite().all() for entry in found.entries)
    assert 10 < opened < 1930


def test_code_that_makes_the_same_map(tmp_path, monkeypatch):
    photo = load_sample("coffee")
    photo.save(tmp_path / "cup.png")
    monkeypatch.chdir(tmp_path)
    classifier = load_classifier("mnist_cnn").prepare()
    torch.set_num_threads(1)
    settings, run = begin(classifier, photo, default_settings("ig", steps=3, insertion_baseline="blur"))
    for _ in run:
        pass
    code = as_python(classifier, "cup.png", settings)
    assert "steps=3" in code
    made: dict[str, object] = {}
    exec(code, made)
    assert torch.equal(made["explanation"].maps, run.result().maps)


def test_code_that_loads_the_network_of_somebodys_own(tmp_path, monkeypatch):
    photo = load_sample("coffee")
    photo.save(tmp_path / "cup.png")
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(3)
    theirs = torchvision.models.squeezenet1_1(weights=None, num_classes=3).eval()
    torch.save(theirs.state_dict(), tmp_path / "mine.safe")
    (tmp_path / "names.json").write_text('["cat", "dog", "bird"]')
    small = Preprocessing(40, (32, 32), (0.5, 0.4, 0.3), (0.5,) * 3, "bilinear")
    settings = default_settings("gradient", target=1)
    state = {"weights": theirs.state_dict()}
    for more, files in (
        ({**state}, ("weights.pth",)),
        ({**state, "preprocessing": small, "labels": ["cat", "dog", "bird"], "bgr": True, "multi_label": True},
         ("weights.pth", "labels.txt")),
        ({"weights": "random", "preprocessing": small}, ()),
    ):  # fmt: skip
        classifier = load_classifier("squeezenet1_1", **more).prepare()
        code = as_python(classifier, "cup.png", settings)
        said = [line for line in code.splitlines() if line.startswith("#")]
        assert len(said) == len(files)
        for file, theirs_is in (("weights.pth", "mine.safe"), ("labels.txt", "names.json")):
            assert (file in files) == (file in code)
            assert any(file in line and "put its path here" in line for line in said) == (file in files)
            code = code.replace(file, theirs_is)
        made: dict[str, object] = {}
        exec(code, made)
        again = made["classifier"]
        assert again.labels == classifier.labels
        assert (again.fingerprint, again.multi_label) == (classifier.fingerprint, classifier.multi_label)
        assert again.preprocessing == classifier.preprocessing
        inputs = classifier.inputs(photo)
        assert torch.equal(made["explanation"].maps, make_method(classifier, settings).explain(inputs, 1).maps)


def test_code_for_published_weights_and_for_a_module_says_what_they_need(toy):
    settings = default_settings("gradient", target=1)
    code = as_python(toy, "cup.png", settings)
    assert "# network: your own module" in code
    made: dict[str, object] = {"network": toy.network}
    exec(code[: code.index("inputs =")], made)
    assert made["classifier"].fingerprint == toy.fingerprint
    published = replace(
        toy, name="resnet50", labels=published_labels("resnet50", 1000),
        preprocessing=published_preprocessing("resnet50"),
    )  # fmt: skip
    lines = as_python(published, "cup.png", settings).splitlines()
    start = lines.index("classifier = load_classifier(")
    assert [line.strip() for line in lines[start + 1 : start + 4]] == ["'resnet50',", "download=True,", ").prepare()"]


def test_runs_belong_to_how_a_network_gets_its_pictures_and_to_what_its_classes_are_called(toy, photo):
    entry = explained(toy, photo, "ig", steps=2)
    found = unpack(pack(toy, photo, "cup.png", [entry], with_photo=False))
    found.check(toy, photo)
    smaller = replace(toy, preprocessing=replace(toy.preprocessing, crop=(24, 32)))
    with pytest.raises(ArchiveError, match=r"weights are the same: crop \[32, 32\] and not \[24, 32\]\. Load it with"):
        found.check(smaller, photo)
    other = replace(toy, preprocessing=replace(toy.preprocessing, mean=(0.4, 0.5, 0.5), resize=None))
    with pytest.raises(
        ArchiveError, match=r"resize 36 and not None, mean \[0\.5, 0\.5, 0\.5\] and not \[0\.4, 0\.5, 0\.5\]"
    ):
        replay(found, other, photo)
    renamed = replace(toy, labels=tuple("abcde"))
    with pytest.raises(ArchiveError, match="other names of its classes"):
        found.check(renamed, photo)
    # An older file does not say the labels.
    contents = members(pack(toy, photo, "cup.png", [entry], with_photo=False))
    words = json.loads(contents["run.json"])
    del words["network"]["labels"]
    unpack(zipped({**contents, "run.json": json.dumps(words).encode()})).check(renamed, photo)


def test_the_command_line_writes_opens_and_replays(tmp_path, capsys):
    load_sample("coffee").save(tmp_path / "cup.png")
    cup, out = str(tmp_path / "cup.png"), tmp_path / "out"
    quiet = ["--out", str(out), "--quiet", "--model", "mnist_cnn"]
    assert command_line.main(["explain", cup, "--method", "samp", "--steps", "3", *quiet]) == 0
    file = out / "run.samp"
    assert open_archive(file).photo is None  # its owner did not say so
    assert command_line.main(["open", str(file)]) == 0
    printed = capsys.readouterr().out
    assert "the photo is not inside" in printed
    assert "completeness gap" in printed
    assert command_line.main(["replay", str(file), "--quiet"]) == 2
    assert "Give it with --image" in capsys.readouterr().err
    assert command_line.main(["replay", str(file), "--image", cup, "--quiet"]) == 0
    assert "equal to the last bit" in capsys.readouterr().out
    both = ["compare", cup, "--methods", "gradient,edges", *quiet, "--with-photo"]
    assert command_line.main(both) == 0
    assert len(open_archive(out / "comparison.samp").entries) == 2
    assert command_line.main(["replay", str(out / "comparison.samp"), "--quiet"]) == 0
    assert command_line.main(["open", str(tmp_path / "none.samp")]) == 2
    assert "cannot be read" in capsys.readouterr().err
