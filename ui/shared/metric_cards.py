"""Cards of metrics, each with a drawing of what its number is made from: to choose them, and to read what they say."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from samp_core.metrics import METRICS, Metric
from ui.components.shelf import Card, Shelf
from ui.shared.sketch import box, dots, frame, line, photos, picture, pixel_map, sketch_uri

_ARROWS = {"up": " ↑", "down": " ↓", "": ""}
_STYLE = """<style>
  .metrics { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(380px, 100%), 1fr)); gap: 12px; }
  .metric { border: 1px solid rgba(128, 128, 140, 0.28); border-radius: 10px; padding: 12px 16px; }
  .metric img { display: block; margin-bottom: 8px; }
  .metric h4 { font-size: 1rem; margin: 0; padding: 0; letter-spacing: 0; }
  .metric p { font-size: 0.9rem; line-height: 1.45; margin: 0.25rem 0 0; }
  .metric p.fine { opacity: 1; color: light-dark(#5b5964, #b6b4c0); font-size: 0.8rem; }
</style>"""


_GROUPS = ("They ask the network", "They make the map again", "They look at the map alone")


def choose_metrics(
    key: str, names: Sequence[str], on_choose: Callable[[list[str]], None], options: Sequence[str]
) -> DeltaGenerator:
    """Show which metrics are chosen, and all there are to choose from; return the row for what belongs beside that.

    Args:
        key: what the session calls this.
        names: those that are chosen.
        on_choose: called with those that are chosen after a press.
        options: those there are.
    """
    found = shelf(options)
    with st.container(key=key):
        found.choice(f"{key}-tray", names, on_choose, tray=True)
        row = st.container(horizontal=True, vertical_alignment="center")
        with row, st.popover("Choose metrics", width="content", help="All there are, with what each asks and needs."):
            found.choice(f"{key}-shelf", names, on_choose)
    return row


def metrics_in_session(key: str, default: Sequence[str]) -> list[str]:
    """Let people choose metrics of many photos, which the session remembers; return what is chosen.

    Args:
        key: what the session calls the choice.
        default: what is chosen at first.
    """
    names: list[str] = st.session_state.get(key, list(default))

    def keep(found: list[str]) -> None:
        st.session_state[key] = found

    choose_metrics(f"{key}-cards", names, keep, [m.name for m in METRICS.values() if m.needs != "box"])
    return names


def shelf(options: Sequence[str]) -> Shelf:
    """Return a card for each of these metrics, in groups by what they need."""
    cards = [
        Card(
            metric.name, metric.title, metric.summary, _GROUPS[_group(metric)], picture=sketch_uri(_drawing(metric)),
            more=f"Needs {_needs(metric)}.",
        )
        for metric in sorted((METRICS[name] for name in options), key=_group)
    ]  # fmt: skip
    return Shelf("metric", cards)


def _group(metric: Metric) -> int:
    return 1 if metric.explanations else 0 if metric.forwards else 2


def what_they_say(names: Sequence[str]) -> None:
    """Show a card for each of these metrics: a drawing, what it says, which way is better, its needs and its source."""
    st.subheader("What the metrics say", anchor=False)
    st.html(f'{_STYLE}<div class="metrics">{"".join(_card(METRICS[name]) for name in names)}</div>')


def _card(metric: Metric) -> str:
    numbers = ", ".join(column.title + _ARROWS[column.better] for column in metric.columns)
    return (
        f'<div class="metric">{picture(_drawing(metric))}'
        f"<h4>{escape(metric.title)}</h4><p>{escape(metric.summary)}</p>"
        f'<p class="fine">{escape(numbers)}. Needs {_needs(metric)}.<br>{escape(metric.citation)}.</p></div>'
    )


def _needs(metric: Metric) -> str:
    more = f"the map made {metric.explanations + 1} times" if metric.explanations else ""
    passes = f"{metric.forwards} forward passes" if metric.forwards else ""
    equations = "as many large systems of linear equations" if metric.solves else ""
    return " and ".join(filter(None, (more, passes, equations))) or "nothing but the map"


def _drawing(metric: Metric) -> str:
    return ALONE.get(metric.name) or SKETCHES[metric.evidence]


_FALL = [(4 + k * 5, 48 - 40 * 0.82**k) for k in range(33)]
_RISE = [(4 + k * 5, 8 + 40 * 0.88**k) for k in range(33)]
_SORTED = [*(24 * 0.8**k for k in range(15)), *(-22 * 0.72**k for k in range(7, -1, -1))]

SKETCHES = {
    "": "".join(box(4 + k * 7, 26 - max(v, 0), 5, abs(v), 0.85 if v > 0 else 0.4) for k, v in enumerate(_SORTED)),
    "curves": f'<polygon points="4,48 {" ".join(f"{x:g},{y:g}" for x, y in _FALL)} 164,48" opacity="0.15"/>'
    + line(_FALL) + line(_RISE, "4 3"),
    "kept": photos((0.1, 0.25, 0.45, 0.7, 1.0)),
    "imputed": line([(4 + k * 20, 46 - 36 * 0.6**k) for k in range(9)])
    + line([(4 + k * 20, 10 + 0.45 * k * k) for k in range(9)], "4 3"),
    "sums": line([(4, 46), (164, 6)], "1 4")
    + dots((12 + k * 9.5, 44 - k * 2.4 + (k * k * 7 % 17 - 8) * 0.9) for k in range(16)),
    "map": pixel_map(20) + pixel_map(108, disorder=0.3, seed=1),
    "conditions": pixel_map(4) + pixel_map(64, disorder=0.12, seed=1) + pixel_map(124, disorder=0.2, seed=2),
    "stages": pixel_map(4) + pixel_map(64, disorder=0.6, seed=1) + pixel_map(124, disorder=1.0, seed=2),
    "box": pixel_map(64) + frame(74, 12, 24, 22),
}  # fmt: skip
"""What each kind of evidence looks like: the inside of an ``svg``."""

ALONE = {
    "gap": box(4, 10, 132, 10, 0.85) + box(4, 32, 92, 10, 0.4)
    + line([(96, 4), (96, 48)], "2 3") + line([(136, 4), (136, 48)], "2 3"),
    "cancellation": box(4, 8, 150, 8, 0.85) + box(34, 22, 120, 8, 0.4) + box(4, 36, 30, 8, 0.85)
    + line([(34, 4), (34, 48)], "2 3"),
    "concentration": line([(4, 48), (164, 6)], "1 4")
    + line([(4 + k * 5, 48 - 42 * (1 - 0.8**k)) for k in range(33)]),
}  # fmt: skip
"""The same of metrics that need no more than the map, by their names."""
