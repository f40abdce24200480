"""Runs that travel as files: given away by the pages, and taken in wherever a photo is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import streamlit as st

from samp_core.archive import ENDING, Archive, ArchiveError, pack
from samp_core.bundled import DEFAULT
from samp_core.classifiers import Classifier, ClassifierError, is_on_disk
from samp_core.compare import Entry
from samp_core.images import SAMPLES
from samp_core.methods import METHODS, Settings
from ui.shared import kept, state
from ui.shared.knob import KeptOption
from ui.shared.link import to_text
from ui.shared.state import Photo
from ui.work.queue import Queue

_INSIDE = kept.Flag("photo-inside")


def download(
    classifier: Classifier,
    photo: Photo,
    entries: Sequence[Entry],
    threads: int | None,
    stem: str,
    key: str,
    **more: Any,
) -> None:
    """Offer runs as a file, with or without the photo, as its owner says; ``more`` goes to :func:`pack`."""
    with st.container(horizontal=True, vertical_alignment="center"):
        inside = _INSIDE.toggle(
            "Photo inside", key=f"{key}-inside",
            help="Whether the file holds the photo itself. Without it, whoever opens the file needs the photo, too.",
        )  # fmt: skip
        st.download_button(
            f"Runs ({ENDING})",
            lambda: pack(classifier, photo.image, photo.name, entries, with_photo=inside, threads=threads, **more),
            f"{stem}{ENDING}", "application/zip", on_click="ignore", key=key,
            help="Everything about these runs in one file. Drop it where a photo is uploaded (up to 25 MB) and they "
            "are there again, without computing; `samp replay` does them again.",
        )  # fmt: skip


def download_all(queue: Queue, what: str, key: str, **more: Any) -> None:
    """Offer all runs of a comparison as a file, called after the photo and ``what`` it is; see :func:`download`."""
    given = [item.entry for item in queue.items if item.entry is not None]
    photo = Photo(queue.name, queue.image, queue.photo_key)
    download(queue.classifier, photo, given, queue.threads, f"{queue.name.rsplit('.', 1)[0]}-{what}", key, **more)


def is_filmed(archive: Archive) -> bool:
    """Say whether a file's runs can be watched on the stage without walking them again."""
    return any(film is not None for film in archive.films)


def photo_of(archive: Archive) -> Photo:
    """Return the photo of a file's runs: from the file, or one that the session knows.

    Raises:
        ArchiveError: it is not inside, and the session does not know it.
    """
    if archive.photo is not None:
        return Photo(archive.name, archive.photo, archive.photo_key)
    known: list[Photo] = [state.photo(), *st.session_state.get("uploads", {}).values(), *map(Photo.sample, SAMPLES)]
    for photo in known:
        if photo.fingerprint == archive.photo_key:
            return photo
    raise ArchiveError(
        f"The file holds runs on {archive.name} without the photo itself. Upload the photo first, then this file again."
    )


def network_of(archive: Archive, linked: str | None = None) -> Classifier:
    """Return the network of a file's runs.

    Args:
        archive: the file.
        linked: what a link calls the network that is preferred where several fit; by default the one in use.

    Raises:
        ArchiveError: it is not here, or is here with other weights, another preprocessing or other labels.
        ClassifierError: it cannot be loaded.
    """
    alike = {name: c for name, c in state.brought().items() if c.fingerprint == archive.words["network"]["sha256"]}
    fitting: dict[str, Classifier] = {}
    misfit: ArchiveError | None = None
    for name, classifier in alike.items():
        try:
            archive.check_network(classifier)
            fitting[name] = classifier
        except ArchiveError as error:
            misfit = error
    if fitting:
        wanted = kept.link().get("network") if linked is None else linked
        return fitting[wanted] if wanted in fitting else next(reversed(fitting.values()))
    try:
        here = is_on_disk(archive.network)
    except ClassifierError:
        here = False
    if not here:
        if misfit is not None:
            raise misfit
        raise ArchiveError(
            f"The runs explain {archive.network}, whose weights are not here. Fetch or bring them on Models first; "
            "`samp open` prints what is in the file in any case."
        )
    return state.network(archive.network)


def subject_of(archive: Archive, linked: str | None = None) -> tuple[Photo, Classifier]:
    """Return photo and network of a file's runs, and make sure that they are those; see :func:`network_of`.

    Raises:
        ArchiveError: one of them is not here, or another.
        ClassifierError: the network cannot be loaded.
    """
    photo, classifier = photo_of(archive), network_of(archive, linked)
    archive.check(classifier, photo.image)
    return photo, classifier


def ask(classifier: Classifier, question: Settings, photo: Photo, word: Callable[[int], str]) -> None:
    """Choose network, class and score as a file's run has them; see :func:`take_in`."""
    name = state.name_of(classifier)
    kept.put("network", None if name == DEFAULT else name)
    first = state.predictions(name, photo.fingerprint, photo.image)[0].index
    assert question.target is not None
    kept.put("class", None if question.target == first else word(question.target))
    kept.put("contrast", None if question.contrast is None else "on")
    kept.put("against", None if question.contrast is None else word(question.contrast))
    kept.put("score", None if question.score == "logit" else question.score)


def take_in(archive: Archive, classifier: Classifier, photo: Photo, word: Callable[[int], str]) -> str:
    """Make what a file holds the session's comparison, with everything that was chosen for it; return it in words.

    Runs that were filmed are on the stage, too, as far as it has room.

    Args:
        archive: the file.
        classifier, photo: those of its runs; the photo is the session's by now.
        word: what a class is called in the link.
    """
    settings = [entry.settings for entry in archive.entries]
    question = settings[0]
    ask(classifier, question, photo, word)
    usual = METHODS[question.method].defaults.batch_size
    kept.put("batch", None if question.batch_size == usual else str(question.batch_size))
    kept.put("start", None)
    own: dict[str, Settings] = {}
    twins = [each for each in settings if own.setdefault(each.method, each) is not each]
    kept.put("methods", " ".join(own))
    for name, each in own.items():
        for option in METHODS[name].options:
            knob = KeptOption(f"{name}.{option.key}", option.default, option)
            knob.put(each.options.get(option.name, option.default))
    kept.put("also", ";".join(dict.fromkeys(map(to_text, twins))) or None)
    found = [(state.run_key(state.name_of(classifier), photo, entry.settings), entry) for entry in archive.entries]
    state.show_queue(Queue, "queue", classifier, photo, found)
    if is_filmed(archive):
        from ui.shared.lanes import put_back  # noqa: PLC0415 - lanes ask the sidebar, which opens files

        put_back(archive, classifier, photo)
    titles = ", ".join(dict.fromkeys(METHODS[each.method].title for each in settings))
    return f"{len(found)} run{'s' * (len(found) != 1)} on {photo.name} opened: {titles}."
