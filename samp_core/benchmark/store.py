"""Results in one SQLite file that survives a kill and may be shared by several processes."""

from __future__ import annotations

import json
import os
import socket
import sqlite3
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import pandas as pd

from samp_core.benchmark.plan import Configuration, Unit

FORMAT = 1
LEASE = 300.0  # seconds after which a claim that nobody renewed is free again
_SCHEMA = """
CREATE TABLE IF NOT EXISTS photos (
    sha256 TEXT NOT NULL, weights TEXT NOT NULL, name TEXT NOT NULL, target INTEGER, label TEXT, probability REAL,
    error TEXT, PRIMARY KEY (sha256, weights)
);
CREATE TABLE IF NOT EXISTS configurations (
    fingerprint TEXT PRIMARY KEY, method TEXT NOT NULL, settings TEXT NOT NULL, network TEXT NOT NULL,
    weights TEXT NOT NULL, versions TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS protocols (id INTEGER PRIMARY KEY, words TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS results (
    photo TEXT NOT NULL, configuration TEXT NOT NULL REFERENCES configurations,
    metric TEXT NOT NULL, seed INTEGER NOT NULL, protocol INTEGER NOT NULL REFERENCES protocols, value REAL, note TEXT,
    PRIMARY KEY (photo, configuration, metric, seed)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS claims (unit TEXT PRIMARY KEY, owner TEXT NOT NULL, until REAL NOT NULL) WITHOUT ROWID;
"""


class StoreError(ValueError):
    """A file that is no store of results; the message says what to do."""


@dataclass(frozen=True)
class PhotoRow:
    """What is known of a photo: the class that a network sees and that is explained, or why it could not be read."""

    sha256: str
    weights: str
    name: str
    target: int | None = None
    label: str | None = None
    probability: float | None = None
    error: str | None = None


@dataclass(frozen=True)
class ResultRow:
    """One number: of which photo, configuration and metric, under which protocol; None with a note if there is none."""

    photo: str
    configuration: str
    metric: str
    seed: int
    protocol: str
    value: float | None
    note: str = ""


class Store:
    """One SQLite file of results. Use it as a context manager.

    Every write is a transaction of its own in write-ahead mode: killed at any moment, the file holds all that was
    written before and nothing by half.

    Args:
        path: the file; made, with its folder, if it is not there.
        read_only: never make or change anything.

    Raises:
        StoreError: it is something else, or comes from a newer version.
    """

    def __init__(self, path: Path, read_only: bool = False) -> None:
        self.path = path
        self.owner = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex}"
        if read_only and not path.is_file():
            raise StoreError(f"There is no file {path}. Check the path, or run a benchmark into it first.")
        try:
            if not read_only:
                path.parent.mkdir(parents=True, exist_ok=True)
            # Read-only still needs the log beside the file while another process writes.
            self._base = sqlite3.connect(path, timeout=60, isolation_level=None, check_same_thread=False)
            found = self._base.execute("PRAGMA user_version").fetchone()[0]
            if found > FORMAT:
                raise StoreError(f"{path} comes from a newer version (format {found}). Update, or use another file.")
            tables = {row[0] for row in self._base.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            if tables and "results" not in tables:
                raise StoreError(f"{path} is a database, but not one of results. Choose another file.")
            if not read_only:
                self._base.execute("PRAGMA journal_mode = WAL")
                self._base.execute("PRAGMA synchronous = NORMAL")
                self._base.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} PRAGMA user_version = {FORMAT}; COMMIT;")
            elif not tables:
                raise StoreError(f"{path} is empty: no benchmark has been run into it.")
        except sqlite3.DatabaseError as error:
            raise StoreError(f"{path} is not a file of results: {error}. Choose another file.") from error

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
        if "claims" in self._tables():
            self._base.execute("DELETE FROM claims WHERE owner = ?", (self.owner,))
        self._base.close()

    def _tables(self) -> set[str]:
        return {row[0] for row in self._base.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        self._base.execute("BEGIN IMMEDIATE")
        try:
            yield self._base
        except BaseException:
            self._base.execute("ROLLBACK")
            raise
        self._base.execute("COMMIT")

    # Writing.

    def add_photo(self, row: PhotoRow) -> None:
        """Write what is known of a photo; a second time changes nothing."""
        with self._transaction() as base:
            base.execute(
                "INSERT OR IGNORE INTO photos VALUES (?, ?, ?, ?, ?, ?, ?)",
                (row.sha256, row.weights, row.name, row.target, row.label, row.probability, row.error),
            )

    def add_configuration(self, configuration: Configuration) -> None:
        """Write a configuration; a second time changes nothing."""
        settings = configuration.settings.to_dict()
        with self._transaction() as base:
            base.execute(
                "INSERT OR IGNORE INTO configurations VALUES (?, ?, ?, ?, ?, ?)",
                (
                    configuration.fingerprint,
                    configuration.settings.method,
                    json.dumps(settings),
                    configuration.network,
                    configuration.weights,
                    json.dumps(dict(configuration.versions)),
                ),
            )

    def add(self, rows: Iterable[ResultRow]) -> int:
        """Write results in one transaction; return how many were new. What is known already is never changed."""
        new = 0
        with self._transaction() as base:
            for row in rows:
                base.execute("INSERT OR IGNORE INTO protocols (words) VALUES (?)", (row.protocol,))
                new += base.execute(
                    "INSERT OR IGNORE INTO results SELECT ?, ?, ?, ?, id, ?, ? FROM protocols WHERE words = ?",
                    (row.photo, row.configuration, row.metric, row.seed, row.value, row.note or None, row.protocol),
                ).rowcount
        return new

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
        self._base.execute("DELETE FROM claims WHERE unit = ? AND owner = ?", (unit.key, self.owner))

    # Reading.

    def known(self, configuration: str, photos: Iterable[str], seed: int) -> dict[str, set[str]]:
        """Return which metrics of a configuration each photo has already."""
        return {
            photo: {
                row[0]
                for row in self._base.execute(
                    "SELECT metric FROM results WHERE photo = ? AND configuration = ? AND seed = ?",
                    (photo, configuration, seed),
                )
            }
            for photo in photos
        }

    def count(self) -> int:
        """Return the number of results."""
        found: int = self._base.execute("SELECT count(*) FROM results").fetchone()[0]
        return found

    def results(self) -> pd.DataFrame:
        """Return all results, one row each: photo, name, configuration, method, metric, seed, protocol, value, note."""
        return pd.read_sql_query(
            "SELECT r.photo, p.name, r.configuration, c.method, r.metric, r.seed, q.words AS protocol, r.value, r.note "
            "FROM results r JOIN configurations c ON c.fingerprint = r.configuration "
            "JOIN photos p ON p.sha256 = r.photo AND p.weights = c.weights JOIN protocols q ON q.id = r.protocol "
            "ORDER BY p.name, r.photo, c.method, r.configuration, r.metric, r.seed",
            self._base,
            dtype={"value": float},
        )

    def photos(self) -> pd.DataFrame:
        """Return all photos, those that could not be read with the reason."""
        return pd.read_sql_query("SELECT * FROM photos ORDER BY name", self._base)

    def configurations(self) -> pd.DataFrame:
        """Return all configurations; settings and versions as JSON."""
        return pd.read_sql_query("SELECT * FROM configurations ORDER BY method, fingerprint", self._base)


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
