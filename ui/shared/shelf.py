"""A browser's own library: what ends is remembered there by itself, and what a reload loses comes back from there."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import streamlit as st
from torch import Tensor

from samp_core.archive import Archive, ArchiveError, pack, unpack
from samp_core.bundled import DEFAULT
from samp_core.classifiers import Classifier, ClassifierError
from samp_core.compare import Entry
from samp_core.films import Reel, View
from samp_core.images import sha256
from samp_core.library import Library, LibraryError, Recipe, Record
from samp_core.metrics import Measurement
from samp_core.runs import as_settled
from ui.shared import kept, state
from ui.shared.server import owner
from ui.shared.state import Photo
from ui.work.lane_run import LaneRun, planes_of
from ui.work.queue import Measuring, Queue, Sweeping

FOLDER = "SAMP_LIBRARY"
"""Environment variable: the library's folder, or ``off``."""
_THREAD = "samp: library of "  # what writes an owner's result down
_PATIENCE = 20.0  # seconds that a page waits for that
_RUNS = 8  # finished runs of the stage, with their films, that outlive their session; some 30 MB each

_QUEUES: dict[str, tuple[str, type[Queue]]] = {
    "compare": ("queue", Queue),
    "tune": ("tuning", Sweeping),
    "metrics": ("measuring", Measuring),
}


def library() -> Library | None:
    """Return the server's library; None if whoever started it wants none."""
    wanted = os.environ.get(FOLDER, "").strip()
    if wanted.lower() == "off":
        return None
    return Library(Path(wanted) if wanted else Path.home() / ".samp" / "library")


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


# -- networks ----------------------------------------------------------------------------------------------------------


def keep_network(name: str, recipe: Recipe, weights: Mapping[str, Tensor]) -> str:
    """Remember a network that this browser brought, for when the server is started anew; return how long, in words."""
    where = remembering()
    if where is None:
        return "It stays in this server's memory."
    try:
        where[0].add_network(where[1], name, recipe, weights)
    except LibraryError as error:
        return f"It stays in this server's memory alone. {error}"
    return "It is remembered for this browser, with its Library."


def networks_back() -> dict[str, Classifier]:
    """Return the networks that this browser brought before, as far as they can still be made."""
    where = remembering()
    if where is None:
        return {}
    found = {}
    for name, (recipe, path) in where[0].networks(where[1]).items():
        try:
            found[name] = recipe.make(path)
        except ClassifierError as error:
            logging.getLogger(__name__).log(logging.WARNING, "The network %s does not come back: %s", name, error)
    return found


# -- what ends ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Finished:
    """Results of one page on one photo, each with its key; of a measuring also what was asked and found."""

    page: str
    photo: Photo
    classifier: Classifier
    results: Sequence[tuple[str, Entry]]
    threads: int | None
    numbers: Sequence[Mapping[str, tuple[Measurement, ...]]] = ()
    asked: Mapping[str, Any] = field(default_factory=dict)
    films: Sequence[Reel | None] = ()
    planes: Sequence[View] = ()
    link: Mapping[str, str] | None = None

    @classmethod
    def of(cls, page: str, queue: Queue) -> Self:
        """Return what a comparison, a sweep or a measuring has found."""
        items = [item for item in queue.items if item.entry is not None]
        results = [(item.key, item.entry) for item in items if item.entry is not None]
        photo = Photo(queue.name, queue.image, queue.photo_key)
        if not isinstance(queue, Measuring):
            return cls(page, photo, queue.classifier, results, queue.threads, link=queue.link)
        return cls(page, photo, queue.classifier, results, queue.threads, link=queue.link, **measured(queue))

    @property
    def keys(self) -> list[str]:
        return [key for key, _ in self.results]

    @property
    def identity(self) -> str:
        return _identity(self.page, self.keys, self.asked)

    def keep(self, shelf: Library, who: str, link: Mapping[str, str]) -> None:
        try:
            content = pack(
                self.classifier, self.photo.image, self.photo.name, [entry for _, entry in self.results],
                with_photo=True, threads=self.threads, numbers=self.numbers, asked=self.asked,
                films=self.films, planes=self.planes,
            )  # fmt: skip
            memo = {"link": dict(link), "keys": self.keys}
            shelf.add(content, who, identity=self.identity, page=self.page, memo=memo)
        except (LibraryError, ValueError) as error:  # nobody waits for it: a note for whoever runs the server
            logging.getLogger(__name__).log(logging.WARNING, "A result was not remembered. %s", error)


def measured(run: Measuring) -> dict[str, Any]:
    """Return what a file of runs holds of a measuring: the numbers of each run, how they were asked, why some miss."""
    items = [item for item in run.items if item.entry is not None]
    asked = {
        "metrics": list(run.metrics),
        "box": None if run.box is None else list(run.box),
        "in_units": run.in_units,
        "missing": [dict(item.missing) for item in items],
    }
    return {"numbers": [item.measured for item in items], "asked": asked}


def keep_finished() -> None:
    """Remember what has ended since the last look, without being waited for."""
    known: set[str] = st.session_state.setdefault("shelved", set())
    # Planes come later than the runs that are seen in them: with them the result takes its own place.
    new = {f"{each.identity} {sum(len(view.tracks) for view in each.planes)}": each for each in _finished()}
    new = {mark: each for mark, each in new.items() if not {mark, each.identity} & known}
    known.update(new)
    if not new or (where := remembering()) is None:
        return
    for each in new.values():
        if each.page == "explain":
            _remember_runs(where[1])
        name = _THREAD + where[1]
        before = [thread for thread in threading.enumerate() if thread.name == name]
        threading.Thread(target=_keep, args=(each, before, *where, _link(each)), name=name, daemon=True).start()


def _link(each: _Finished) -> dict[str, str]:
    """Return the link to what was asked, which may be something else than what is chosen by now."""
    link, asked = kept.link(), each.link
    if asked is not None and each.page == "explain":  # its lanes stand as they stand
        asked = {name: words for name, words in link.items() if name not in kept.QUESTION} | {
            name: words for name, words in asked.items() if name in kept.QUESTION
        }
    return {name: words for name, words in (link if asked is None else asked).items() if name != "result"}


def _keep(
    each: _Finished, before: Sequence[threading.Thread], shelf: Library, who: str, link: Mapping[str, str]
) -> None:
    """Remember a result after those that ended before it, because one may take another's place."""
    for thread in before:
        thread.join()
    each.keep(shelf, who, link)


def _identity(page: str, keys: Sequence[str], asked: Mapping[str, Any]) -> str:
    """Return what tells results from others: one asked in the same way takes its place."""
    words = json.dumps([page, list(keys), dict(asked)] if asked else [page, list(keys)], sort_keys=True)
    return hashlib.sha256(words.encode()).hexdigest()[:32]


def _finished() -> list[_Finished]:
    queues = ((page, st.session_state.get(name)) for page, (name, _) in _QUEUES.items())
    found = [_Finished.of(page, queue) for page, queue in queues if queue is not None and not queue.active]
    stage = st.session_state.get("stage")
    if stage is not None and not stage.active and (runs := stage.alike):
        photo = runs[0].photo
        done = [run for run in runs if run.status == "done"]
        results = [(run.key, Entry(as_settled(run.settings, e), e)) for run in done if (e := run.explanation)]
        films = [Reel.of(run.film) for run in done]
        shown = planes_of(done)
        link, threads = runs[0].link, runs[0].threads
        found.append(
            _Finished("explain", photo, runs[0].classifier, results, threads, films=films, planes=shown, link=link)
        )
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
    for thread in threading.enumerate():  # what ended just before the reload may still be on its way
        if thread.name == _THREAD + where[1]:
            thread.join(_PATIENCE)
    try:
        record = where[0].newest(where[1], page, photo.fingerprint, _of(classifier, network))
        if record is None:
            return False
        archive = unpack(where[0].content(where[1], record.id))
        archive.check(classifier, photo.image)
    except (ArchiveError, LibraryError):
        return False
    show(page, archive, record, classifier, photo)
    return True


def _of(classifier: Classifier, network: str) -> Callable[[Record], bool]:
    """Return what tells results of a network that links call ``network`` from those of others."""

    def fits(record: Record) -> bool:
        link = record.memo.get("link")  # an imported result has none
        return link is not None and record.network == classifier.name and link.get("network", DEFAULT) == network

    return fits


def show(page: str, archive: Archive, record: Record, classifier: Classifier, photo: Photo) -> None:
    """Put a result where its page shows it; photo and network are the session's, and those of the result."""
    keys, asked = record.memo.get("keys", []), archive.words.get("asked", {})
    st.session_state.setdefault("shelved", set()).add(_identity(page, keys, asked))
    if page == "explain":
        from ui.shared.lanes import stage  # noqa: PLC0415 - lanes ask here for their runs

        # What this server still remembers has its moves, too, which a file has not.
        back = LaneRun.back(state.turns(), classifier, photo, archive, keys)
        stage().take([run for run in back if walked(run.key) is None])
        return
    name, kind = _QUEUES[page]
    more: dict[str, Any] = {}
    if kind is Measuring:
        box = asked["box"]
        more = {"metrics": asked["metrics"], "box": box and tuple(box), "in_units": asked["in_units"]}
    queue = state.show_queue(kind, name, classifier, photo, list(zip(keys, archive.entries, strict=True)), **more)
    queue.threads = archive.words["runs"][0].get("machine", {}).get("threads")
    if kind is Measuring:
        for item, numbers, missing in zip(queue.items, archive.numbers, asked["missing"], strict=True):
            item.measured, item.missing = dict(numbers), dict(missing)
