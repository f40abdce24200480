"""A browser's own library: what ends is remembered there by itself, and what a reload loses comes back from there."""

from __future__ import annotations

import hashlib
import logging
import os
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from samp_core.archive import Archive, ArchiveError, pack, unpack
from samp_core.classifiers import Classifier
from samp_core.compare import Entry
from samp_core.images import sha256
from samp_core.library import Library, LibraryError, Record
from samp_core.runs import as_settled
from ui.shared import kept, state
from ui.shared.server import token_of
from ui.shared.state import Photo
from ui.work.lane_run import LaneRun
from ui.work.queue import Queue, Sweeping

FOLDER = "SAMP_LIBRARY"
"""Environment variable: the library's folder, or ``off``."""
_RUNS = 8  # finished runs of the stage, with their films, that outlive their session; some 30 MB each

_QUEUES: dict[str, tuple[str, type[Queue]]] = {"compare": ("queue", Queue), "tune": ("tuning", Sweeping)}


def library() -> Library | None:
    """Return the server's library; None if whoever started it wants none."""
    wanted = os.environ.get(FOLDER, "").strip()
    if wanted.lower() == "off":
        return None
    return Library(Path(wanted) if wanted else Path.home() / ".samp" / "library")


def owner() -> str | None:
    """Return whose results this browser sees; None if it takes no cookies, and so cannot be known again."""
    token = token_of(st.context.cookies)
    # Who reads the index must not be able to pass for the browser.
    return None if token is None else hashlib.sha256(token.encode()).hexdigest()[:32]


def place() -> tuple[Library, str] | None:
    """Return library and owner, if there is a library and this browser can be known again."""
    found, who = library(), owner()
    return None if found is None or who is None else (found, who)


def remembering() -> tuple[Library, str] | None:
    """Return library and owner, if this browser's results are to be remembered now."""
    where = place()
    try:
        return where if where is not None and where[0].remembers(where[1]) else None
    except LibraryError as error:
        logging.getLogger(__name__).log(logging.WARNING, "Nothing is remembered. %s", error)
        return None


# -- what ends ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Finished:
    """Results of one page on one photo, each with its key."""

    page: str
    photo: Photo
    classifier: Classifier
    results: Sequence[tuple[str, Entry]]
    threads: int | None

    @property
    def keys(self) -> list[str]:
        return [key for key, _ in self.results]

    def keep(self, shelf: Library, who: str, link: Mapping[str, str]) -> None:
        try:
            entries = [entry for _, entry in self.results]
            name, image = self.photo.name, self.photo.image
            content = pack(self.classifier, image, name, entries, with_photo=True, threads=self.threads)
            identity, memo = _identity(self.page, self.keys), {"link": dict(link), "keys": self.keys}
            shelf.add(content, who, identity=identity, page=self.page, memo=memo)
        except (LibraryError, ValueError) as error:  # nobody waits for it: a note for whoever runs the server
            logging.getLogger(__name__).log(logging.WARNING, "A result was not remembered. %s", error)


def keep_finished() -> None:
    """Remember what has ended since the last look, without being waited for."""
    known: set[str] = st.session_state.setdefault("shelved", set())
    new = {_identity(each.page, each.keys): each for each in _finished()}
    new = {identity: each for identity, each in new.items() if identity not in known}
    known.update(new)
    if not new or (where := remembering()) is None:
        return
    link = {name: words for name, words in kept.link().items() if name != "result"}
    for each in new.values():
        if each.page == "explain":
            _remember_runs(where[1])
        threading.Thread(target=each.keep, args=(*where, link), name="samp: library", daemon=True).start()


def _identity(page: str, keys: Sequence[str]) -> str:
    return hashlib.sha256(" ".join((page, *keys)).encode()).hexdigest()[:32]


def _finished() -> list[_Finished]:
    found = []
    for page, (name, _) in _QUEUES.items():
        queue: Queue | None = st.session_state.get(name)
        if queue is not None and not queue.active:
            results = [(item.key, item.entry) for item in queue.items if item.entry is not None]
            photo = Photo(queue.name, queue.image, queue.photo_key)
            found.append(_Finished(page, photo, queue.classifier, results, queue.threads))
    stage = st.session_state.get("stage")
    runs = [lane.run for lane in stage.lanes if lane.run is not None] if stage is not None else []
    if runs and not any(run.active for run in runs):
        photo = runs[0].photo
        done = [run for run in runs if run.status == "done" and run.photo.fingerprint == photo.fingerprint]
        results = [(run.key, Entry(as_settled(run.settings, e), e)) for run in done if (e := run.explanation)]
        found.append(_Finished("explain", photo, runs[0].classifier, results, runs[0].threads))
    return [each for each in found if each.results]


@st.cache_resource(max_entries=1, show_spinner=False)
def _runs() -> OrderedDict[tuple[str, str], LaneRun]:
    return OrderedDict()


def _remember_runs(who: str) -> None:
    runs = _runs()
    for lane in st.session_state["stage"].lanes:
        if lane.run is not None and lane.run.status == "done":
            runs[who, lane.run.key] = lane.run
            runs.move_to_end((who, lane.run.key))
    while len(runs) > _RUNS:
        runs.popitem(last=False)


def walked(key: str) -> LaneRun | None:
    """Return this browser's finished run of the stage with this key, from another session or before a reload."""
    who = owner()
    return None if who is None else _runs().get((who, key))


def forget_runs() -> None:
    """Forget this browser's runs of the stage."""
    who, runs = owner(), _runs()
    for key in [key for key in runs if key[0] == who]:
        del runs[key]


# -- what comes back ---------------------------------------------------------------------------------------------------


def photo_in_link(short: str) -> Photo | None:
    """Return the photo whose fingerprint begins as a link says, if this browser has uploaded it."""
    if (where := place()) is None:
        return None
    try:
        found = where[0].photo(where[1], short)
    except LibraryError:
        return None
    return None if found is None else Photo(found[0], found[1], sha256(found[1]))


def keep_photo(photo: Photo) -> None:
    """Remember an uploaded photo, so that a reload does not lose it."""
    if (where := remembering()) is None:
        return
    try:
        where[0].add_photo(where[1], photo.name, photo.image)
    except LibraryError as error:
        logging.getLogger(__name__).log(logging.WARNING, "A photo was not remembered. %s", error)


def bring_back(page: str, photo: Photo, network: str, classifier: Classifier) -> bool:
    """Show the newest result of a page on this photo and network again; return whether there was one."""
    sought, missed = (page, photo.fingerprint, network), st.session_state.setdefault("missed", set())
    if sought in missed or (where := place()) is None:
        return False
    missed.add(sought)  # it is looked for once
    try:
        record = where[0].newest(where[1], page, photo.fingerprint)
        if record is None or record.network != network:
            return False
        archive = unpack(where[0].content(where[1], record.id))
        archive.check(classifier, photo.image)
    except (ArchiveError, LibraryError):
        return False
    show(page, archive, record, classifier, photo)
    return True


def show(page: str, archive: Archive, record: Record, classifier: Classifier, photo: Photo) -> None:
    """Put a result where its page shows it; photo and network are the session's, and those of the result."""
    keys = record.memo.get("keys", [])
    st.session_state.setdefault("shelved", set()).add(_identity(page, keys))
    if page == "explain":
        from ui.shared.lanes import stage  # noqa: PLC0415 - lanes ask here for their runs

        stage().begun = True
        return
    name, kind = _QUEUES[page]
    queue = state.show_queue(kind, name, classifier, photo, list(zip(keys, archive.entries, strict=True)))
    queue.threads = archive.words["runs"][0].get("machine", {}).get("threads")
