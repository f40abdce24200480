"""Runs that are kept: files in a folder, with an index in which they are found by name, note, tag, photo and method.

Every file is a ``.samp`` file as :mod:`samp_core.archive` writes it, and can be taken out of the folder by hand. The
index is SQLite; processes and threads may use the same folder at once. What comes in by itself ("recent") makes room
for newer results; what somebody keeps stays until somebody deletes it.
"""

from __future__ import annotations

import hashlib
import io
import json
import logging
import shutil
import sqlite3
import time
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
from PIL import Image, ImageOps
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from samp_core.archive import ENDING, MOST_BYTES, Archive, ArchiveError, read_member, unpack
from samp_core.classifiers import Classifier, load_classifier
from samp_core.decoding import ImageError
from samp_core.files import write_files
from samp_core.images import Preprocessing, load_image, sha256
from samp_core.methods import METHODS
from samp_core.render import colour_limit, overlay

MOST_KEPT = 500
"""Results that one owner may keep."""
RECENT = 24
"""Results of one owner that are remembered without being kept; older ones go first."""
RECENT_BYTES = 256 * 2**20
PHOTOS = 8
"""Uploaded photos of one owner that are remembered."""
NETWORKS = 3
"""Networks that one owner brought and that are remembered."""
PHOTOS_IN_ALL = 200
MOST_BYTES_KEPT = 2**30
"""Bytes that one owner's results may take."""
MOST_FOLDER = 4 * 2**30
"""Bytes that the folder may take, of all owners together."""
REMORSE = 3600.0
"""Seconds for which what was deleted can be brought back."""
MOST_SET = 64
"""Results that are exported or imported at once."""

_NAME, _NOTE, _TAGS, _TAG = 120, 2000, 12, 40  # letters of a name and a note, number of tags, letters of one
_SIDE, _GAP = 128, 2  # of a picture in a thumbnail and between two, pixels
_SHOWN = 3  # maps in it
_MOST_SAID = 2**20  # bytes of what is said of a set
_NETWORK, _WEIGHTS = "samp-network/1", ".safetensors"

_TABLES = """
create table if not exists results (
  id text primary key, owner text not null, identity text not null, page text not null, kept integer not null,
  name text not null, note text not null, tags text not null, photo text not null, photo_sha text not null,
  network text not null, methods text not null, score text not null, runs integer not null, bytes integer not null,
  created real not null, deleted real, thumbnail blob not null, memo text not null
);
create index if not exists results_of on results (owner, deleted, created desc);
create unique index if not exists results_identity on results (owner, identity);
create table if not exists photos (
  owner text not null, sha text not null, name text not null, size text not null, used real not null,
  content blob not null, primary key (owner, sha)
);
create table if not exists owners (owner text primary key, remembers integer not null);
pragma user_version = 1;
"""
_VERSION = 1
_COLUMNS = (
    "id, page, kept, name, note, tags, photo, photo_sha, network, methods, score, runs, bytes, created, thumbnail, memo"
)


class LibraryError(ValueError):
    """The library cannot do what was asked; the message tells a user why and what to do."""


@dataclass(frozen=True)
class Record:
    """What the index says of one result.

    Attributes:
        id: its name in the folder, without the ending.
        page: on which page it was made; empty if nobody knows.
        kept: whether somebody keeps it; otherwise it goes when newer ones need its room.
        name: what it is called.
        note: what somebody wrote of it.
        tags: words by which it is found.
        photo: what the photo's file was called.
        photo_key: the photo's fingerprint.
        network: what the network is called.
        methods: titles of the methods, each once.
        score: what is explained, in words.
        runs: how many runs there are in it.
        size: of the file, in bytes.
        created: when it came in, seconds since 1970.
        thumbnail: its first maps over the photo, a WebP file.
        memo: what the page wants to know when it shows the result again; it stays here and is not exported.
    """

    id: str
    page: str
    kept: bool
    name: str
    note: str
    tags: tuple[str, ...]
    photo: str
    photo_key: str
    network: str
    methods: tuple[str, ...]
    score: str
    runs: int
    size: int
    created: float
    thumbnail: bytes
    memo: Mapping[str, Any]


@dataclass(frozen=True)
class Recipe:
    """What a network of somebody's own is made of, besides its weights.

    Attributes:
        architecture: what :func:`~samp_core.load_classifier` fills.
        labels: names of its classes.
        preprocessing: arguments of :class:`~samp_core.images.Preprocessing`; None for the published one.
        bgr: whether it takes its channels in the order blue, green, red.
        multi_label: whether its classes do not exclude each other.
    """

    architecture: str
    labels: Sequence[str] | None = None
    preprocessing: Mapping[str, Any] | None = None
    bgr: bool = False
    multi_label: bool = False

    def make(self, weights: Path | Mapping[str, Tensor]) -> Classifier:
        """Return the network.

        Raises:
            ClassifierError: these are no weights of it, or something does not fit.
        """
        how = self.preprocessing
        return load_classifier(
            self.architecture,
            weights=weights,
            labels=self.labels,
            preprocessing=None
            if how is None
            else Preprocessing(
                how["resize"], tuple(how["crop"]), tuple(how["mean"]), tuple(how["std"]), how["interpolation"]
            ),
            bgr=self.bgr,
            multi_label=self.multi_label,
        )


class Library:
    """Results in a folder. Nothing is read or written, and no folder made, before something is kept.

    Args:
        folder: where files and index are.
        clock: returns the time, in seconds since 1970.
    """

    def __init__(self, folder: Path, clock: Callable[[], float] = time.time) -> None:
        self.folder, self._clock = folder, clock
        self._index = folder / "index.sqlite"

    @contextmanager
    def _open(self, *, alone: bool = False) -> Iterator[sqlite3.Connection]:
        """Open the index, which is made if it is not there; ``alone`` keeps other writers out until the end."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)  # other people's photos may be in it
            with closing(sqlite3.connect(self._index, timeout=20)) as index, index:
                index.row_factory = sqlite3.Row
                version = index.execute("pragma user_version").fetchone()[0]
                if version > _VERSION:
                    raise LibraryError(f"The library in {self.folder} was made by a newer version. Update samp_core.")
                if version < _VERSION:
                    index.executescript(_TABLES)
                if alone:
                    index.execute("begin immediate")
                yield index
        except sqlite3.Error as error:
            raise LibraryError(
                f"The library in {self.folder} cannot be used: {error}. Check that there is room on the disk and that "
                "the folder may be written to; if its index.sqlite is damaged, move it away: the files beside it "
                f"({ENDING}) are whole and can be imported again."
            ) from error
        except OSError as error:
            raise LibraryError(f"The library in {self.folder} cannot be used: {error.strerror or error}.") from error

    @property
    def is_there(self) -> bool:
        """Whether anything was ever kept in the folder."""
        return self._index.exists()

    def path(self, record_id: str) -> Path:
        """Return where a result's file is."""
        return self.folder / f"{record_id}{ENDING}"

    # -- keeping -------------------------------------------------------------------------------------------------------

    def add(
        self,
        content: bytes,
        owner: str = "",
        *,
        identity: str | None = None,
        page: str = "",
        kept: bool = False,
        name: str | None = None,
        note: str = "",
        tags: Iterable[str] = (),
        memo: Mapping[str, Any] | None = None,
    ) -> Record:
        """Put a result into the library.

        Args:
            content: a ``.samp`` file.
            owner: whose it is; nobody else sees it.
            identity: tells the result from others: one of the same identity takes its file's place, and keeps what it
                is called, its note and its tags. By default each is another.
            page: on which page it was made.
            kept: whether it stays until it is deleted.
            name: what it is called; by default what was done with which photo.
            note: what is to be remembered of it.
            tags: words by which it is found.
            memo: see :attr:`Record.memo`; plain values.

        Raises:
            ArchiveError: the content is no file of runs.
            LibraryError: it cannot be written, or there is no room for more.
        """
        archive = unpack(content)
        titles = list(dict.fromkeys(METHODS[entry.settings.method].title for entry in archive.entries))
        record_id, now = uuid4().hex, self._clock()
        name = _line(name or f"{_some(titles)} on {archive.name}", _NAME)
        row = {
            "id": record_id, "owner": owner, "identity": identity or record_id, "page": page, "kept": int(kept),
            "name": name, "note": note[:_NOTE], "tags": _tags(tags), "photo": archive.name,
            "photo_sha": archive.photo_key, "network": archive.network, "methods": json.dumps(titles),
            "score": str(archive.words["runs"][0].get("explained_score", "")), "runs": len(archive.entries),
            "bytes": len(content), "created": now, "thumbnail": thumbnail(archive),
            "memo": json.dumps(dict(memo or {})),
        }  # fmt: skip
        gone: list[str] = []
        with self._open() as index:
            known = "select id, kept, deleted from results where owner = ? and identity = ?"
            same = index.execute(known, (owner, row["identity"])).fetchone()
        if same is not None:
            row["id"] = record_id = same["id"]
        try:
            write_files({self.path(record_id): content})
            with self._open(alone=True) as index:
                same = index.execute(known, (owner, row["identity"])).fetchone()
                stays = kept or (same is not None and bool(same["kept"]))
                gone = self._make_room(index, owner, record_id, len(content), stays)
                if same is None or same["id"] != record_id:
                    if same is not None:  # it came in between, from another thread or process
                        index.execute("delete from results where id = ?", (same["id"],))
                        gone.append(same["id"])
                    names = list(row)
                    index.execute(
                        f"insert into results ({', '.join(names)}) values ({', '.join('?' * len(names))})",
                        [row[name] for name in names],
                    )
                else:  # what people wrote stays, unless it was deleted
                    names = ["page", "runs", "bytes", "created", "thumbnail", "methods", "score", "memo"]
                    new = {name: row[name] for name in names}
                    new["kept"] = int(stays)
                    if same["deleted"] is not None:
                        new |= {"kept": int(kept), **{n: row[n] for n in ("name", "note", "tags")}}
                    index.execute(
                        f"update results set deleted = null, {', '.join(f'{n} = ?' for n in new)} where id = ?",
                        [*new.values(), record_id],
                    )
                found = index.execute(f"select {_COLUMNS} from results where id = ?", (record_id,)).fetchone()
        except (OSError, LibraryError) as error:
            if same is None:
                self._remove([record_id])
            raise LibraryError(str(error)) from error
        self._remove(gone)
        return _record(found)

    def _remove(self, ids: Iterable[str]) -> None:
        for record_id in ids:
            with suppress(OSError):  # what cannot be removed now is not in the index, and harms nobody
                self.path(record_id).unlink(missing_ok=True)

    def _make_room(self, index: sqlite3.Connection, owner: str, spared: str, size: int, kept: bool) -> list[str]:
        """Take the oldest results that nobody keeps out of the index; refuse where even that is not enough.

        Returns:
            Whose files are to be removed once that is written.
        """
        rows = index.execute(
            "select id, owner, kept, bytes, deleted from results where id != ? order by created desc", (spared,)
        ).fetchall()
        late = self._clock() - REMORSE
        gone = {row["id"] for row in rows if row["deleted"] is not None and row["deleted"] < late}
        mine = [row for row in rows if row["owner"] == owner and row["id"] not in gone and row["deleted"] is None]
        if kept and (count := sum(row["kept"] for row in mine)) >= MOST_KEPT:
            raise LibraryError(f"The library holds {count} kept results, and takes no more. Delete some first.")
        number, total = 1, size
        for row in mine:
            if not row["kept"]:
                number, total = number + 1, total + row["bytes"]
                if number > RECENT or total > RECENT_BYTES:
                    gone.add(row["id"])
        for most, among in ((MOST_BYTES_KEPT, mine), (MOST_FOLDER, rows)):
            taken = size + sum(row["bytes"] for row in among if row["id"] not in gone)
            for row in reversed(among):
                if taken > most and row["id"] not in gone and not row["kept"]:
                    gone.add(row["id"])
                    taken -= row["bytes"]
            if taken > most:
                raise LibraryError(
                    f"The library may take {most / 2**30:.3g} GiB, and what is kept there leaves no room. Delete what "
                    "is not needed any more."
                )
        index.executemany("delete from results where id = ?", [(each,) for each in gone])
        return sorted(gone)

    # -- finding -------------------------------------------------------------------------------------------------------

    def records(self, owner: str = "", words: str = "", tag: str = "") -> list[Record]:
        """Return an owner's results, newest first.

        Args:
            owner: whose.
            words: every one of them is in its name, note, tags, photo, network, methods or score; case is ignored.
            tag: one of its tags.
        """
        if not self.is_there:
            return []
        with self._open() as index:
            rows = index.execute(
                f"select {_COLUMNS} from results where owner = ? and deleted is null order by created desc, rowid desc",
                (owner,),
            ).fetchall()
        found = map(_record, rows)
        wanted = words.casefold().split()

        def fits(record: Record) -> bool:
            text = " ".join(
                (record.name, record.note, *record.tags, record.photo, record.network, *record.methods, record.score)
            ).casefold()
            return all(word in text for word in wanted) and (not tag or tag in record.tags)

        return [record for record in found if fits(record)]

    def newest(
        self, owner: str, page: str, photo_key: str = "", fits: Callable[[Record], bool] | None = None
    ) -> Record | None:
        """Return an owner's newest result of a page on a photo whose fingerprint begins like this, if there is one.

        Args:
            owner: whose it is.
            page: on which it was made.
            photo_key: what the photo's fingerprint begins with.
            fits: whether a result is one of those that are sought; all are without.
        """
        found = (r for r in self.records(owner) if r.page == page and r.photo_key.startswith(photo_key))
        return next((record for record in found if fits is None or fits(record)), None)

    def content(self, owner: str, record_id: str) -> bytes:
        """Return a result's file.

        Raises:
            LibraryError: the owner has no such result, or its file is gone.
        """
        self._require(owner, [record_id])
        path = self.path(record_id)
        try:
            if path.stat().st_size > MOST_BYTES:
                raise LibraryError(f"{path} is larger than any file of runs.")
            return path.read_bytes()
        except OSError as error:
            raise LibraryError(
                f"The file of this result cannot be read: {error.strerror or error}. It may have been taken out of "
                f"{self.folder} by hand; put it back, or delete the result."
            ) from error

    def _require(self, owner: str, ids: Sequence[str]) -> None:
        with self._open() as index:
            for record_id in ids:
                if not index.execute("select 1 from results where id = ? and owner = ?", (record_id, owner)).fetchone():
                    raise LibraryError("There is no such result any more. It may have been deleted in another window.")

    # -- changing ------------------------------------------------------------------------------------------------------

    def change(
        self,
        owner: str,
        record_id: str,
        *,
        name: str | None = None,
        note: str | None = None,
        tags: Iterable[str] | None = None,
        kept: bool | None = None,
    ) -> None:
        """Change what is said of a result; None leaves it as it is.

        Raises:
            LibraryError: the owner has no such result, or keeps too many.
        """
        self._require(owner, [record_id])
        new: dict[str, Any] = {}
        if name is not None and _line(name, _NAME):
            new["name"] = _line(name, _NAME)
        if note is not None:
            new["note"] = note[:_NOTE]
        if tags is not None:
            new["tags"] = _tags(tags)
        if kept is not None:
            new["kept"] = int(kept)
        if not new:
            return
        gone: list[str] = []
        with self._open(alone=True) as index:
            if kept:
                size = index.execute("select bytes from results where id = ?", (record_id,)).fetchone()["bytes"]
                gone = self._make_room(index, owner, record_id, size, kept)
            index.execute(
                f"update results set {', '.join(f'{n} = ?' for n in new)} where id = ?", [*new.values(), record_id]
            )
        self._remove(gone)

    def delete(self, owner: str, ids: Sequence[str]) -> None:
        """Take results out; for :data:`REMORSE` seconds :meth:`restore` brings them back.

        Raises:
            LibraryError: the owner has no such result.
        """
        self._require(owner, ids)
        with self._open(alone=True) as index:
            index.executemany("update results set deleted = ? where id = ?", [(self._clock(), each) for each in ids])

    def restore(self, owner: str, ids: Sequence[str]) -> None:
        """Bring deleted results back.

        Raises:
            LibraryError: it is too late.
        """
        self._require(owner, ids)
        with self._open(alone=True) as index:
            index.executemany("update results set deleted = null where id = ?", [(each,) for each in ids])

    def clear(self, owner: str) -> None:
        """Forget everything of an owner, photos and networks included, at once and for good."""
        if not self.is_there:
            shutil.rmtree(self._networks(owner), ignore_errors=True)
            return
        with self._open(alone=True) as index:
            gone = [row["id"] for row in index.execute("select id from results where owner = ?", (owner,))]
            index.execute("delete from results where owner = ?", (owner,))
            index.execute("delete from photos where owner = ?", (owner,))
        self._remove(gone)
        shutil.rmtree(self._networks(owner), ignore_errors=True)

    # -- whether, and photos -------------------------------------------------------------------------------------------

    def remembers(self, owner: str) -> bool:
        """Say whether results of this owner are remembered by themselves; they are until somebody says no."""
        if not self.is_there:
            return True
        with self._open() as index:
            row = index.execute("select remembers from owners where owner = ?", (owner,)).fetchone()
        return row is None or bool(row["remembers"])

    def set_remembers(self, owner: str, remembers: bool) -> None:
        """Say whether results of this owner are remembered by themselves."""
        with self._open(alone=True) as index:
            index.execute("insert or replace into owners values (?, ?)", (owner, int(remembers)))

    def add_photo(self, owner: str, name: str, image: Image.Image) -> None:
        """Remember a photo; the ones that were not used for longest are forgotten."""
        buffer = io.BytesIO()
        image.convert("RGB").save(buffer, "PNG", compress_level=3)
        original = image.info.get("original_size", image.size)
        with self._open(alone=True) as index:
            index.execute(
                "insert or replace into photos values (?, ?, ?, ?, ?, ?)",
                (owner, sha256(image), name, json.dumps(list(original)), self._clock(), buffer.getvalue()),
            )
            index.execute(
                "delete from photos where owner = ? and sha not in "
                "(select sha from photos where owner = ? order by used desc limit ?)",
                (owner, owner, PHOTOS),
            )
            index.execute(
                "delete from photos where rowid not in (select rowid from photos order by used desc limit ?)",
                (PHOTOS_IN_ALL,),
            )

    def photo(self, owner: str, photo_key: str) -> tuple[str, Image.Image] | None:
        """Return name and pixels of an owner's photo whose fingerprint begins like this; None if it is not there."""
        if not self.is_there:
            return None
        with self._open() as index:
            row = index.execute(
                "select name, size, content from photos where owner = ? and substr(sha, 1, ?) = ?",
                (owner, len(photo_key), photo_key),
            ).fetchone()
        if row is None:
            return None
        try:
            image = load_image(row["content"])
        except ImageError:
            return None
        original = json.loads(row["size"])
        if tuple(original) != image.size:
            image.info["original_size"] = tuple(original)
        return row["name"], image

    # -- networks ------------------------------------------------------------------------------------------------------

    def _networks(self, owner: str) -> Path:
        return self.folder / "networks" / hashlib.sha256(owner.encode()).hexdigest()[:24]

    def _by_age(self, owner: str) -> list[Path]:
        return sorted(self._networks(owner).glob(f"*{_WEIGHTS}"), key=lambda path: path.stat().st_mtime)

    def add_network(self, owner: str, name: str, recipe: Recipe, weights: Mapping[str, Tensor]) -> None:
        """Keep a network that somebody brought; the ones that came before the last :data:`NETWORKS` are forgotten.

        Args:
            owner: whose it is.
            name: what links call it.
            recipe: what else its making takes.
            weights: its state dict.

        Raises:
            LibraryError: it cannot be written.
        """
        # Safetensors wants memory of its own for each tensor.
        state = {key: value.detach().cpu().contiguous().clone() for key, value in weights.items()}
        words = json.dumps({"format": _NETWORK, **asdict(recipe)})
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_files({self._networks(owner) / f"{name}{_WEIGHTS}": save(state, {"recipe": words})})
            for old in self._by_age(owner)[:-NETWORKS]:
                old.unlink(missing_ok=True)
        except OSError as error:
            raise LibraryError(f"The network cannot be kept: {error}") from error

    def networks(self, owner: str) -> dict[str, tuple[Recipe, Path]]:
        """Return the networks that an owner brought, oldest first, with the files of their weights."""
        found = {}
        for path in self._by_age(owner):
            try:
                with safe_open(path, framework="pt") as file:
                    words = json.loads((file.metadata() or {}).get("recipe", "{}"))
                if words.pop("format", "") == _NETWORK:
                    found[path.name.removesuffix(_WEIGHTS)] = Recipe(**words), path
            except (OSError, SafetensorError, ValueError, TypeError) as error:
                logging.getLogger(__name__).warning("%s is left out: %s", path, error)
        return found

    # -- sets ----------------------------------------------------------------------------------------------------------

    def export(self, owner: str, ids: Sequence[str]) -> bytes:
        """Return results as one file: a zip of their files with what is said of them.

        Raises:
            LibraryError: one is not there, or there are too many.
        """
        if not 1 <= len(ids) <= MOST_SET:
            raise LibraryError(f"A set holds 1 to {MOST_SET} results, not {len(ids)}.")
        known = {record.id: record for record in self.records(owner)}
        said = []
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as packed:
            for number, record_id in enumerate(ids):
                content = self.content(owner, record_id)
                record = known[record_id]
                said.append({"name": record.name, "note": record.note, "tags": list(record.tags), "page": record.page})
                packed.writestr(f"{number}{ENDING}", content)  # packed already
            packed.writestr("set.json", json.dumps({"format": "samp-set/1", "results": said}, indent=1))
        return buffer.getvalue()

    def take_set(self, content: bytes, owner: str = "") -> list[Record]:
        """Keep the results of a set, or of a single ``.samp`` file.

        Raises:
            ArchiveError: it is neither, or one of its files is damaged; nothing of it is kept then.
            LibraryError: there is no room.
        """
        found: tuple[list[bytes], list[dict[str, Any]]] | None = None
        try:
            with zipfile.ZipFile(io.BytesIO(content)) as packed:
                if "set.json" in packed.namelist():
                    found = _members(packed)
        except ArchiveError:
            raise
        except Exception as error:  # damaged zips raise a dozen kinds of exceptions, and few are documented
            raise ArchiveError(
                "This is neither a set of results nor a file of runs, or it was damaged on its way "
                f"({error or type(error).__name__}). Choose a file that was exported from a library, or one that ends "
                f"in {ENDING}; if it is one, fetch it once more."
            ) from error
        if found is None:
            return [self.add(content, owner, kept=True)]
        files, said = found
        for file in files:
            unpack(file)  # all of them, or none
        return [self.add(file, owner, kept=True, **words) for file, words in zip(files, said, strict=True)]


def _members(packed: zipfile.ZipFile) -> tuple[list[bytes], list[dict[str, Any]]]:
    """Return a set's files and what is said of each."""
    sizes = {member.filename: member.file_size for member in packed.infolist()}
    if sum(sizes.values()) > 4 * MOST_BYTES:
        raise ArchiveError(f"The set unpacks to more than the {4 * MOST_BYTES / 2**20:.0f} MiB that are taken in.")
    try:
        words = json.loads(read_member(packed, "set.json", _MOST_SAID))
        said = [
            {
                "name": str(each["name"]), "note": str(each["note"]), "page": str(each["page"]),
                "tags": [str(tag) for tag in each["tags"]],
            }
            for each in words["results"]
        ]  # fmt: skip
    except ArchiveError:
        raise
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise ArchiveError("The set is damaged: its set.json cannot be read. Export it once more.") from error
    if not 1 <= len(said) <= MOST_SET or any(f"{k}{ENDING}" not in sizes for k in range(len(said))):
        raise ArchiveError("The set is damaged: not all of its files are there. Export it once more.")
    return [read_member(packed, f"{k}{ENDING}", MOST_BYTES) for k in range(len(said))], said


def thumbnail(archive: Archive) -> bytes:
    """Return the photo, if it is inside, and the first maps of a file side by side, as a WebP file."""
    pictures, photo = [], None
    for entry in archive.entries[:_SHOWN]:
        pixel_map = np.nan_to_num(entry.explanation.maps[0].double().cpu().numpy())
        height, width = pixel_map.shape
        below = Image.new("RGB", (width, height), "#f8f6f3")
        if archive.photo is not None:
            # Only a look: the photo's middle in the map's shape, not the network's own crop of it.
            photo = below = ImageOps.fit(archive.photo.convert("RGB"), (width, height))
        pictures.append(overlay(below, pixel_map, 0.85, limit=colour_limit(pixel_map)))
    shown = ([] if photo is None else [photo]) + pictures
    strip = Image.new("RGB", ((_SIDE + _GAP) * len(shown) - _GAP, _SIDE), "#8a8794")
    for k, picture in enumerate(shown):
        strip.paste(picture.resize((_SIDE, _SIDE)), (k * (_SIDE + _GAP), 0))
    buffer = io.BytesIO()
    strip.save(buffer, "WEBP", quality=80)
    return buffer.getvalue()


def _record(row: sqlite3.Row) -> Record:
    return Record(
        id=row["id"], page=row["page"], kept=bool(row["kept"]), name=row["name"], note=row["note"],
        tags=tuple(json.loads(row["tags"])), photo=row["photo"], photo_key=row["photo_sha"], network=row["network"],
        methods=tuple(json.loads(row["methods"])), score=row["score"], runs=row["runs"], size=row["bytes"],
        created=row["created"], thumbnail=row["thumbnail"], memo=json.loads(row["memo"]),
    )  # fmt: skip


def _line(text: str, most: int) -> str:
    return " ".join(text.split())[:most]


def _tags(tags: Iterable[str]) -> str:
    return json.dumps([tag for tag in dict.fromkeys(_line(tag, _TAG) for tag in tags) if tag][:_TAGS])


def _some(titles: Sequence[str]) -> str:
    return ", ".join(titles[:3]) + (f" and {len(titles) - 3} more" if len(titles) > 3 else "")
