"""What every page begins with: its title, the look, the navigation, and a word about a run under way elsewhere."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from ui.shared import kept
from ui.shared.leaving import keep_to_this_page
from ui.shared.words import seconds_in_words
from ui.work.worker import under_way

ROOT = Path(__file__).parents[2]
PAGES = {
    "app.py": "Home",
    "pages/1_Explain.py": "Explain",
    "pages/2_Compare.py": "Compare",
    "pages/3_Metrics.py": "Metrics",
    "pages/5_Tune.py": "Tune",
    "pages/6_Library.py": "Library",
    "pages/7_Models.py": "Models",
    "pages/4_Learn.py": "Learn",
}

_STYLE = """
<style>
  .block-container { padding: 2.2rem 2.6rem 3rem; max-width: 1500px; }
  h1 { font-size: 1.9rem !important; padding: 0 0 0.4rem !important; letter-spacing: -0.015em; }
  h3 { font-size: 1.02rem !important; padding: 0.35rem 0 0 !important; }
  [data-testid="stSidebarUserContent"] { padding-top: 0.5rem; }
  [data-testid="stSidebarHeader"] { height: 2.6rem; margin-bottom: 0; }
  [data-testid="stHeader"] { background: transparent; }
  /* The frame of the page in focus leaves room for a header that is not there, and cuts through the title. */
  [data-testid="stMain"]:focus-visible::before { top: 0 !important; height: 100vh !important;
    margin-bottom: -100vh !important; }
  .st-key-method [data-testid="stButtonGroup"] button { padding: 0.2rem 0.55rem; font-size: 0.9rem; }
  /* The theme's own values are too faint: WCAG AA wants a contrast of 4.5. */
  [data-testid="stCaptionContainer"] { opacity: 1; color: light-dark(#5b5964, #b6b4c0); }
  [data-testid="stBaseButton-primary"]:not(:disabled) p, [data-testid="stMultiSelect"] [data-baseweb="tag"] span,
  [data-testid="stMultiSelect"] span[title] { color: light-dark(#ffffff, #14121f); }
  [data-testid="stBaseButton-primary"]:not(:disabled):hover { background-color: light-dark(#5a18b0, #b98cf7); }
  .js-plotly-plot :is(.xtick, .ytick) text, .js-plotly-plot :is(.xtitle, .ytitle, .annotation-text, .bartext-outside) {
    fill: light-dark(#5b5964, #b6b4c0) !important; }
  .st-key-doors [data-testid="stVerticalBlock"] { gap: 0.1rem; }
  .st-key-doors a { padding: 0 !important; }
  .st-key-doors a p { font-size: 1.05rem; color: light-dark(#6d1fd0, #b98cf7); }
  .lead { font-size: 1.05rem; line-height: 1.55; max-width: 84ch; opacity: 0.88; }
  .brand { font-weight: 700; font-size: 1.15rem; letter-spacing: -0.01em; margin-bottom: 0.2rem; }
  .brand span { color: light-dark(#6d1fd0, #b98cf7); }
  .fine { font-size: 0.82rem; opacity: 0.72; line-height: 1.45; }
  .facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(172px, 1fr)); gap: 10px; }
  .fact { border: 1px solid rgba(128, 128, 140, 0.28); border-radius: 10px; padding: 10px 14px; }
  .fact h4 { font-size: 0.8rem; font-weight: 600; margin: 0; padding: 0; opacity: 0.75; letter-spacing: 0; }
  .fact .value { font-size: 1.35rem; font-weight: 650; font-variant-numeric: tabular-nums; line-height: 1.5; }
  .fact p { font-size: 0.82rem; margin: 0; line-height: 1.4; opacity: 0.85; }
  .fact .good { color: light-dark(#15803d, #4ade80); }
  .fact .fair { color: light-dark(#a16207, #facc15); }
  .fact .poor { color: light-dark(#b91c1c, #f87171); }
  @media (max-width: 640px) { .block-container { padding: 3.4rem 1rem 3rem; } }
</style>
"""


def frame(title: str) -> bool:
    """Set up the page called ``title`` (its name in the navigation); call this before anything else.

    Returns:
        Whether the page's last result is lost, as far as the session knows; :func:`result_or_regret` looks further.
    """
    st.set_page_config(
        page_title=f"{title} - SAMP Studio",
        page_icon=str(ROOT / "assets" / "icon.png"),
        layout="wide",
        initial_sidebar_state="auto",
    )
    st.html(_STYLE)
    keep_to_this_page()
    kept.restore()
    lost = _keep_trace(title)
    kept.publish()
    if any(name in st.session_state for name in ("queue", "tuning", "measuring", "stage")):
        from ui.shared.shelf import keep_finished  # noqa: PLC0415 - by now the engine is there

        keep_finished()
    with st.sidebar:
        st.html('<div class="brand"><span>SAMP</span> Studio</div>')
        with st.container(gap="small"):
            for path, name in PAGES.items():
                st.page_link(
                    path, label=f"**{name}**" if name == title else name, width="stretch", query_params=kept.link()
                )
        if any(worker.page != title for worker in under_way()):
            st.fragment(_elsewhere, run_every=1.0)(title)
    return lost


def _keep_trace(title: str) -> bool:
    """Note in the link which pages have a result; return whether this page had one that the session does not know."""
    stage = st.session_state.get("stage")
    results = {
        "Explain": stage if stage is not None and stage.begun else None,
        "Compare": st.session_state.get("queue"),
        "Metrics": st.session_state.get("measuring"),
        "Tune": st.session_state.get("tuning"),
    }
    traces = kept.Several("result", [], [name.lower() for name in results])
    noted = traces.value()
    traces.put([*noted, *(n.lower() for n, result in results.items() if result is not None and n.lower() not in noted)])
    return title.lower() in noted and results[title] is None


def _elsewhere(title: str) -> None:
    """Show the work that other pages have under way."""
    workers = [worker for worker in under_way() if worker.page != title]
    if not workers:
        st.rerun()
    for worker in workers:
        left = worker.pace.left()
        words = f"{worker.page}: {worker.title}, {100 * worker.progress:.0f} %"
        st.progress(worker.progress, text=words if left is None else f"{words}, {seconds_in_words(left)} left")
        if st.button("Cancel", key=f"cancel-{id(worker)}", type="tertiary", disabled=worker.cancelling):
            worker.cancel()
