"""What is taken home from the stage: its film as one file, and figures for a paper."""

from __future__ import annotations

from functools import partial
from importlib.util import find_spec

import streamlit as st

from samp_core.films import Lane, Recording
from samp_core.films.paper import FIGURES, WIDTHS, paper_figure
from ui.shared.link import to_text
from ui.stage.ground import Ground
from ui.work.lane_run import LaneRun

_FORMATS = {
    "html": ("One page, plays offline", "text/html"),
    "webp": ("Animated WebP", "image/webp"),
    "gif": ("Animated GIF", "image/gif"),
    "mp4": ("Video (mp4)", "video/mp4"),
}


def takeaway(runs: list[LaneRun], ground: Ground | None) -> None:
    """Offer film and figures of these finished runs.

    Args:
        runs: what is on the stage, from left to right; all with a result and a picture of it, at least one.
        ground: their planes; a figure of them waits until they are worked out.
    """
    recording = _recording(runs, ground)
    lanes = ",".join(to_text(run.settings) for run in runs)
    stem = runs[0].photo.name.rsplit(".", 1)[0]
    film, figure = st.columns(2, gap="large")
    with film:
        st.markdown("**Film.** All lanes on one clock, as they are on the stage.")
        with st.container(horizontal=True):
            for ending, (words, kind) in _FORMATS.items():
                if ending == "mp4" and find_spec("av") is None:
                    continue  # an extra that is not installed
                st.download_button(
                    words, partial(recording.encoded, f".{ending}"), f"{stem}-paths.{ending}", kind,
                    on_click="ignore", key=f"film-{ending}",
                )  # fmt: skip
        st.caption(
            "The page holds the player with its clock, the planes and every pixel's numbers, and needs no network. The "
            f"command line makes one of the same lanes: `samp film IMAGE --lanes {lanes} --out film.html`."
        )
    with figure:
        st.markdown("**Figure for a paper.** Vector text; lanes differ by line and mark as well as by colour.")
        walked = any(run.film is not None and run.film.directions for run in runs)
        kinds = [kind for kind in FIGURES if kind == "maps" or (walked and (kind != "plane" or recording.views))]
        with st.container(horizontal=True, vertical_alignment="bottom"):
            kind = st.selectbox("What", kinds, index=0, format_func=_titled, key="figure-kind")
            width = st.selectbox(
                "Width",
                list(WIDTHS),
                index=1,
                format_func=_measured,
                key="figure-width",
            )
        with st.container(horizontal=True):
            for ending, mime in (("pdf", "application/pdf"), ("png", "image/png")):
                st.download_button(
                    f"Figure ({ending})", partial(paper_figure, recording, kind, width, ending),
                    f"{stem}-{kind}.{ending}", mime, on_click="ignore", key=f"figure-{ending}",
                )  # fmt: skip


def _recording(runs: list[LaneRun], ground: Ground | None) -> Recording:
    lanes = [Lane(run.settings, run.film, run.explanation) for run in runs if run.film and run.explanation]
    recording = Recording(runs[0].classifier, runs[0].photo.image, runs[0].photo.name, lanes)
    if ground is not None and not ground.active and not ground.error:
        number = {run.identity: f"run-{k}" for k, run in enumerate(runs)}
        recording.take_views(ground.views, number)
    return recording


def _measured(width: str) -> str:
    return f"{width}, {WIDTHS[width]} in"


def _titled(kind: str) -> str:
    return f"{kind}: {FIGURES[kind]}"
