"""Results in one SQLite file that survives a kill and may be shared by several processes."""

from __future__ import annotations

import json
import os
import socket
import sqlite3
import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import pandas as pd

from samp_core.benchmark.plan import Conditions, Configuration, Unit
from samp_core.images import Preprocessing

FORMAT = 3  # 1 did not know the conditions, 2 not the preprocessing
LEASE = 300.0  # seconds after which a claim that nobody renewed is free again
FAILED = "not measured"
"""How the protocol of a number begins that could not be measured."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS photos (
    sha256 TEXT NOT NULL, weights TEXT NOT NULL, name TEXT NOT NULL, target INTEGER, label TEXT, probability REAL,
    error TEXT, preprocessing TEXT NOT NULL DEFAULT '', PRIMARY KEY (sha256, weights, preprocessing)
);
CREATE TABLE IF NOT EXISTS configurations (
    fingerprint TEXT PRIMARY KEY, method TEXT NOT NULL, settings TEXT NOT NULL, network TEXT NOT NULL,
    weights TEXT NOT NULL, versions TEXT NOT NULL, conditions TEXT, preprocessing TEXT NOT NULL DEFAULT ''
);
CREATE TABLE IF NOT EXISTS protocols (id INTEGER PRIMARY KEY, words TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS conditions (id INTEGER PRIMARY KEY, words TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS results (
    photo TEXT NOT NULL, configuration TEXT NOT NULL REFERENCES configurations,
    metric TEXT NOT NULL, seed INTEGER NOT NULL, protocol INTEGER NOT NULL REFERENCES protocols, value REAL, note TEXT,
    conditions INTEGER REFERENCES conditions, PRIMARY KEY (photo, configuration, metric, seed)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS claims (unit TEXT PRIMARY KEY, owner TEXT NOT NULL, until REAL NOT NULL) WITHOUT ROWID;
"""
_FROM_1 = """
ALTER TABLE configurations ADD COLUMN conditions TEXT;
ALTER TABLE results ADD COLUMN conditions INTEGER REFERENCES conditions;
"""
# Nothing is known of the preprocessing of what is there. A primary key cannot be changed, so the table is made anew.
_FROM_2 = """
ALTER TABLE configurations ADD COLUMN preprocessing TEXT NOT NULL DEFAULT '';
ALTER TABLE photos RENAME TO photos_before;
"""
_PHOTOS_FROM_2 = """
INSERT INTO photos SELECT sha256, weights, name, target, label, probability, error, '' FROM photos_before;
DROP TABLE photos_before;
"""
_SENTENCES = {
    sqlite3.SQLITE_FULL: "The disk that holds {path} is full. What was measured before is kept: free some space, and "
    "run the same again to go on.",
    sqlite3.SQLITE_BUSY: "{path} is locked by another program. What was measured before is kept: close that program, "
    "and run the same again to go on.",
    sqlite3.SQLITE_LOCKED: "{path} is locked by another program. What was measured before is kept: close that "
    "program, and run the same again to go on.",
    sqlite3.SQLITE_READONLY: "{path} may not be written to. Give yourself the right to write to the file and its "
    "folder, or choose another file.",
    sqlite3.SQLITE_CANTOPEN: "{path} cannot be opened. Probably the right to read or write it or its folder is "
    "missing: give yourself that right, or choose another file.",
    sqlite3.SQLITE_PERM: "{path} may not be opened. Give yourself the right to read and write the file and its "
    "folder, or choose another file.",
    sqlite3.SQLITE_IOERR: "The disk failed to read or write {path} ({error}). It may be full, or a limit on the size "
    "of files reached, or broken: make room or move the file, and run the same again to go on.",
    sqlite3.SQLITE_CORRUPT: "{path} is damaged ({error}). Take a copy of it from before, or measure into another "
    "file; the program sqlite3 may save part of it with .recover.",
    sqlite3.SQLITE_NOTADB: "{path} is not a file of results. Choose another file.",
}


class StoreError(ValueError):
    """A file that is no store of results, or that cannot be read or written; the message says what to do."""


@contextmanager
def _in_sentences(path: Path) -> Iterator[None]:
    """Turn SQLite's errors into sentences."""
    try:
        yield
    except sqlite3.Error as error:
        # The last byte of a code says what kind of error it is, the others which one.
        words = _SENTENCES.get(getattr(error, "sqlite_errorcode", 0) & 0xFF, "{path} cannot be used: {error}.")
        raise StoreError(words.format(path=path, error=error)) from error


@dataclass(frozen=True)
class PhotoRow:
    """What is known of a photo: the class that a network sees and that is explained, or why it could not be read.

    The class depends on the network's weights and on how it gets its pictures, see :func:`in_json`; what the class is
    called is only said of it.
    """

    sha256: str
    weights: str
    name: str
    target: int | None = None
    label: str | None = None
    probability: float | None = None
    error: str | None = None
    preprocessing: str = ""


@dataclass(frozen=True)
class ResultRow:
    """One number: of which photo, configuration and metric, under which protocol and conditions.

    The value is None if there is no number, and the note says why.
    """

    photo: str
    configuration: str
    metric: str
    seed: int
    protocol: str
    value: float | None
    note: str = ""
    conditions: str = ""


class Store:
    """One SQLite file of results. Use it as a context manager.

    Every write is a transaction of its own in write-ahead mode: killed at any moment, the file holds all that was
    written before and nothing by half.

    Args:
        path: the file; made, with its folder, if it is not there.
        read_only: never make or change anything.
        patience: seconds to wait for another program that keeps the file locked.

    Raises:
        StoreError: it is something else, comes from a newer version, or cannot be opened. Every method raises it when
            the file cannot be read or written.
    """

    def __init__(self, path: Path, read_only: bool = False, patience: float = 60.0) -> None:
        self.path, self.read_only, self._patience = path, read_only, patience
        self.owner = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex}"
        if path.is_dir():
            raise StoreError(f"{path} is a folder. Name a file in it.")
        if read_only and not path.is_file():
            raise StoreError(f"There is no file {path}. Check the path, or run a benchmark into it first.")
        if not read_only:
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise StoreError(
                    f"The folder {path.parent} cannot be made: {error.strerror}. Choose another one."
                ) from error
        with _in_sentences(path):
            self._base = self._connect()
            try:
                self._prepare()
            except BaseException:
                self._base.close()
                raise

    def _connect(self) -> sqlite3.Connection:
        where = self.path.resolve().as_uri()
        self._still: tuple[int, int] | None = None
        if not self.read_only:
            where += "?mode=rwc"
        elif _log(self.path).exists():
            where += "?mode=ro"
        else:
            # Nobody writes. To read a file with a log, SQLite would put two more beside it, if it may.
            where += "?mode=ro&immutable=1"
            self._still = _state(self.path)
        return sqlite3.connect(where, timeout=self._patience, isolation_level=None, check_same_thread=False, uri=True)

    def _prepare(self) -> None:
        self._format: int = self._base.execute("PRAGMA user_version").fetchone()[0]
        if self._format > FORMAT:
            raise StoreError(
                f"{self.path} comes from a newer version (format {self._format}). Update, or use another file."
            )
        tables = {row[0] for row in self._base.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if tables and "results" not in tables:
            raise StoreError(f"{self.path} is a database, but not one of results. Choose another file.")
        if self.read_only:
            if not tables:
                raise StoreError(f"{self.path} is empty: no benchmark has been run into it.")
            return
        self._base.execute("PRAGMA journal_mode = WAL")
        self._base.execute("PRAGMA synchronous = NORMAL")
        if self._format < FORMAT:
            with self._transaction() as base:
                # Another process may have been faster.
                if base.execute("PRAGMA user_version").fetchone()[0] < FORMAT:
                    now = base.execute("PRAGMA user_version").fetchone()[0]
                    before = (_FROM_1 if now < 2 else "") + _FROM_2 if tables else ""
                    for statement in (before + _SCHEMA + (_PHOTOS_FROM_2 if tables else "")).split(";"):
                        base.execute(statement)
                    base.execute(f"PRAGMA user_version = {FORMAT}")
            self._format = FORMAT

    def __enter__(self) -> Store:
        """Return the open store."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file; claims are given up."""
        self.close()

    def close(self) -> None:
        """Give claims up and close the file."""
        if not self.read_only:
            with suppress(sqlite3.Error):  # a claim that cannot be given up runs out by itself
                self._base.execute("DELETE FROM claims WHERE owner = ?", (self.owner,))
        with _in_sentences(self.path):
            self._base.close()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with _in_sentences(self.path):
            self._base.execute("BEGIN IMMEDIATE")
            try:
                yield self._base
                self._base.execute("COMMIT")
            except BaseException:
                if self._base.in_transaction:  # a full disk has ended it already
                    self._base.execute("ROLLBACK")
                raise

    def _read(self, sql: str, parameters: Sequence[object] = ()) -> sqlite3.Cursor:
        with _in_sentences(self.path):
            if self._still is not None and (_log(self.path).exists() or self._still != _state(self.path)):
                self._base.close()  # somebody has begun to write
                self._base = self._connect()
            return self._base.execute(sql, parameters)

    def _frame(self, sql: str) -> pd.DataFrame:
        with _in_sentences(self.path):
            cursor = self._read(sql)
            return pd.DataFrame(cursor.fetchall(), columns=[column[0] for column in cursor.description])

    # Writing.

    def add_photo(self, row: PhotoRow) -> None:
        """Write what is known of a photo.

        Only what could not be read before can change, and what the class is called.
        """
        with self._transaction() as base:
            base.execute(
                "INSERT INTO photos VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET "
                "target = excluded.target, label = excluded.label, probability = excluded.probability, "
                "error = excluded.error WHERE photos.error IS NOT NULL "
                "OR (photos.target = excluded.target AND photos.label != excluded.label)",
                (
                    *(row.sha256, row.weights, row.name, row.target, row.label, row.probability, row.error),
                    row.preprocessing,
                ),
            )
            if row.error is None:
                base.execute(
                    "DELETE FROM photos WHERE sha256 = ? AND weights = ? AND preprocessing = ?",
                    (unreadable(row.name), row.weights, row.preprocessing),
                )

    def add_configuration(self, configuration: Configuration) -> bool:
        """Write a configuration; a second time changes nothing.

        Results that an older file holds of a network with its published preprocessing, which it did not record, become
        this configuration's if that is what it asks for.

        Returns:
            Whether there were such results.
        """
        asked = configuration.question
        with self._transaction() as base:
            base.execute(
                "INSERT OR IGNORE INTO configurations VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    configuration.fingerprint,
                    configuration.settings.method,
                    json.dumps(asked["settings"]),
                    configuration.network,
                    configuration.weights,
                    json.dumps(asked["versions"]),
                    json.dumps(asdict(configuration.conditions)),
                    in_json(configuration.preprocessing),
                ),
            )
            return configuration.earlier is not None and self._adopted(base, configuration, configuration.earlier)

    def _adopted(self, base: sqlite3.Connection, configuration: Configuration, earlier: str) -> bool:
        """Give a configuration what is known under its earlier name, without a preprocessing; return if there was any.

        Their conditions say that the preprocessing is assumed: nobody wrote down that it was this one.
        """
        if not base.execute(
            "SELECT 1 FROM configurations WHERE fingerprint = ? AND preprocessing = ''", (earlier,)
        ).fetchone():
            return False
        known, weights = in_json(configuration.preprocessing), configuration.weights
        base.execute(
            "INSERT OR IGNORE INTO conditions (words) SELECT DISTINCT k.words || ? FROM results r "
            "JOIN conditions k ON k.id = r.conditions WHERE r.configuration = ?",
            (ASSUMED, earlier),
        )
        base.execute(
            "UPDATE OR IGNORE results SET configuration = ?, conditions = (SELECT n.id FROM conditions k "
            "JOIN conditions n ON n.words = k.words || ? WHERE k.id = results.conditions) WHERE configuration = ?",
            (configuration.fingerprint, ASSUMED, earlier),
        )
        base.execute("DELETE FROM results WHERE configuration = ?", (earlier,))
        base.execute("DELETE FROM configurations WHERE fingerprint = ?", (earlier,))
        base.execute(
            "INSERT OR IGNORE INTO photos SELECT sha256, weights, name, target, label, probability, error, ? "
            "FROM photos WHERE weights = ? AND preprocessing = ''",
            (known, weights),
        )
        base.execute(
            "DELETE FROM photos WHERE weights = ? AND preprocessing = '' AND NOT EXISTS "
            "(SELECT 1 FROM configurations WHERE weights = ? AND preprocessing = '')",
            (weights, weights),
        )
        return True

    def add(self, rows: Iterable[ResultRow]) -> int:
        """Write results in one transaction; return how many were new. What is known already is never changed."""
        new = 0
        with self._transaction() as base:
            for row in rows:
                base.execute("INSERT OR IGNORE INTO protocols (words) VALUES (?)", (row.protocol,))
                base.execute("INSERT OR IGNORE INTO conditions (words) VALUES (?)", (row.conditions,))
                new += base.execute(
                    "INSERT OR IGNORE INTO results SELECT ?, ?, ?, ?, p.id, ?, ?, c.id "
                    "FROM protocols p, conditions c WHERE p.words = ? AND c.words = ?",
                    (
                        *(row.photo, row.configuration, row.metric, row.seed, row.value, row.note or None),
                        *(row.protocol, row.conditions),
                    ),
                ).rowcount
        return new

    def forget_failures(self) -> int:
        """Take out what could not be measured, so that it is tried again; return how many numbers that are."""
        with self._transaction() as base:
            return base.execute(
                "DELETE FROM results WHERE protocol IN (SELECT id FROM protocols WHERE words LIKE ?)", (f"{FAILED}%",)
            ).rowcount

    # Who does what.

    def claim(self, unit: Unit) -> bool:
        """Take a unit, so that no other process works on it; return whether it was free. Renews one's own claim."""
        now = time.time()
        with self._transaction() as base:
            held = base.execute("SELECT owner, until FROM claims WHERE unit = ?", (unit.key,)).fetchone()
            if held is not None and held[0] != self.owner and held[1] > now and _alive(held[0]):
                return False
            base.execute("INSERT OR REPLACE INTO claims VALUES (?, ?, ?)", (unit.key, self.owner, now + LEASE))
        return True

    def release(self, unit: Unit) -> None:
        """Give a unit up."""
        with self._transaction() as base:
            base.execute("DELETE FROM claims WHERE unit = ? AND owner = ?", (unit.key, self.owner))

    # Reading.

    def known(self, configuration: str, photos: Iterable[str], seed: int) -> dict[str, set[str]]:
        """Return which metrics of a configuration each photo has already."""
        return {
            photo: {
                row[0]
                for row in self._read(
                    "SELECT metric FROM results WHERE photo = ? AND configuration = ? AND seed = ?",
                    (photo, configuration, seed),
                )
            }
            for photo in photos
        }

    def count(self) -> int:
        """Return the number of results."""
        found: int = self._read("SELECT count(*) FROM results").fetchone()[0]
        return found

    def elsewhere(self, configurations: Iterable[Configuration]) -> list[str]:
        """Return the conditions, in words, under which the file holds the same measured otherwise.

        They include the preprocessing where that is another one, or was not recorded.
        """
        known = self.configurations().to_dict("records")
        found: dict[str, None] = {}
        for configuration in configurations:
            asked = {name: value for name, value in configuration.question.items() if name != "preprocessing"}
            own = in_json(configuration.preprocessing)
            for row in known:
                same = {
                    "settings": _without_conditions(json.loads(row["settings"])),
                    "network": row["network"],
                    "weights": row["weights"],
                    "versions": json.loads(row["versions"]),
                }
                if same == asked and row["fingerprint"] not in (configuration.fingerprint, configuration.earlier):
                    pictures = "" if row["preprocessing"] == own else f", {intake_in_words(row['preprocessing'])}"
                    found[f"{conditions_in_words(row['conditions'])}{pictures}"] = None
        return list(found)

    def results(self) -> pd.DataFrame:
        """Return all results, one row each.

        Columns: photo, name, configuration, method, metric, seed, protocol, value, note, conditions.
        """
        conditions = "(SELECT words FROM conditions WHERE id = r.conditions)" if self._format > 1 else "NULL"
        intake = "AND p.preprocessing = c.preprocessing " if self._format > 2 else ""
        found = self._frame(
            "SELECT r.photo, p.name, r.configuration, c.method, r.metric, r.seed, q.words AS protocol, r.value, "
            f"r.note, {conditions} AS conditions "
            "FROM results r JOIN configurations c ON c.fingerprint = r.configuration "
            f"JOIN photos p ON p.sha256 = r.photo AND p.weights = c.weights {intake}"
            "JOIN protocols q ON q.id = r.protocol "
            "ORDER BY p.name, r.photo, c.method, r.configuration, r.metric, r.seed"
        )
        return found.assign(value=found["value"].astype(float), conditions=found["conditions"].fillna(UNRECORDED))

    def photos(self) -> pd.DataFrame:
        """Return all photos, those that could not be read with the reason; preprocessing as JSON."""
        return self._frame(f"SELECT *{self._unknown_intake} FROM photos ORDER BY name")

    def configurations(self) -> pd.DataFrame:
        """Return all configurations; settings, versions, conditions and preprocessing as JSON."""
        conditions = "" if self._format > 1 else ", NULL AS conditions"
        more = f"{conditions}{self._unknown_intake}"
        return self._frame(f"SELECT *{more} FROM configurations ORDER BY method, fingerprint")

    @property
    def _unknown_intake(self) -> str:
        return "" if self._format > 2 else ", '' AS preprocessing"

    def copy(self) -> bytes:
        """Return the whole store as the bytes of a file."""
        with _in_sentences(self.path):
            memory = sqlite3.connect(":memory:")
            try:
                self._base.backup(memory)
                return memory.serialize()
            finally:
                memory.close()


UNRECORDED = "not recorded"
"""What an older file says of its conditions."""
ASSUMED = "; preprocessing assumed to be the published one"
"""How the conditions of a number end that an older file held without its preprocessing."""


def conditions_in_words(text: object) -> str:
    """Return a configuration's conditions in words, from what the store holds: JSON, or nothing."""
    return str(Conditions(**json.loads(text))) if isinstance(text, str) else UNRECORDED


def in_json(preprocessing: Preprocessing) -> str:
    """Return how a network gets its pictures, as the store holds it."""
    return json.dumps(preprocessing.to_dict())


def intake_in_words(text: str) -> str:
    """Return how a network gets its pictures in words, from what the store holds: JSON, or nothing."""
    if not text:
        return "preprocessing not recorded"
    how = json.loads(text)
    (height, width), resize = how["crop"], how["resize"]
    mean, std = (" ".join(f"{value:.4g}" for value in how[name]) for name in ("mean", "std"))
    return (
        f"pictures of {height} x {width} pixels ({'scaled to it' if resize is None else f'of {resize}'}, "
        f"{how['interpolation']}), mean {mean}, deviation {std}"
    )


def unreadable(name: str) -> str:
    """Return what stands for the fingerprint of a file that cannot be opened."""
    return f"unreadable:{name}"


def _without_conditions(settings: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in settings.items() if k not in ("batch_size", "target")}  # which older files hold


def _log(path: Path) -> Path:
    return path.resolve().with_name(path.resolve().name + "-wal")


def _state(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_mtime_ns, found.st_size


def _alive(owner: str) -> bool:
    """Return whether the process that made a claim may still be there; of another machine only its lease can tell."""
    host, pid, _ = owner.rsplit(":", 2)
    if host != socket.gethostname():
        return True
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
