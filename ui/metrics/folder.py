"""Metrics of many photos: a benchmark that can be watched, stopped and gone on with."""

from __future__ import annotations

from dataclasses import replace
from html import escape
from pathlib import Path

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from samp_core.benchmark import (
    Photo,
    Plan,
    Results,
    Store,
    StoreError,
    find_photos,
    load,
    summary,
)
from samp_core.benchmark.report import INTERVALS, better, html, latex
from samp_core.methods import Settings
from ui.shared.benches import show_progress
from ui.shared.metric_cards import metrics_in_session
from ui.shared.picker import choice
from ui.shared.plots import COLOURS, PLAIN
from ui.shared.sidebar import Question
from ui.shared.state import turns
from ui.shared.stores import DEFAULT as STORE
from ui.shared.stores import store_names, store_path
from ui.shared.uploads import photo_source
from ui.shared.words import plain
from ui.work.bench import Bench

DEFAULT = ("curves", "gap", "concentration")


def many_photos(question: Question) -> None:
    """Show source, choices, progress and results of a benchmark."""
    bench: Bench | None = st.session_state.get("bench")
    polling = bench is not None and bench.active
    left, right = st.columns(2)
    with left:
        folder, photos = photo_source("bench")
    with right:
        path = _store()
        limit = st.number_input("At most so many photos", 1, 100_000, 20, key="bench-limit", persist_state="session")
    wanted = choice(question)
    names = metrics_in_session("bench-metrics", DEFAULT)
    with st.container(horizontal=True, vertical_alignment="center"):
        if polling and bench is not None:
            st.button("Cancel", on_click=bench.cancel, key="bench-cancel")
            st.markdown("What is measured stays in the results.")
        elif st.button(
            "Resume" if path is not None and path.is_file() else "Measure", type="primary", key="bench-run",
            disabled=not wanted or not names or not (folder or photos) or path is None,
        ):  # fmt: skip
            assert path is not None
            _start(question, folder, photos, path, int(limit), wanted, names)
        if not (folder or photos) and not polling:
            st.markdown("Name a folder or upload photos. Each photo's own first class is explained.")
    if problem := st.session_state.pop("bench-problem", None):
        st.error(plain(problem))
    if path is not None:
        st.fragment(_live, run_every=2.0 if polling else None)(path, bench, polling)


def _store() -> Path | None:
    """Let the user name the results, or choose earlier ones; return their file, or None after an error."""
    name = st.text_input(
        "Name of the results", key="bench-store", persist_state="session", placeholder=STORE, max_chars=60,
        help="What is measured is written under this name at once, and shown below. If there are results of this name, "
        "measuring goes on where it stopped.",
    ).strip()  # fmt: skip
    try:
        path = store_path(name or STORE)
    except ValueError as error:
        st.error(plain(error))
        path = None
    known = store_names()
    if any(other != (name or STORE) for other in known):
        st.selectbox(
            "Earlier results of this session", known, index=None, key="bench-earlier", on_change=_choose_store,
            placeholder="Show or resume others",
        )  # fmt: skip
    st.caption(
        "Only this tab sees these results. A reload or closing it loses the way to them, and uploaded photos with it; "
        "what you download below, you keep. `python -m samp_core benchmark` goes on with a downloaded sqlite file."
    )
    return path


def _choose_store() -> None:
    if st.session_state["bench-earlier"] is not None:
        st.session_state["bench-store"] = st.session_state["bench-earlier"]
        st.session_state["bench-earlier"] = None


def _start(
    question: Question,
    folder: str,
    photos: tuple[Photo, ...],
    path: Path,
    limit: int,
    wanted: list[Settings],
    names: list[str],
) -> None:
    try:
        found = photos or find_photos([Path(folder).expanduser()])
        # Each photo's own first class is explained, which leaves no class to contrast with.
        methods = tuple(replace(settings, contrast=None) for settings in wanted)
        plan = Plan(found[:limit], methods, tuple(names), wanted[0].batch_size)
    except (ValueError, OSError, RuntimeError) as error:  # RuntimeError: nobody's home folder
        st.session_state["bench-problem"] = str(error)
        st.rerun()
    st.session_state["bench"] = Bench(question.classifier, plan, path, turns()).start()
    st.rerun()


def _live(path: Path, bench: Bench | None, polling: bool) -> None:
    if bench is not None:
        show_progress(bench, "Resume")
    if not path.is_file():
        st.caption("There are no results of this name yet. They will appear here, photo by photo, with intervals.")
    else:
        try:
            with Store(path, read_only=True) as store:
                results = load(store)
            if len(results.frame):
                _results(results, path, polling)
            else:
                st.caption("The file is there, and no number is in it yet.")
        except StoreError as error:
            st.error(plain(error))
    if polling and bench is not None and not bench.active:
        st.rerun()


@st.cache_data(max_entries=8, show_spinner=False)
def _summary(_results: Results, content: str, against: str | None) -> pd.DataFrame:
    return summary(_results, against)


def _copy(path: Path) -> bytes:
    with Store(path, read_only=True) as store:
        return store.copy()


def _forget_failures(path: Path) -> None:
    try:
        with Store(path, patience=2) as store:
            store.forget_failures()
    except StoreError as error:
        st.session_state["bench-problem"] = str(error)


def _results(results: Results, path: Path, polling: bool) -> None:
    left, right = st.columns(2)
    columns, labels = results.columns, results.labels
    default = next((k for k, c in enumerate(columns) if c.startswith("Ins. - del.")), 0)
    column = left.selectbox("Number", columns, index=default, key="bench-column", persist_state="session")
    against = right.selectbox("Test the others against", labels, key="bench-against", persist_state="session")
    made = _summary(results, results.content, against)
    shown = made[made["column"] == column].set_index("method")
    way = better(results.metric(column))
    plot = go.Figure(
        go.Bar(
            x=shown["mean"], y=[escape(label, quote=False) for label in shown.index], orientation="h",
            marker_color=COLOURS[0],
            error_x={
                "type": "data", "symmetric": False, "color": "#8a8a94", "thickness": 2,
                "array": shown["high"] - shown["mean"], "arrayminus": shown["mean"] - shown["low"],
            },
            hovertemplate="%{y}: %{x:.4g}<extra></extra>",
        )
    )  # fmt: skip
    plot.update_yaxes(autorange="reversed")
    plot.update_layout(
        height=90 + 34 * len(shown), margin={"l": 10, "r": 10, "t": 10, "b": 10},
        xaxis_title=escape(column, quote=False) + {"up": " (more is better)", "down": " (less is better)", "": ""}[way],
    )  # fmt: skip
    st.plotly_chart(plot, config=PLAIN, key="bench-plot")
    st.caption(f"{INTERVALS}. Protocol: {plain(results.protocols[column])}. Each photo's own first class is explained.")
    words = {
        "photos": "photos", "mean": "mean", "low": "from", "high": "to", "rank": "mean rank",
        "difference": f"minus {against}", "wins": "better on", "p": "p",
    }  # fmt: skip
    st.dataframe(
        shown[list(words)].rename(columns=words), placeholder="-",
        column_config={
            **{w: st.column_config.NumberColumn(format="%.3g") for k, w in words.items() if k != "photos"},
            "better on": st.column_config.NumberColumn(format="percent"),
        },
    )  # fmt: skip
    st.caption(
        f"Test: Wilcoxon signed-rank against {plain(against)} over the photos that both have, two-sided, "
        "Benjamini-Hochberg over the methods. Rank 1 is best."
    )
    for failure in results.failures:
        st.warning(f"Not measured: {plain(failure)}")
    with st.expander("Conditions of the numbers"):
        st.markdown("What decides the rounding decides a search's path, so results under other conditions stay apart.")
        st.dataframe([{"conditions": w, "numbers": n} for w, n in results.conditions.items()], hide_index=True)
        st.dataframe([{"method": m, "planned": w} for m, w in results.planned.items()], hide_index=True)
    if polling:
        return
    if results.failures:
        st.button("Forget what failed, so that Resume tries it again", on_click=_forget_failures, args=(path,))
    files = {
        "Every number (csv)": (lambda: results.frame.to_csv(index=False), "csv", "text/csv"),
        "Every number (parquet)": (
            lambda: results.frame.to_parquet(index=False), "parquet", "application/octet-stream",
        ),
        "Report (html)": (lambda: html(results, against), "html", "text/html"),
        "Table (LaTeX)": (lambda: latex(results), "tex", "text/plain"),
        "Everything (sqlite)": (lambda: _copy(path), "sqlite", "application/vnd.sqlite3"),
    }  # fmt: skip
    with st.container(horizontal=True):
        for label, (build, ending, mime) in files.items():
            st.download_button(
                label, build, f"{path.stem}.{ending}", mime, on_click="ignore", key=f"bench-export-{ending}"
            )
