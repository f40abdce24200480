"""Two pixels: one function and many paths, and which of them the Concentration Principle prefers."""

from __future__ import annotations

import io
import json

import numpy as np
import plotly.graph_objects as go
import streamlit as st
from matplotlib.figure import Figure
from PIL import Image
from streamlit.delta_generator import DeltaGenerator

from samp_core.learn import TOYS, Walk, add_up, best_path, lattice, random_turns, searched, surface, toy
from ui.comparison import COLOURS
from ui.learn.board import board, read_points
from ui.learn.look import KEPT, show
from ui.pictures import data_uri

TOLERANCES = {"off": None, "1/5": 0.2, "1/10": 0.1, "1/20": 0.05, "1/50": 0.02}
STRAIGHT, FIRST, SECOND, SEARCH, OWN = "Straight line", "First pixel first", "Second pixel first", "SAMP", "Your path"
BEST = "Best on the grid"
STYLE = {STRAIGHT: (0, ""), FIRST: (2, "7 4"), SECOND: (4, "2 4"), SEARCH: (1, ""), OWN: (3, ""), BEST: (8, "2 3")}
ROUNDING = 1e-9
FINE = 400  # pieces where the number of steps is not what the scene is about
CELLS = 50  # with every tolerance offered SAMP's moves end on this grid, so no path of SAMP's can beat the grid's best
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


def _controls(left: DeltaGenerator, middle: DeltaGenerator, right: DeltaGenerator) -> tuple[str, float | None, float]:
    name = left.selectbox(
        "Score", list(TOYS), format_func=TOYS.__getitem__, key="toy", **KEPT, help="What is explained."
    )
    tolerance = middle.select_slider(
        "SAMP's IC tolerance", list(TOLERANCES), "1/10", key="toy-ic", **KEPT,
        help="Longest move as a fraction of the whole way. Off: one pixel goes all its way at once.",
    )  # fmt: skip
    momentum = right.slider(
        "SAMP's momentum", 0.0, 0.9, 0.0, 0.1, key="toy-momentum", **KEPT,
        help="How much of the last direction is kept.",
    )  # fmt: skip
    return str(name), TOLERANCES[str(tolerance)], float(momentum)


def settings() -> dict[str, float | str]:
    """Return the scene's knobs that Explain has as well."""
    tolerance = TOLERANCES[st.session_state.get("toy-ic", "1/10")]
    return {"momentum": round(float(st.session_state.get("toy-momentum", 0.0)), 2), "ic_tolerance": tolerance or 0.0}


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
        {"points": walk.points.tolist(), "colour": COLOURS[STYLE[title][0]], "dash": STYLE[title][1]}
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
        f'border-top:3px {strokes[STYLE[t][1]]} {COLOURS[STYLE[t][0]]}"></span> {t}</span>'
        for t in walks
    ]
    st.html(f'<div style="display:flex;flex-wrap:wrap;gap:4px 16px;font-size:0.9rem">{"".join(parts)}</div>')


def _walks(name: str, tolerance: float | None, momentum: float, steps: int, at: float) -> dict[str, Walk]:
    score = toy(name)
    paths = {
        STRAIGHT: np.array([[0.0, 0.0], [1.0, 1.0]]),
        FIRST: np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]]),
        SECOND: np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 1.0]]),
        SEARCH: searched(score, tolerance=tolerance, momentum=momentum).points,
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
    name, tolerance, momentum = _controls(*columns)
    steps = last.slider(
        "Steps of each sum", 1, 60, 20, key="toy-steps", **KEPT,
        help="The credit is a sum over this many pieces of the path, with the gradient at the start of each, as the "
        "paper takes it. A few large pieces miss the line integral.",
    )  # fmt: skip
    walks = _walks(name, tolerance, momentum, int(steps), at=0.0)
    left, right = st.columns(2, gap="large")
    with left:
        _board(name, walks, "board-one")
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


def concentration() -> None:
    """Draw the scene: the variance of each path's credit, random paths, and the best path there is."""
    st.markdown(
        "All paths add up to the same; of them the Concentration Principle prefers the one whose credit varies most, "
        "because it says most clearly which pixel mattered. Draw a path and try to beat SAMP."
    )
    name, tolerance, momentum = _controls(*st.columns(3))
    walks = _walks(name, tolerance, momentum, FINE, at=0.5)
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
                text=[f"{v:.3f}" for v in rows.values()], textposition="outside",
                cliponaxis=False, hovertemplate="%{y}: %{x:.4f}<extra></extra>",
            )
        )  # fmt: skip
        plot.update_yaxes(autorange="reversed")
        plot.update_layout(
            height=190 + 40 * len(rows), margin={"l": 10, "r": 10, "t": 10, "b": 10}, showlegend=False,
            xaxis_title="variance of the credit, Var(a)",
            xaxis_range=[-0.02 * best.variance, 1.22 * best.variance],  # room for the numbers beside the bars
        )  # fmt: skip
        show(plot, "toy-variance", "Variance of each path's credit")
        search = walks[SEARCH].variance
        words = (
            f"SAMP's credit has variance **{search:.3f}**, the straight line's **{walks[STRAIGHT].variance:.3f}**, and "
            f"the best of all paths on a {CELLS} x {CELLS} grid **{best.variance:.3f}**; SAMP beats "
            f"**{100 * float((luck < search).mean()):.0f} %** of {RANDOM} random paths."
        )
        if tolerance is not None and search < 0.9 * best.variance:
            whole = searched(toy(name), tolerance=None, momentum=momentum)
            words += (
                " A greedy search looks one move ahead: with short moves it turns as soon as the other pixel promises "
                f"more. With the tolerance off one pixel goes all its way, and the variance is "
                f"**{add_up(toy(name), whole.points, FINE).variance:.3f}**."
            )
        if OWN in walks:
            own = walks[OWN].variance
            verdict = "beats" if own > search + 1e-9 else "ties with" if abs(own - search) <= 1e-9 else "does not beat"
            words += f" Your path has **{own:.3f}** and **{verdict} SAMP**."
            if not _monotone(_drawn()):
                words += " It takes a pixel back on its way, which the grid's paths may not."
        st.markdown(f"#### What you just saw\n{words}")
    with st.expander("The formula"):
        st.latex(r"\gamma^* = \arg\max_\gamma \mathrm{Var}(a) = \arg\max_\gamma "
                 r"\frac1n \sum_i \Big(a_i - \frac{f(x)-f(x_0)}{n}\Big)^2")  # fmt: skip
        st.markdown(
            "With two pixels this is a quarter of the squared difference of their credit. Along one axis the integral "
            "is the score's difference, so the best path on the grid is found exactly, by dynamic programming."
        )
    st.caption("In the paper: the Concentration Principle.")
