"""What the metrics say, each with a drawing of what its number is made from."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import streamlit as st

from samp_core.metrics import METRICS, Metric
from ui.shared.sketch import box, dots, frame, line, photos, picture, pixel_map

_ARROWS = {"up": " ↑", "down": " ↓", "": ""}
_STYLE = """<style>
  .metrics { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(380px, 100%), 1fr)); gap: 12px; }
  .metric { border: 1px solid rgba(128, 128, 140, 0.28); border-radius: 10px; padding: 12px 16px; }
  .metric img { display: block; margin-bottom: 8px; }
  .metric h4 { font-size: 1rem; margin: 0; padding: 0; letter-spacing: 0; }
  .metric p { font-size: 0.9rem; line-height: 1.45; margin: 0.25rem 0 0; }
  .metric p.fine { opacity: 1; color: light-dark(#5b5964, #b6b4c0); font-size: 0.8rem; }
</style>"""


def what_they_say(names: Sequence[str]) -> None:
    """Show a card for each of these metrics: a drawing, what it says, which way is better, its cost and its source."""
    st.subheader("What the metrics say", anchor=False)
    st.html(f'{_STYLE}<div class="metrics">{"".join(_card(METRICS[name]) for name in names)}</div>')


def _card(metric: Metric) -> str:
    numbers = ", ".join(column.title + _ARROWS[column.better] for column in metric.columns)
    more = f"the map made {metric.explanations + 1} times" if metric.explanations else ""
    passes = f"{metric.forwards} forward passes" if metric.forwards else ""
    cost = " and ".join(filter(None, (more, passes))) or "nothing"
    return (
        f'<div class="metric">{picture(ALONE.get(metric.name) or SKETCHES[metric.evidence])}'
        f"<h4>{escape(metric.title)}</h4><p>{escape(metric.summary)}</p>"
        f'<p class="fine">{escape(numbers)}. Costs {cost}.<br>{escape(metric.citation)}.</p></div>'
    )


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
