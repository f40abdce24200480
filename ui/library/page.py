"""The page: what is kept and what was done lately, as cards; finding, naming, opening, comparing, sets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

import streamlit as st

from samp_core.archive import ENDING, ArchiveError, unpack
from samp_core.classifiers import ClassifierError
from samp_core.films import MOST as LANES
from samp_core.library import MOST_SET, Library, LibraryError, Record
from ui.shared import kept, shelf, state, travel
from ui.shared.lanes import at_hand, put_on_stage
from ui.shared.link import from_text, to_text
from ui.shared.sidebar import choose, class_words
from ui.shared.sketch import box, frame, picture, pixel_map
from ui.shared.words import plain

PAGE = 12
"""Cards on the page at once."""
_COLUMNS = 3
_MOST = 200  # MB of a set
_SHOWN = {"All": None, "Kept": True, "Recent": False}
_PLACES = {
    "explain": "pages/1_Explain.py",
    "compare": "pages/2_Compare.py",
    "metrics": "pages/3_Metrics.py",
    "tune": "pages/5_Tune.py",
}
_TO_COME = {
    "explain": (
        "Up to four paths on one photo, with their films, the plane they run in, and all settings.",
        frame(4, 4, 72, 44) + pixel_map(8, 12, 28) + box(42, 12, 28, 28, 0.15)
        + frame(92, 4, 72, 44) + pixel_map(96, 12, 28, 0.35, 1) + box(130, 12, 28, 28, 0.15),
    ),
    "compare": (
        "Maps of many methods side by side, each with its cost, its completeness gap and its curves.",
        "".join(pixel_map(4 + 33 * k, 12, 28, 0.15 * k, k) for k in range(5)),
    ),
    "metrics": (
        "Numbers of one photo with their protocols, and what each was made from.",
        "".join(box(4 + 41 * c, 6 + 11 * r, 37, 7, 0.5 if c == 0 else 0.12) for r in range(4) for c in range(4)),
    ),
    "tune": (
        "A method's knobs swept: a map and its numbers for each setting.",
        "".join(pixel_map(4 + 33 * c, 2 + 25 * r, 22, 0.1 * (c + 3 * r), c) for r in range(2) for c in range(5)),
    ),
}  # fmt: skip
"""What each page leaves here, in words and as a drawing."""
_STYLE = """<style>
  [class*="st-key-record-"] img { height: 5.1rem; width: 100%; object-fit: contain; object-position: left; }
  [class*="st-key-record-"] { gap: 0.3rem; }
  [class*="st-key-record-"] p { overflow-wrap: anywhere; }
  .st-key-library-to-come img { width: 100%; height: auto; max-height: 8rem; }
  .st-key-library-to-come a { padding: 0 !important; }
  .st-key-library-chosen { min-height: 2.6rem; }
</style>"""


def show() -> None:
    """Show the browser's library."""
    where = shelf.place()
    if shelf.library() is None:
        st.info("Whoever started this server keeps no library: results live as long as their browser tab.")
        return
    if where is None:
        st.info(
            "This browser takes no cookies from here, so its results cannot be found again. Allow them for this "
            "address and load the page anew; until then, take results along as files from the other pages."
        )
        return
    try:
        _show(*where)
    except LibraryError as error:
        st.error(plain(error))


def _show(library: Library, owner: str) -> None:
    folder = library.folder
    if folder.is_relative_to(Path.home()):
        folder = Path("~", folder.relative_to(Path.home()))
    words = str(folder).replace("`", " ")  # in code, nothing else has a meaning
    st.caption(
        f"Results of this browser, with their photos, in `{words}` on the computer that runs this app. "
        "What ends on Explain, Compare, Metrics or Tune comes here by itself; keep what should stay."
    )
    with st.container():  # what comes and goes here must not close what is open below
        _notice(library, owner)
    st.html(_STYLE)
    everything = library.records(owner)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        wanted = st.text_input(
            "Find", key="library-words", placeholder="name, note, tag, photo, method ...", width=320,
        )  # fmt: skip
        tags = sorted({tag for record in everything for tag in record.tags})
        tag = st.selectbox("Tag", ["", *tags], key="library-tag", format_func=lambda t: t or "any", width=170)
        shown = st.segmented_control(
            "Show", list(_SHOWN), default="All", required=True, key="library-shown", persist_state="session"
        )
        with st.popover("Import"):
            _import(library, owner)
        with st.popover("What is remembered"):
            _remembering(library, owner, everything)
    found = library.records(owner, wanted, tag or "")
    if (only := _SHOWN[shown]) is not None:
        found = [record for record in found if record.kept == only]
    if not found:
        _empty(bool(everything))
        return
    _chosen(library, owner, {record.id: record for record in everything})
    _cards(library, owner, found)


def _empty(filtered: bool) -> None:
    if filtered:
        st.info("Nothing here fits. Other words, another tag, or All?")
        return
    st.markdown("**Nothing is here yet.** What ends on these pages comes here, and a reload cannot lose it any more:")
    with st.container(key="library-to-come"):
        for column, (name, (words, drawing)) in zip(st.columns(len(_TO_COME)), _TO_COME.items(), strict=True):
            with column.container(border=True):
                st.html(picture(drawing))
                st.page_link(_PLACES[name], label=f"**{name.capitalize()}**", query_params=kept.link())
                st.caption(words)
    st.caption("Files of runs and sets that somebody gave you come in by Import.")


def _notice(library: Library, owner: str) -> None:
    """Say what was just done, with a way back where there is one."""
    if (deleted := st.session_state.get("library-deleted")) is not None:
        with st.container(horizontal=True, vertical_alignment="center", key="library-notice"):
            st.markdown(f"{_count(len(deleted))} deleted.")

            def undo() -> None:
                st.session_state.pop("library-deleted", None)
                _tell(lambda: library.restore(owner, deleted))

            st.button("Undo", key="library-undo", on_click=undo, type="tertiary")
    if problem := st.session_state.pop("library-problem", None):
        st.error(plain(problem))
    if done := st.session_state.pop("library-done", None):
        st.success(plain(done))


def _count(number: int) -> str:
    return f"{number} result{'s' * (number != 1)}"


def _tell(what: Callable[[], object]) -> bool:
    """Do something in answer to a button, and return whether it went well; the page says later what did not."""
    try:
        what()
    except (LibraryError, ArchiveError, ClassifierError) as error:
        st.session_state["library-problem"] = str(error)
        return False
    return True


def _import(library: Library, owner: str) -> None:
    st.markdown(f"A set that was exported here or elsewhere (.zip), or one file of runs ({ENDING}).")
    taken = st.session_state.get("library-taken", 0)  # an uploader of its own for each file
    file = st.file_uploader(
        "Import", ["zip", ENDING[1:]], key=f"library-file-{taken}", label_visibility="collapsed", max_upload_size=_MOST
    )
    if file is None:
        return
    st.session_state["library-taken"] = taken + 1
    content = file.getvalue()

    def take() -> None:
        records = library.take_set(content, owner)
        st.session_state["library-done"] = f"{_count(len(records))} imported from {file.name}, and kept."

    _tell(take)
    st.rerun()


def _remembering(library: Library, owner: str, everything: Sequence[Record]) -> None:
    size = sum(record.size for record in everything) / 2**20
    st.markdown(f"{_count(len(everything))}, {size:.1f} MiB. The newest that nobody keeps go when room is needed last.")

    def change() -> None:
        wanted = bool(st.session_state["library-remembers"])
        _tell(lambda: library.set_remembers(owner, wanted))

    st.toggle(
        "Remember results and uploads", value=library.remembers(owner), key="library-remembers", on_change=change,
        help="Off: nothing more is written down, and a reload loses results. What is here stays until you delete it.",
    )  # fmt: skip
    sure = st.checkbox("I want everything here to be gone for good.", key="library-sure")

    def clear() -> None:
        st.session_state["library-sure"] = False
        if _tell(lambda: library.clear(owner)):
            shelf.forget_runs()
            st.session_state.pop("library-deleted", None)
            st.session_state["library-done"] = "Everything of this browser is deleted, photos and networks included."

    st.button("Delete everything", key="library-clear", on_click=clear, disabled=not sure)


# -- those that are selected -------------------------------------------------------------------------------------------


def _selected() -> list[str]:
    selected: list[str] = st.session_state.setdefault("library-selected", [])
    return selected


def _chosen(library: Library, owner: str, known: dict[str, Record]) -> None:
    selected = [each for each in _selected() if each in known]
    st.session_state["library-selected"] = selected
    with st.container(horizontal=True, vertical_alignment="center", key="library-chosen"):
        if not selected:
            st.caption(
                "Select results to see them side by side on the stage, to take them along as a set, or to delete them."
            )
            return
        st.markdown(f"**{_count(len(selected))}** selected")
        if st.button(
            "Side by side on the stage", key="library-stage", disabled=len(selected) < 2,
            help="Two results or more on the same photo and network: their methods as lanes.",
        ) and _tell(lambda: _side_by_side(library, owner, [known[each] for each in selected])):  # fmt: skip
            st.switch_page(_PLACES["explain"], query_params=kept.link())
        if len(selected) <= MOST_SET:
            st.download_button(
                "Export as a set", lambda: library.export(owner, selected), "samp-set.zip", "application/zip",
                on_click="ignore", key="library-export",
            )  # fmt: skip
        st.button("Delete", key="library-delete", on_click=_delete, args=(library, owner, selected))

        def let_go() -> None:
            for each in selected:
                st.session_state[f"select-{each}"] = False
            st.session_state["library-selected"] = []

        st.button("None", key="library-none", on_click=let_go, type="tertiary")
    if st.session_state.get("library-problem"):
        st.rerun()


def _delete(library: Library, owner: str, ids: Sequence[str]) -> None:
    if _tell(lambda: library.delete(owner, ids)):
        st.session_state["library-deleted"] = list(ids)
        st.session_state["library-selected"] = [each for each in _selected() if each not in ids]


def _side_by_side(library: Library, owner: str, records: Sequence[Record]) -> None:
    """Put the methods of several results on the stage.

    Raises:
        ArchiveError, LibraryError, ClassifierError: they cannot stand side by side; the message says why.
    """
    if len({(record.photo_key, record.network) for record in records}) > 1:
        raise LibraryError("These results are not of one photo and network, and the stage has one. Select others.")
    archives = [unpack(library.content(owner, record.id)) for record in records]
    photo, classifier = travel.subject_of(archives[0], _linked(records[0]))
    for archive in archives[1:]:
        archive.check_network(classifier)  # one of the same name may have got other pictures
    # In turns, so that each result is there: the first of each, then the second of each.
    rounds = max(len(archive.entries) for archive in archives)
    every = [a.entries[n].settings for n in range(rounds) for a in archives if n < len(a.entries)]
    question = every[0]
    lanes = [from_text(text) for text in dict.fromkeys(map(to_text, every))]
    choose(photo)
    travel.ask(classifier, question, photo, class_words(classifier))
    put_on_stage(*[lane for lane in lanes if lane is not None][:LANES], start=True)
    at_hand(archives, classifier, photo)


# -- cards -------------------------------------------------------------------------------------------------------------


def _cards(library: Library, owner: str, found: Sequence[Record]) -> None:
    pages = -(-len(found) // PAGE)
    page = min(st.session_state.get("library-page", 0), pages - 1)
    for row in range(page * PAGE, min((page + 1) * PAGE, len(found)), _COLUMNS):
        for column, record in zip(st.columns(_COLUMNS), found[row : row + _COLUMNS], strict=False):
            with column.container(border=True, key=f"record-{record.id}"):
                _card(library, owner, record)
    if pages > 1:

        def go(to: int) -> None:
            st.session_state["library-page"] = to

        with st.container(horizontal=True, vertical_alignment="center"):
            st.button("Newer", key="library-newer", on_click=go, args=(page - 1,), disabled=page == 0)
            st.markdown(f"{page * PAGE + 1} to {min((page + 1) * PAGE, len(found))} of {len(found)}")
            st.button("Older", key="library-older", on_click=go, args=(page + 1,), disabled=page == pages - 1)


def _card(library: Library, owner: str, record: Record) -> None:
    methods = ", ".join(record.methods)
    st.image(record.thumbnail, width="stretch", alt=f"maps of {methods} on {record.photo}")
    st.markdown(f"**{plain(record.name)}**")
    when = datetime.fromtimestamp(record.created).strftime("%Y-%m-%d %H:%M")
    where = f"{record.page.capitalize()}, " if record.page else ""
    st.caption(
        plain(
            f"{where}{when}. {record.runs} run{'s' * (record.runs != 1)} of the {record.score} of {record.network}, "
            f"{record.size / 2**20:.1f} MiB."
        )
    )
    if record.note:
        st.markdown(plain(record.note))
    if record.tags:
        st.markdown(" ".join(f":gray-badge[{plain(tag)}]" for tag in record.tags))
    with st.container(horizontal=True, vertical_alignment="center"):
        if st.button("Open", key=f"open-{record.id}", type="primary"):
            page = ""

            def reopen() -> None:
                nonlocal page
                page = _open(library, owner, record)

            if _tell(reopen):
                st.switch_page(_PLACES[page], query_params=kept.link())
            st.rerun()
        st.button(
            "Kept" if record.kept else "Keep", key=f"keep-{record.id}", icon=":material/keep:" if record.kept else None,
            on_click=_change, args=(library, owner, record.id, not record.kept),
            help="It stays until you delete it. Press again to let it go when room is needed."
            if record.kept else "Let it stay until you delete it.",
        )  # fmt: skip
        with st.popover("More"):
            _more(library, owner, record)
        st.checkbox("Select", key=f"select-{record.id}", on_change=_select, args=(record.id,))


def _change(library: Library, owner: str, record_id: str, keep: bool) -> None:
    _tell(lambda: library.change(owner, record_id, kept=keep))


def _select(record_id: str) -> None:
    selected = [each for each in _selected() if each != record_id]
    st.session_state["library-selected"] = (
        [*selected, record_id] if st.session_state[f"select-{record_id}"] else selected
    )


def _more(library: Library, owner: str, record: Record) -> None:
    with st.form(f"words-{record.id}", border=False):
        name = st.text_input("Name", record.name, key=f"name-{record.id}")
        note = st.text_area("Note", record.note, key=f"note-{record.id}", height=90)
        tags = st.text_input("Tags, with commas between", ", ".join(record.tags), key=f"tags-{record.id}")
        if st.form_submit_button("Save"):
            # Who writes about a result wants to find it again.
            _tell(lambda: library.change(owner, record.id, name=name, note=note, tags=tags.split(","), kept=True))
            st.rerun()
    st.download_button(
        f"File ({ENDING})", lambda: library.content(owner, record.id),
        f"{record.photo.rsplit('.', 1)[0]}{ENDING}", "application/zip", on_click="ignore", key=f"file-{record.id}",
    )  # fmt: skip
    st.button("Delete", key=f"delete-{record.id}", on_click=_delete, args=(library, owner, [record.id]))


def _linked(record: Record) -> str | None:
    """Return what the link to a result calls its network; None if nobody knows."""
    network: str | None = record.memo.get("link", {}).get("network")
    return network


def _open(library: Library, owner: str, record: Record) -> str:
    """Make a result the session's, with everything that was chosen for it; return the page that shows it.

    Raises:
        ArchiveError, LibraryError, ClassifierError: it cannot be shown; the message says why.
    """
    archive = unpack(library.content(owner, record.id))
    photo, classifier = travel.subject_of(archive, _linked(record))
    if record.page not in _PLACES or "link" not in record.memo:
        choose(photo)
        travel.take_in(archive, classifier, photo, class_words(classifier))
        return "compare"
    kept.replace(record.memo["link"])
    choose(photo)
    shelf.show(record.page, archive, record, classifier, photo)
    if record.page == "explain":
        st.session_state["stage-link"] = ""  # the lanes of the link, whatever is on the stage
    state.entries()
    return record.page
