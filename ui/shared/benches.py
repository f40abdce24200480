"""How far work over many photos is: what Metrics and Tune say of it."""

from __future__ import annotations

import streamlit as st

from ui.shared.words import plain, seconds_in_words
from ui.work.bench import Bench


def show_progress(bench: Bench, again: str) -> None:
    """Say how far a benchmark is, what is left out and why; ``again`` is the button that goes on with it."""
    if bench.error:
        st.error(plain(bench.error))
    progress = bench.progress_now
    if progress is None:
        return
    if bench.active:
        left = "" if progress.left is None else f", about {seconds_in_words(progress.left)} left"
        pace = f", {60 * progress.rate:.1f} maps a minute" if progress.fresh else ""
        words = f"{progress.done} of {progress.total} maps{pace}{left}: {plain(progress.now)}"
        st.progress(min(progress.done / max(progress.total, 1), 1.0), text=words)
    elif progress.done < progress.total:
        st.info(f"Stopped after {progress.done} of {progress.total} maps. {again} goes on from there.")
    for name, why in progress.failures.items():
        st.warning(f"{plain(name)} is left out: {plain(why)}")
    for note in progress.notes:
        st.info(plain(note))
