"""Two pixels: one function and many paths, and which of them the Concentration Principle prefers."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go
import streamlit as st
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image
from streamlit.delta_generator import DeltaGenerator

from samp_core.film import data_uri
from samp_core.lesson import TOYS, Walk, add_up, best_path, lattice, random_turns, searched, surface, toy
from samp_core.methods import Value
from ui.components.board import board, read_points
from ui.learn.look import KEPT, show
from ui.shared.plots import COLOURS

TOLERANCES = {"off": None, "1/5": 0.2, "1/10": 0.1, "1/20": 0.05, "1/50": 0.02}
STRAIGHT, FIRST, SECOND, SEARCH, OWN = "Straight line", "First pixel first", "Second pixel first", "SAMP", "Your path"
BEST = "Best on the grid"
STYLE = {STRAIGHT: (0, ""), FIRST: (2, "7 4"), SECOND: (4, "2 4"), SEARCH: (1, ""), OWN: (3, ""), BEST: (8, "2 3")}
ROUNDING = 1e-9
FINE = 400  # pieces where the number of steps is not what the scene is about
CELLS = 50  # with every tolerance offered SAMP's moves end on this grid, so no path of SAMP's can beat the grid's best
Case = tuple[str, str, float]  # score, IC tolerance and momentum, as the knobs show them
RANDOM, RANDOM_CELLS = 200, 10  # fewer parts, or all random paths would look like the straight line


@st.cache_data(max_entries=8, show_spinner=False)
def _best(name: str) -> Walk:
    return best_path(toy(name), CELLS)


@st.cache_data(max_entries=8, show_spinner=False)
def _background(name: str) -> str:
    """Return a picture of the score over the square, lighter where it is higher, with lines of equal score."""
    values = surface(toy(name), 61)
    made = Figure(figsize=(4.6, 4.6), dpi=100)
    axes = made.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.contourf(values, levels=24, cmap="cividis")
    lines = axes.contour(values, levels=8, colors="white", linewidths=0.7, alpha=0.75)
    axes.clabel(lines, fontsize=7, fmt="%.1f")
    axes.set_axis_off()
    buffer = io.BytesIO()
    made.savefig(buffer)
    return data_uri(Image.open(buffer).convert("RGB"), "PNG")


@dataclass(frozen=True)
class Knobs:
    """The knobs of one of the two scenes: what its keys begin with, and how it opens."""

    name: str
    toy: str
    tolerance: str
    momentum: float = 0.0

    def show(self, left: DeltaGenerator, middle: DeltaGenerator, right: DeltaGenerator) -> Case:
        """Draw the knobs and return what they stand at."""
        name = left.selectbox(
            "Score", list(TOYS), list(TOYS).index(self.toy), format_func=TOYS.__getitem__, key=self.name, **KEPT,
            help="What is explained.",
        )  # fmt: skip
        tolerance = middle.select_slider(
            "SAMP's IC tolerance", list(TOLERANCES), self.tolerance, key=f"{self.name}-ic", **KEPT,
            help="Longest move as a fraction of the whole way. Off: one pixel goes all its way at once.",
        )  # fmt: skip
        momentum = right.slider(
            "SAMP's momentum", 0.0, 0.9, self.momentum, 0.1, key=f"{self.name}-momentum", **KEPT,
            help="How much of the last direction is kept.",
        )  # fmt: skip
        return str(name), str(tolerance), float(momentum)

    def turn(self, case: Case) -> None:
        """Set the knobs, before they are drawn."""
        for key, value in zip((self.name, f"{self.name}-ic", f"{self.name}-momentum"), case, strict=True):
            st.session_state[key] = value

    def settings(self) -> dict[str, Value]:
        """Return the knobs that Explain has as well."""
        tolerance = TOLERANCES[st.session_state.get(f"{self.name}-ic", self.tolerance)]
        momentum = float(st.session_state.get(f"{self.name}-momentum", self.momentum))
        return {"momentum": round(momentum, 2), "ic_tolerance": tolerance}


CASES: dict[str, Case] = {
    "The search finds the best path": ("saturating", "1/10", 0.0),
    "It turns too early": ("product", "1/10", 0.0),
    "The best path debits": ("network", "1/10", 0.0),
}
"""What the second scene opens with, what speaks against greed, and what speaks against the principle."""
FUNCTION = Knobs("toy", "product", "1/10")
PRINCIPLE = Knobs("prefer", *next(iter(CASES.values())))


def _drawn() -> list[list[float]]:
    """Return the reader's path: of this session, or of the link."""
    if "toy-points" not in st.session_state:
        try:
            st.session_state["toy-points"] = read_points(json.loads(st.query_params.get("path", "[]")))
        except (ValueError, RecursionError):  # a link may hold anything
            st.session_state["toy-points"] = []
    points: list[list[float]] = st.session_state["toy-points"]
    return points


def _board(name: str, walks: dict[str, Walk], key: str) -> None:
    drawn = _drawn()
    lines = [
        {
            "points": walk.points.tolist(),
            "colour": COLOURS[STYLE[title][0]],
            "dash": STYLE[title][1],
            "wide": title == SEARCH,
        }
        for title, walk in walks.items()
        if title != OWN
    ]
    shares = "; ".join(f"{t}: {w.attributions[0]:.2f} and {w.attributions[1]:.2f}" for t, w in walks.items())
    words = f"{TOYS[name]}, over the two pixels. Attributions of the two pixels by path: {shares}."
    found = board(key, _background(name), lines, drawn, COLOURS[STYLE[OWN][0]], words)
    if found != drawn:
        st.session_state["toy-points"] = found
        if found:
            st.query_params["path"] = json.dumps(found, separators=(",", ":"))
        else:
            st.query_params.pop("path", None)
        st.rerun()


def _legend(walks: dict[str, Walk]) -> None:
    strokes = {"": "solid", "7 4": "dashed", "2 4": "dotted", "2 3": "dotted"}
    parts = [
        f'<span style="white-space:nowrap"><span style="display:inline-block;width:28px;vertical-align:middle;'
        f'border-top:{7 if t == SEARCH else 3}px {strokes[STYLE[t][1]]} {COLOURS[STYLE[t][0]]}"></span> {t}</span>'
        for t in walks
    ]
    st.html(f'<div style="display:flex;flex-wrap:wrap;gap:4px 16px;font-size:0.9rem">{"".join(parts)}</div>')


def _walks(case: Case, steps: int, at: float) -> dict[str, Walk]:
    name, tolerance, momentum = case
    score = toy(name)
    paths = {
        STRAIGHT: np.array([[0.0, 0.0], [1.0, 1.0]]),
        FIRST: np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]]),
        SECOND: np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 1.0]]),
        SEARCH: searched(score, tolerance=TOLERANCES[tolerance], momentum=momentum).points,
    }
    if drawn := _drawn():
        paths[OWN] = np.array([[0.0, 0.0], *drawn, [1.0, 1.0]])
    return {title: add_up(score, points, steps, at=at) for title, points in paths.items()}


def _bars(walks: dict[str, Walk]) -> go.Figure:
    plot = go.Figure()
    titles = list(walks)
    for pixel, colour in enumerate((COLOURS[0], COLOURS[1])):
        values = [float(w.attributions[pixel]) for w in walks.values()]
        plot.add_trace(
            go.Bar(
                y=titles, x=values, orientation="h", name=("first pixel", "second pixel")[pixel], marker_color=colour,
                text=[f"{v:.2f}" if abs(v) > 0.05 else "" for v in values], textposition="inside",
                textangle=0, insidetextanchor="start", insidetextfont={"color": ("white", "black")[pixel]},
                hovertemplate="%{y}: %{x:.3f}<extra></extra>",
            )
        )  # fmt: skip
    plot.add_trace(
        go.Scatter(
            y=titles, x=[float(w.attributions.sum()) for w in walks.values()], mode="markers", name="their sum",
            marker={"symbol": "diamond", "size": 11, "color": "#ffffff", "line": {"color": "#111111", "width": 2}},
            hovertemplate="%{y}, sum: %{x:.3f}<extra></extra>",
        )
    )  # fmt: skip
    total = next(iter(walks.values())).change
    plot.add_vline(x=total, line={"color": "#8a8a94", "dash": "dash"})
    plot.add_annotation(
        x=total, y=1, yref="paper", xanchor="right", yanchor="bottom", showarrow=False,
        text=f"the score's change, {total:.2f}",
    )  # fmt: skip
    plot.update_yaxes(autorange="reversed")
    plot.update_layout(
        barmode="relative", height=130 + 46 * len(walks), margin={"l": 10, "r": 10, "t": 34, "b": 10},
        xaxis_title="credit", legend={"orientation": "h", "y": -0.28},
    )  # fmt: skip
    return plot


def one_function() -> None:
    """Draw the scene: one score, several paths, the credit that each gives, and how coarse steps miss the sum."""
    st.markdown(
        "An image of two pixels fades in from blank (below left) to full (above right), and on the way the score "
        "rises. Each way there credits the two pixels differently; draw your own and watch the bars."
    )
    *columns, last = st.columns(4)
    case = FUNCTION.show(*columns)
    steps = last.slider(
        "Steps of each sum", 1, 60, 20, key="toy-steps", **KEPT,
        help="The credit is a sum over this many pieces of the path, with the gradient at the start of each, as the "
        "paper takes it. A few large pieces miss the line integral.",
    )  # fmt: skip
    walks = _walks(case, int(steps), at=0.0)
    left, right = st.columns(2, gap="large")
    with left:
        _board(case[0], walks, "board-one")
        _legend(walks)
    with right:
        show(_bars(walks), "toy-bars", "Credit of the two pixels by path")
        worst = max(walks, key=lambda t: abs(walks[t].gap))
        shares = [float(w.attributions[0]) for w in walks.values()]
        gap = abs(walks[worst].gap)
        missed = f"the largest gap is **{gap:.2g}** ({worst})" if gap > ROUNDING else "no sum has a gap beyond rounding"
        st.markdown(
            f"#### What you just saw\nThe first pixel's credit runs from **{min(shares):.2f} to {max(shares):.2f}**, "
            f"depending on the path alone; every path should add up to **{walks[STRAIGHT].change:.2f}**. In "
            f"{steps} step{'s' if steps > 1 else ''} {missed}."
        )
    with st.expander("The formula"):
        st.latex(r"a_i = \int_0^1 \frac{\partial f}{\partial z_i}\big(z(t)\big)\, \frac{dz_i}{dt}\, dt,"
                 r"\qquad \sum_i a_i = f(x) - f(x_0)")  # fmt: skip
    st.caption(
        "In the paper: the ambiguity of path methods, from which it sets out. Completeness: Sundararajan, Taly and "
        "Yan, ICML 2017."
    )


def _monotone(points: list[list[float]]) -> bool:
    return bool((np.diff(np.array([[0.0, 0.0], *points, [1.0, 1.0]]), axis=0) >= 0).all())


def _verdict(case: Case, walks: dict[str, Walk], luck: NDArray[np.float64]) -> str:
    """Say what the search found, beside what the principle asks for."""
    name, tolerance, momentum = case
    search, best = walks[SEARCH], walks[BEST]
    first, second = search.attributions
    found = search.variance >= best.variance - 1e-3
    words = (
        f"SAMP credits the pixels with **{first:.2f}** and **{second:.2f}**: variance **{search.variance:.3f}**, the "
        f"straight line's is **{walks[STRAIGHT].variance:.3f}**. The largest of all paths on a {CELLS} x {CELLS} grid "
        f"is **{best.variance:.3f}**"
        + (", so the search found what the principle asks for. " if found else ". ")
        + f"SAMP beats **{100 * float((luck < search.variance - ROUNDING).mean()):.0f} %** of {RANDOM} random paths."
    )
    if TOLERANCES[tolerance] is not None and search.variance < 0.9 * best.variance:
        whole = add_up(toy(name), searched(toy(name), tolerance=None, momentum=momentum).points, FINE)
        words += (
            " A greedy search looks one move ahead: with short moves it turns as soon as the other pixel promises "
            f"more. With the tolerance off one pixel goes all its way, and the variance is **{whole.variance:.3f}**."
        )
    if OWN in walks:
        own = walks[OWN].variance - search.variance
        verdict = "beats" if own > ROUNDING else "ties with" if abs(own) <= ROUNDING else "does not beat"
        words += f" Your path has **{walks[OWN].variance:.3f}** and **{verdict} SAMP**."
        if not _monotone(_drawn()):
            words += " It takes a pixel back on its way, which the grid's paths may not."
    if best.cancellation > 1.005:
        debit = float(best.attributions.min())
        words += (
            f"\n\nBut the best path **debits**: a pixel gets {debit:.2f} of a change of {best.change:.2f}, and "
            f"cancellation, the sum of |credit| over the sum, is **{best.cancellation:.1f}**. Variance rewards debit "
            "as it rewards leaving a pixel out. So a large variance is a clear answer only where little cancels."
        )
    else:
        words += (
            "\n\nThe best path debits no pixel (its cancellation, the sum of |credit| over the sum, is 1). Then more "
            "variance does mean that the credit is on fewer pixels."
        )
    return words


def concentration() -> None:
    """Draw the scene: the variance of each path's credit, random paths, and the best path there is."""
    st.markdown(
        "All paths add up to the same, so which one should we believe? The paper answers with its **Concentration "
        "Principle**: the one whose credit varies most, for it says most clearly which pixel mattered. SAMP searches "
        "for it, one move at a time. Look at three cases, or draw a path and try to beat it."
    )
    with st.container(horizontal=True):
        for number, (words, case) in enumerate(CASES.items()):
            st.button(words, on_click=PRINCIPLE.turn, args=(case,), key=f"prefer-case-{number}")
    case = PRINCIPLE.show(*st.columns(3))
    name = case[0]
    walks = _walks(case, FINE, at=0.5)
    walks[BEST] = best = _best(name)
    luck = np.array([w.variance for w in lattice(toy(name), random_turns(RANDOM, RANDOM_CELLS, seed=0))])
    left, right = st.columns(2, gap="large")
    with left:
        _board(name, walks, "board-two")
        _legend(walks)
    with right:
        rows = {t: w.variance for t, w in walks.items()}
        plot = go.Figure()
        plot.add_trace(
            go.Box(x=luck, name=f"{RANDOM} random paths", orientation="h", marker_color="#8a8a94", boxpoints="all")
        )
        plot.add_trace(
            go.Bar(
                y=list(rows), x=list(rows.values()), orientation="h", showlegend=False,
                marker_color=[COLOURS[STYLE[t][0]] for t in rows],
                text=[f"{v:.3f}" for v in rows.values()], textposition="outside", cliponaxis=False,
                customdata=[w.cancellation for w in walks.values()],
                hovertemplate="%{y}: %{x:.4f}, cancellation %{customdata:.2f}<extra></extra>",
            )
        )  # fmt: skip
        plot.update_yaxes(autorange="reversed")
        plot.update_layout(
            height=190 + 40 * len(rows), margin={"l": 10, "r": 10, "t": 10, "b": 10}, showlegend=False,
            xaxis_title="variance of the credit, Var(a)",
            xaxis_range=[-0.02 * best.variance, 1.22 * best.variance],  # room for the numbers beside the bars
        )  # fmt: skip
        show(plot, "toy-variance", "Variance of each path's credit")
        st.markdown(f"#### What you just saw\n{_verdict(case, walks, luck)}")
    with st.expander("The formula"):
        st.latex(r"\gamma^* = \arg\max_\gamma \mathrm{Var}(a) = \arg\max_\gamma "
                 r"\frac1n \sum_i \Big(a_i - \frac{f(x)-f(x_0)}{n}\Big)^2, \qquad "
                 r"\text{cancellation} = \frac{\sum_i |a_i|}{\left|\sum_i a_i\right|}")  # fmt: skip
        st.markdown(
            "With two pixels the variance is a quarter of the squared difference of their credit. Along one axis the "
            "integral is the score's difference, so the best path on the grid is found exactly, by dynamic programming."
        )
    st.caption(
        "In the paper: the Concentration Principle. It says what to search for, not what is found: on photos SAMP's "
        "maps, added up as in the paper, have neither the largest variance nor the fewest pixels, but hardly any "
        "cancellation; Explain and Compare show the numbers of any photo beside its maps. Cancellation is this "
        "project's measure."
    )
