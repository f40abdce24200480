"""Runs that are kept: what comes in, what makes room, who sees it, what is brought back, sets."""

from __future__ import annotations

import io
import json
import os
import random
import sqlite3
import threading
import tracemalloc
import zipfile
import zlib

import numpy as np
import pytest
import torch
import torchvision
from PIL import Image

from samp_core import library
from samp_core.archive import ArchiveError, pack, unpack
from samp_core.compare import Entry
from samp_core.images import Preprocessing, load_sample, sha256
from samp_core.library import NETWORKS, Library, LibraryError, Recipe
from samp_core.methods import default_settings, make_method
from samp_core.runs import as_settled


class Clock:
    """A clock that the test winds."""

    def __init__(self) -> None:
        self.time = 1_000_000.0

    def __call__(self) -> float:
        self.time += 1
        return self.time


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def kept(tmp_path, clock):
    return Library(tmp_path / "shelf", clock)


@pytest.fixture(scope="module")
def packed(bundled):
    """Return what packs runs of methods on a sample photo."""

    def make(*methods: str, photo: str = "coffee", with_photo: bool = True) -> bytes:
        image = load_sample(photo)
        inputs = bundled.preprocessing(image)
        entries = []
        for method in methods:
            settings = default_settings(method, target=504)
            found = make_method(bundled, settings).explain(inputs, 504)
            entries.append(Entry(as_settled(settings, found), found))
        return pack(bundled, image, f"{photo}.png", entries, with_photo=with_photo, threads=1)

    return make


@pytest.fixture(scope="module")
def content(packed):
    return packed("gradient", "input-x-gradient")


def test_what_is_kept_is_found_as_it_was(kept, content):
    assert not kept.is_there
    assert kept.records() == []
    assert not kept.folder.exists()
    record = kept.add(content, "ann", page="compare", note="look at the rim", tags=["cup", " cup ", "lesson 1"])
    (found,) = kept.records("ann")
    assert found == record
    assert kept.content("ann", record.id) == content == kept.path(record.id).read_bytes()
    assert (found.photo, found.runs, found.size, found.page) == ("coffee.png", 2, len(content), "compare")
    assert found.photo_key == sha256(load_sample("coffee"))
    assert found.name == "Gradient, Input × gradient on coffee.png"
    assert found.tags == ("cup", "lesson 1")
    assert not found.kept
    assert "espresso" in found.score or "mug" in found.score
    strip = np.asarray(Image.open(io.BytesIO(found.thumbnail)))
    assert strip.shape == (128, 388, 3)
    assert strip.std() > 10


def test_nobody_sees_or_changes_what_others_keep(kept, content):
    record = kept.add(content, "ann")
    kept.add_photo("ann", "cup.png", load_sample("coffee"))
    assert kept.records("bob") == []
    assert kept.newest("bob", "") is None
    assert kept.photo("bob", record.photo_key) is None
    for what in (
        lambda: kept.content("bob", record.id),
        lambda: kept.change("bob", record.id, name="mine"),
        lambda: kept.delete("bob", [record.id]),
        lambda: kept.restore("bob", [record.id]),
        lambda: kept.export("bob", [record.id]),
    ):
        with pytest.raises(LibraryError, match="no such result"):
            what()
    kept.clear("bob")
    assert [r.id for r in kept.records("ann")] == [record.id]


def test_results_are_found_by_words_and_tags(kept, content, packed):
    cup = kept.add(content, "ann", name="First try", note="the Rim", tags=["lesson 1"])
    cat = kept.add(packed("gradient", photo="chelsea"), "ann", page="explain")
    assert [r.id for r in kept.records("ann")] == [cat.id, cup.id]  # newest first
    for words in ("first", "RIM try", "coffee.png", "lesson", "lite0 try"):
        assert [r.id for r in kept.records("ann", words)] == [cup.id], words
    assert [r.id for r in kept.records("ann", tag="lesson 1")] == [cup.id]
    assert kept.records("ann", "first zebra") == []
    assert kept.records("ann", tag="lesson") == []
    assert kept.newest("ann", "explain", cat.photo_key[:8]) == cat
    assert kept.newest("ann", "explain", cup.photo_key) is None


def test_the_same_result_takes_its_own_place_and_keeps_what_was_written_of_it(kept, content, packed):
    first = kept.add(content, "ann", identity="x", memo={"keys": ["a"]})
    kept.change("ann", first.id, name="  Mine\n now ", note="n", tags=["t"], kept=True)
    again = kept.add(packed("gradient"), "ann", identity="x", memo={"keys": ["b"]})
    assert again.id == first.id
    assert len(kept.records("ann")) == 1
    assert (again.name, again.note, again.tags, again.kept) == ("Mine now", "n", ("t",), True)
    assert again.runs == 1
    assert again.memo == {"keys": ["b"]}
    assert again.created > first.created
    kept.delete("ann", [again.id])
    fresh = kept.add(content, "ann", identity="x")
    assert (fresh.note, fresh.kept, fresh.runs) == ("", False, 2)
    assert kept.add(content, "bob", identity="x").id != fresh.id
    kept.change("ann", fresh.id, name="   ")
    assert kept.records("ann")[0].name == fresh.name  # a name of nothing is none


def test_what_nobody_keeps_makes_room_and_what_is_kept_stays(kept, content, monkeypatch):
    monkeypatch.setattr(library, "RECENT", 3)
    mine = kept.add(content, "ann", kept=True)
    first = kept.add(content, "ann")
    rest = [kept.add(content, "ann") for _ in range(3)]
    others = kept.add(content, "bob")
    assert {r.id for r in kept.records("ann")} == {mine.id, *(r.id for r in rest)}
    assert not kept.path(first.id).exists()
    monkeypatch.setattr(library, "RECENT_BYTES", int(1.5 * len(content)))
    last = kept.add(content, "ann")
    assert {r.id for r in kept.records("ann")} == {mine.id, last.id}
    assert [r.id for r in kept.records("bob")] == [others.id]
    assert {p.name for p in kept.folder.glob("*.samp")} == {f"{r.id}.samp" for r in (mine, last, others)}


def test_what_goes_because_another_is_kept_goes_with_its_file(kept, content, monkeypatch):
    mine, *_ = [kept.add(content, "ann") for _ in range(4)]
    monkeypatch.setattr(library, "RECENT", 2)
    kept.change("ann", mine.id, kept=True)
    left = {r.id for r in kept.records("ann")}
    assert mine.id in left
    assert len(left) < 4
    assert {p.stem for p in kept.folder.glob("*.samp")} == left


def test_limits_are_said_and_leave_everything_as_it_was(kept, content, monkeypatch):
    mine = kept.add(content, "ann", kept=True)
    loose = kept.add(content, "ann")
    monkeypatch.setattr(library, "MOST_KEPT", 1)
    for what in (lambda: kept.add(content, "ann", kept=True), lambda: kept.change("ann", loose.id, kept=True)):
        with pytest.raises(LibraryError, match="takes no more"):
            what()
    monkeypatch.undo()
    monkeypatch.setattr(library, "MOST_FOLDER", int(2.5 * len(content)))
    new = kept.add(content, "bob")  # the loose one goes
    assert [r.id for r in kept.records("ann")] == [mine.id]
    assert [r.id for r in kept.records("bob")] == [new.id]
    kept.change("bob", new.id, kept=True)
    with pytest.raises(LibraryError, match="leaves no room"):
        kept.add(content, "ann")
    assert {p.stem for p in kept.folder.glob("*.samp")} == {mine.id, new.id}
    assert not list(kept.folder.glob(".*part"))


def test_what_is_deleted_can_be_brought_back_for_a_while(kept, content, clock):
    record = kept.add(content, "ann", kept=True)
    kept.delete("ann", [record.id])
    assert kept.records("ann") == []
    kept.restore("ann", [record.id])
    assert kept.records("ann") == [record]
    kept.delete("ann", [record.id])
    clock.time += library.REMORSE + 10
    other = kept.add(content, "ann")
    assert [r.id for r in kept.records("ann")] == [other.id]
    assert not kept.path(record.id).exists()
    with pytest.raises(LibraryError, match="no such result"):
        kept.restore("ann", [record.id])


def test_clearing_forgets_results_and_photos_for_good(kept, content):
    record = kept.add(content, "ann", kept=True)
    kept.add_photo("ann", "cup.png", load_sample("coffee"))
    kept.clear("ann")
    assert kept.records("ann") == []
    assert kept.photo("ann", record.photo_key) is None
    assert not kept.path(record.id).exists()


def test_photos_come_back_as_they_were_and_are_bounded(kept, monkeypatch):
    monkeypatch.setattr(library, "PHOTOS", 2)
    monkeypatch.setattr(library, "PHOTOS_IN_ALL", 3)
    image = load_sample("coffee")
    image.info["original_size"] = (6000, 4000)
    keys = {}
    for name, photo in (("cup.jpg", image), ("cat.png", load_sample("chelsea")), ("rocket.png", load_sample("rocket"))):
        kept.add_photo("ann", name, photo)
        keys[name] = sha256(photo)
    assert kept.photo("ann", keys["cup.jpg"]) is None  # the oldest of three
    name, found = kept.photo("ann", keys["cat.png"][:8])
    assert name == "cat.png"
    assert sha256(found) == keys["cat.png"]
    assert "original_size" not in found.info
    kept.add_photo("bob", "cup.jpg", image)
    _, found = kept.photo("bob", sha256(image))
    assert found.info["original_size"] == (6000, 4000)
    kept.add_photo("eve", "cup.jpg", image)
    assert kept.photo("ann", keys["cat.png"]) is None  # three of all owners together


def test_whoever_wants_nothing_remembered_is_heard(kept):
    assert kept.remembers("ann")
    kept.set_remembers("ann", False)
    assert not kept.remembers("ann")
    assert kept.remembers("bob")
    kept.set_remembers("ann", True)
    assert kept.remembers("ann")


def test_a_set_carries_results_with_what_was_written_of_them(kept, content, packed, tmp_path):
    records = [
        kept.add(content, "ann", name="One", note="n", tags=["t"], page="compare", memo={"keys": ["k"]}),
        kept.add(packed("gradient", photo="chelsea", with_photo=False), "ann", name="Two"),
    ]
    exported = kept.export("ann", [r.id for r in records])
    there = Library(tmp_path / "there")
    taken = there.take_set(exported, "bob")
    assert [(r.name, r.note, r.tags, r.page, r.kept) for r in taken] == [
        ("One", "n", ("t",), "compare", True),
        ("Two", "", (), "", True),
    ]
    # What a page noted for itself stays at home: it would be believed.
    assert all(r.memo == {} for r in taken)
    assert [there.content("bob", r.id) for r in taken] == [kept.content("ann", r.id) for r in records]
    (single,) = there.take_set(content, "bob")
    assert unpack(there.content("bob", single.id)).name == "coffee.png"
    for wrong in ([], ["x"] * 65):
        with pytest.raises(LibraryError, match="1 to 64"):
            kept.export("ann", wrong)


def _set(**files: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as packed:
        for name, content in files.items():
            packed.writestr(name, content)
    return buffer.getvalue()


def test_a_damaged_set_is_refused_whole(kept, content):
    said = json.dumps({"results": [{"name": "a", "note": "", "tags": [], "page": ""}] * 2}).encode()
    for wrong in (
        b"no zip at all",
        _set(**{"set.json": b"{"}),
        _set(**{"set.json": b"[1]"}),
        _set(**{"set.json": json.dumps({"results": []}).encode()}),
        _set(**{"set.json": said, "0.samp": content}),
        _set(**{"set.json": said, "0.samp": content, "1.samp": content[:1000]}),
        _set(**{"other.txt": b"x"}),
    ):
        with pytest.raises(ArchiveError):
            kept.take_set(wrong, "ann")
        assert kept.records("ann") == []


def test_however_a_set_is_damaged_it_is_said(kept, content):
    said = json.dumps({"results": [{"name": "a", "note": "", "tags": [], "page": ""}]}).encode()
    reasons = set()
    for method in (zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", method) as packed:
            packed.writestr("set.json", said)
            packed.writestr("0.samp", content[:500])
        whole = buffer.getvalue()
        data, header = 30 + len("set.json"), whole.index(b"PK\1\2")  # of the first member, and of the list of them
        chance = random.Random(method)
        found = [whole[:data] + chance.randbytes(20) + whole[data + 20 :] for _ in range(20)]
        for at, value in ((10, 99), (10, 14), (8, 1)):  # of another compression, of lzma that it is not, encrypted
            found += [whole[: header + at] + bytes([value]) + whole[header + at + 1 :]]
        found += [
            whole[:data] + b"\xff" * 20 + whole[data + 20 :],
            whole[: header + 42] + b"\xff" * 3 + whole[header + 45 :],
        ]
        for wrong in found:
            with pytest.raises(ArchiveError) as refused:
                kept.take_set(wrong, "ann")
            reasons.add(type(refused.value.__cause__))
    assert {zlib.error, zipfile.BadZipFile, NotImplementedError, RuntimeError} <= reasons


def test_a_member_is_unpacked_no_further_than_it_says(kept):
    said = json.dumps({"results": [{"name": "a", "note": "", "tags": [], "page": ""}]}).encode()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("set.json", said)
        packed.writestr("0.samp", bytes(2**26))
    content = bytearray(buffer.getvalue())
    at = content.rindex(b"PK\1\2") + 24
    content[at : at + 4] = (100).to_bytes(4, "little")
    tracemalloc.start()
    with pytest.raises(ArchiveError):
        kept.take_set(bytes(content), "ann")
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 2**24


def test_what_is_no_file_of_runs_is_not_kept(kept):
    with pytest.raises(ArchiveError):
        kept.add(b"x", "ann")
    assert not kept.folder.exists()


def test_a_folder_that_cannot_be_used_is_said(tmp_path, content):
    (tmp_path / "file").write_text("x")
    with pytest.raises(LibraryError, match="cannot be used"):
        Library(tmp_path / "file").add(content, "ann")
    damaged = Library(tmp_path / "damaged")
    damaged.add(content, "ann")
    (tmp_path / "damaged" / "index.sqlite").write_bytes(b"no database" * 500)
    with pytest.raises(LibraryError, match="move it away"):
        damaged.records("ann")


def test_a_newer_index_is_left_alone(kept, content):
    kept.add(content, "ann")
    with sqlite3.connect(kept.folder / "index.sqlite") as index:
        index.execute("pragma user_version = 99")
    index.close()
    with pytest.raises(LibraryError, match="newer version"):
        kept.records("ann")


def test_a_file_that_was_taken_away_is_said(kept, content):
    record = kept.add(content, "ann")
    kept.path(record.id).unlink()
    with pytest.raises(LibraryError, match="by hand"):
        kept.content("ann", record.id)


def test_many_threads_may_keep_at_once(kept, content):
    problems = []

    def work(number: int) -> None:
        try:
            for k in range(4):
                kept.add(content, "ann", identity=f"{number % 2} {k}")
        except LibraryError as error:
            problems.append(error)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    records = kept.records("ann")
    assert not problems
    assert len(records) == 8
    assert {p.stem for p in kept.folder.glob("*.samp")} == {r.id for r in records}


def test_one_that_came_in_between_leaves_no_file_behind(kept, content, monkeypatch):
    write, between = library.write_files, []

    def late(contents):
        write(contents)
        if not between:
            between.append("now")
            between.append(kept.add(content, "ann", identity="x"))

    monkeypatch.setattr(library, "write_files", late)
    record = kept.add(content, "ann", identity="x")
    assert between[1].id != record.id
    assert [r.id for r in kept.records("ann")] == [record.id]
    assert [p.stem for p in kept.folder.glob("*.samp")] == [record.id]


def test_five_hundred_results_are_listed(kept, content):
    record = kept.add(content, "ann", kept=True)
    with sqlite3.connect(kept.folder / "index.sqlite") as index:
        columns = [row[1] for row in index.execute("pragma table_info(results)")]
        others = ["'r' || value" if c in ("id", "identity") else c for c in columns]
        index.execute(
            f"with recursive n(value) as (select 1 union all select value + 1 from n where value < 499) "
            f"insert into results ({', '.join(columns)}) select {', '.join(others)} from results, n"
        )
    index.close()
    assert len(kept.records("ann")) == 500
    with pytest.raises(LibraryError, match="500 kept"):
        kept.add(content, "ann", kept=True)
    kept.change("ann", record.id, note="still")
    assert len(kept.records("ann", "still")) == 1


def test_networks_that_were_brought_are_remembered_for_their_owner(kept):
    torch.manual_seed(0)
    weights = torchvision.models.resnet18(weights=None, num_classes=3).state_dict()
    how = {"resize": None, "crop": (32, 48), "mean": (0.5,) * 3, "std": (0.2,) * 3, "interpolation": "bilinear"}
    recipe = Recipe("resnet18", ["cat", "dog", "bird"], how, bgr=True)
    assert kept.networks("ann") == {}
    kept.add_network("ann", "resnet18~1", recipe, weights)
    kept.add_photo("ann", "cup.png", load_sample("coffee"))
    ((name, (found, path)),) = kept.networks("ann").items()
    assert name == "resnet18~1"
    made, wanted = found.make(path), recipe.make(weights)
    assert (made.labels, made.preprocessing) == (wanted.labels, wanted.preprocessing) == (
        ("cat", "dog", "bird"), Preprocessing(**how),
    )  # fmt: skip
    assert made.fingerprint == wanted.fingerprint
    assert type(made.network).__name__ == "Reordered"
    assert kept.networks("bob") == {}
    # The oldest makes room; what is damaged is left out.
    os.utime(path, (1, 1))
    for number in range(2, NETWORKS + 2):
        kept.add_network("ann", f"resnet18~{number}", recipe, weights)
        os.utime(kept.networks("ann")[f"resnet18~{number}"][1], (number, number))
    assert list(kept.networks("ann")) == [f"resnet18~{number}" for number in range(2, NETWORKS + 2)]
    kept.networks("ann")["resnet18~2"][1].write_bytes(b"no weights")
    assert "resnet18~2" not in kept.networks("ann")
    kept.clear("ann")
    assert kept.networks("ann") == {}
