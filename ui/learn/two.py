"""Two pixels: one function and many paths, and which of them the Concentration Principle prefers."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go
import streamlit as st
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image
from streamlit.delta_generator import DeltaGenerator

from samp_core.films import data_uri
from samp_core.lesson import TOYS, Walk, add_up, best_path, lattice, random_turns, searched, surface, toy
from samp_core.methods import Value
from ui.components.board import board, read_points
from ui.learn.ask import Question
from ui.learn.look import KEPT, body, dark, grey, lane, opening, presenting, show, tint, waits

TOLERANCES = {"off": None, "1/5": 0.2, "1/10": 0.1, "1/20": 0.05, "1/50": 0.02}
STRAIGHT, FIRST, SECOND, SEARCH, OWN = "Straight line", "First pixel first", "Second pixel first", "SAMP", "Your path"
BEST = "Best on the grid"
DASHES = {STRAIGHT: "", FIRST: "7 4", SECOND: "2 4", SEARCH: "", OWN: "", BEST: "2 3"}
LANES = {SEARCH: 0, STRAIGHT: 1, OWN: 2, BEST: 3}  # the two ways along the edges are but a frame: grey
ROUNDING = 1e-9
FINE = 400  # pieces where the number of steps is not what the scene is about
CELLS = 50  # with every tolerance offered SAMP's moves end on this grid, so no path of SAMP's can beat the grid's best
Case = tuple[str, str, float]  # score, IC tolerance and momentum, as the knobs show them
RANDOM, RANDOM_CELLS = 200, 10  # fewer parts, or all random paths would look like the straight line


@st.cache_data(max_entries=8, show_spinner=False)
def _best(name: str) -> Walk:
    return best_path(toy(name), CELLS)


@st.cache_data(max_entries=8, show_spinner=False)
def _background(name: str, night: bool) -> str:
    """Return a picture of the score over the square, lighter where it is higher, with lines of equal score.

    Grey, so that the paths alone have colours.
    """
    values = surface(toy(name), 61)
    made = Figure(figsize=(6, 6), dpi=120)
    axes = made.add_axes((0.0, 0.0, 1.0, 1.0))
    ends = ("#08080b", "#65636f") if night else ("#4a4854", "#f7f5ef")
    axes.contourf(values, levels=24, cmap=LinearSegmentedColormap.from_list("greys", ends))
    lines = axes.contour(values, levels=8, colors="#8d8b97", linewidths=0.8)
    axes.clabel(lines, fontsize=9, fmt="%.1f", colors="#d5d3dc" if night else "#2b2a33")
    axes.set_axis_off()
    buffer = io.BytesIO()
    made.savefig(buffer)
    return data_uri(Image.open(buffer).convert("RGB"), "PNG")


def _colour(title: str) -> str:
    """Return a path's colour."""
    return lane(LANES[title]) if title in LANES else grey(1)


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
    "One is enough": ("saturating", "1/10", 0.0),
    "Both are needed": ("product", "1/10", 0.0),
    "A trained network": ("network", "1/10", 0.0),
}
"""Where SAMP's choice is seen to be good; what speaks against greed; and what speaks against the principle."""
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


def _board(name: str, walks: dict[str, Walk], key: str, *, told: bool) -> None:
    """Draw the square with the paths, and take what the reader draws; credit is in words once it is told."""
    drawn = _drawn()
    lines = [
        {"points": walk.points.tolist(), "colour": _colour(title), "dash": DASHES[title], "wide": title == SEARCH}
        for title, walk in walks.items()
        if title != OWN
    ]
    words = f"{TOYS[name]}, over the two pixels."
    if told:
        shares = "; ".join(f"{t}: {w.attributions[0]:.2f} and {w.attributions[1]:.2f}" for t, w in walks.items())
        words += f" Attributions of the two pixels by path: {shares}."
    found = board(key, _background(name, dark()), lines, drawn, _colour(OWN), words)
    if found != drawn:
        st.session_state["toy-points"] = found
        if found:
            st.query_params["path"] = json.dumps(found, separators=(",", ":"))
        else:
            st.query_params.pop("path", None)
        st.rerun()


def _legend(walks: dict[str, Walk], *, told: bool) -> None:
    """Draw the paths' names; where the bars name them in the same colours, a room needs no second list."""
    if told and presenting():
        return
    strokes = {"": "solid", "7 4": "dashed", "2 4": "dotted", "2 3": "dotted"}
    parts = [
        f'<span><i style="border-top:{7 if t == SEARCH else 3}px {strokes[DASHES[t]]} {_colour(t)}"></i> {t}</span>'
        for t in walks
    ]
    st.html(f'<div class="legend">{"".join(parts)}</div>')


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
    """Return the credit of both pixels, a bar a path in the path's colour: first pixel full, second pale."""
    plot = go.Figure()
    titles = list(walks)
    for pixel, (name, share) in enumerate((("first pixel", 1.0), ("second pixel", 0.28))):
        values = [float(w.attributions[pixel]) for w in walks.values()]
        plot.add_trace(
            go.Bar(
                y=titles, x=values, orientation="h", showlegend=False,
                marker={
                    "color": [tint(_colour(t), share) for t in titles],
                    "line": {"color": [_colour(t) for t in titles], "width": 2},
                },
                text=[f"{v:.2f}" if abs(v) > 0.05 else "" for v in values], textposition="inside",
                textangle=0, insidetextanchor="start",
                insidetextfont={"color": grey(0) if pixel else "#131318" if dark() else "#ffffff"},
                hovertemplate=f"%{{y}}, {name}: %{{x:.3f}}<extra></extra>",
            )
        )  # fmt: skip
        shown = {"color": tint(grey(1), share), "line": {"color": grey(1), "width": 2}}
        plot.add_trace(go.Bar(y=titles[:1], x=[None], orientation="h", name=name, marker=shown))
    plot.add_trace(
        go.Scatter(
            y=titles, x=[float(w.attributions.sum()) for w in walks.values()], mode="markers", name="their sum",
            marker={"symbol": "diamond", "size": 11, "color": "#ffffff", "line": {"color": "#111111", "width": 2}},
            hovertemplate="%{y}, sum: %{x:.3f}<extra></extra>",
        )
    )  # fmt: skip
    total = next(iter(walks.values())).change
    plot.add_vline(x=total, line={"color": grey(1), "dash": "dash"})
    plot.add_annotation(
        x=total, y=1, yref="paper", xanchor="right", yanchor="bottom", showarrow=False,
        text=f"the score's change, {total:.2f}",
    )  # fmt: skip
    plot.update_yaxes(autorange="reversed", dtick=1)
    plot.update_layout(
        barmode="relative", margin={"l": 10, "r": 14, "t": 34, "b": 10},
        legend={"orientation": "h", "yref": "container", "y": 0, "yanchor": "bottom", "x": 0, "itemclick": False},
    )  # fmt: skip
    return plot


ALIKE, BIT, FAR = "All alike", "A bit apart", "Far apart"


def one_function() -> None:
    """Draw the scene: one score, several paths, the credit that each gives, and how coarse steps miss the sum."""
    (*places, last), _ = opening(
        "An image of two pixels fades in from blank to full. Every way there credits the two pixels.",
        4,
    )
    case = FUNCTION.show(*places)
    steps = last.slider(
        "Steps of each sum", 1, 60, 20, key="toy-steps", **KEPT,
        help="The credit is a sum over this many pieces of the path, with the gradient at the start of each, as the "
        "paper takes it. A few large pieces miss the line integral.",
    )  # fmt: skip
    walks = _walks(case, int(steps), at=0.0)
    total = walks[STRAIGHT].change
    exact = [float(w.attributions[0]) for w in _walks(case, FINE, at=0.5).values()]
    apart = (max(exact) - min(exact)) / abs(total)
    question = Question("paths", "Does the way matter? The paths' credit for the first pixel is ...", (ALIKE, BIT, FAR))
    left, right = body(1, 1.9 if presenting() else 1.25)
    with right:
        told = question.ask(
            ALIKE if apart < 0.05 else BIT if apart < 0.5 - ROUNDING else FAR,
            f"They differ by up to {100 * apart:.0f} % of the score's change.",
        )
        if not told:
            waits("The credit of each path, once you have answered.")
        else:
            show(_bars(walks), "toy-bars", "Credit of the two pixels by path")
            worst = max(walks, key=lambda t: abs(walks[t].gap))
            shares = [float(w.attributions[0]) for w in walks.values()]
            gap = abs(walks[worst].gap)
            missed = f"the largest gap is **{gap:.2g}** ({worst})" if gap > ROUNDING else "no gap is beyond rounding"
            st.container(key="verdict").markdown(
                f"#### What you just saw\nThe first pixel's credit runs from **{min(shares):.2f} to "
                f"{max(shares):.2f}**, by the path alone. Every path should add up to **{total:.2f}**. In "
                f"{steps} step{'s' if steps > 1 else ''} {missed}. Draw a path and watch its bar."
            )
    with left:
        _board(case[0], walks, "board-one", told=told)
        _legend(walks, told=told)


def integral() -> None:
    """Draw the first scene's formula and sources."""
    st.latex(r"a_i = \int_0^1 \frac{\partial f}{\partial z_i}\big(z(t)\big)\, \frac{dz_i}{dt}\, dt,"
             r"\qquad \sum_i a_i = f(x) - f(x_0)")  # fmt: skip
    st.caption(
        "In the paper: the ambiguity of path methods, from which it sets out. Completeness: Sundararajan, Taly and "
        "Yan, ICML 2017."
    )


NOTES_PATHS = (
    "**Ask** before the bars are shown: all paths end at the same image and the same score, so must they credit the "
    "two pixels alike? **Show** the product, where the two ways along the edges give all credit to opposite pixels; "
    "then draw a path, and set the steps to 1. **Usual misunderstanding**: that one of the bars must be wrong. Each "
    "line integral adds up exactly, only coarse steps miss the sum, and a right sum does not say which path is right."
)


def _monotone(points: list[list[float]]) -> bool:
    return bool((np.diff(np.array([[0.0, 0.0], *points, [1.0, 1.0]]), axis=0) >= 0).all())


def _alone(name: str, search: Walk) -> str:
    """Say what each pixel does to the score alone, and what that makes of SAMP's credit."""
    (blank, first), (second, full) = surface(toy(name), 2)
    rises = np.array([first - blank, second - blank])
    share = rises / (full - blank)
    words = (
        f"Alone the pixels raise the score by **{rises[0]:.2f}** and **{rises[1]:.2f}**, together by "
        f"**{search.change:.2f}**"
    )
    enough = np.abs(share - 1) < 0.01
    if enough.sum() == 1 and abs(search.attributions[enough.argmax()] / search.change - 1) < 0.01:
        which = ("first", "second")[int(enough.argmax())]
        return f"{words}, so naming the {which} alone is a good answer."
    if (np.abs(share) < 0.01).all():
        return f"{words}: both are needed, and the best path names only one."
    return f"{words}."


def _verdict(case: Case, walks: dict[str, Walk], luck: NDArray[np.float64]) -> str:
    """Say what the search found, beside what the principle asks for, and what is true of the score."""
    name, tolerance, momentum = case
    search, best = walks[SEARCH], walks[BEST]
    first, second = search.attributions
    beaten = 100 * float((luck < search.variance - ROUNDING).mean())
    words = f"SAMP credits **{first:.2f}** and **{second:.2f}**, and beats **{beaten:.0f} %** of {RANDOM} random paths"
    words += ": it found what the principle asks for. " if search.variance >= best.variance - 1e-3 else ". "
    if TOLERANCES[tolerance] is not None and search.variance < 0.9 * best.variance:
        whole = add_up(toy(name), searched(toy(name), tolerance=None, momentum=momentum).points, FINE)
        words += (
            "It looks one move ahead, and with short moves it turns as soon as the other pixel promises more. With "
            f"the tolerance off the variance is **{whole.variance:.3f}**. "
        )
    words += _alone(name, search)
    if OWN in walks:
        own = walks[OWN].variance - search.variance
        verdict = "beats" if own > ROUNDING else "ties with" if abs(own) <= ROUNDING else "does not beat"
        words += f" Your path has **{walks[OWN].variance:.3f}** and **{verdict} SAMP**"
        words += "." if _monotone(_drawn()) else "; it takes a pixel back, which the grid's paths may not."
    if best.cancellation > 1.005:
        debit = float(best.attributions.min())
        words += (
            f" But the best path **debits** a pixel {-debit:.2f}: cancellation, the sum of |credit| over the sum, is "
            f"**{best.cancellation:.1f}**. Variance rewards debit, too."
        )
    return words


def _variances(walks: dict[str, Walk], luck: NDArray[np.float64]) -> go.Figure:
    rows = {t: w.variance for t, w in walks.items()}
    plot = go.Figure()
    plot.add_trace(
        go.Box(
            x=luck, name=f"{RANDOM} random paths", orientation="h", marker={"color": grey(1), "size": 4},
            boxpoints="all", line={"width": 1.5},
        )
    )  # fmt: skip
    plot.add_trace(
        go.Bar(
            y=list(rows), x=list(rows.values()), orientation="h", showlegend=False,
            marker_color=[_colour(t) for t in rows],
            text=[f"{v:.3f}" for v in rows.values()], textposition="outside", cliponaxis=False,
            customdata=[w.cancellation for w in walks.values()],
            hovertemplate="%{y}: %{x:.4f}, cancellation %{customdata:.2f}<extra></extra>",
        )
    )  # fmt: skip
    plot.update_yaxes(autorange="reversed", dtick=1)
    plot.update_xaxes(showticklabels=False)  # the numbers stand beside the bars
    most = max(rows.values())
    plot.update_layout(
        margin={"l": 10, "r": 10, "t": 10, "b": 10}, showlegend=False,
        xaxis_title={"text": "variance of the credit, Var(a)", "standoff": 0},
        xaxis_range=[-0.02 * most, 1.22 * most],  # room for the numbers beside the bars
    )  # fmt: skip
    return plot


BEST_OF_ALL, CLOSE, FAR_OFF = "Yes, the best", "Close to it", "Far from it"


def concentration() -> None:
    """Draw the scene: the variance of each path's credit, random paths, and the best path there is."""
    places, beside = opening(
        "All paths add up to the same. The paper's **Concentration Principle** prefers the one whose credit varies "
        "most.",
        3,
    )
    case = PRINCIPLE.show(*places)
    name = case[0]
    walks = _walks(case, FINE, at=0.5)
    walks[BEST] = best = _best(name)
    luck = np.array([w.variance for w in lattice(toy(name), random_turns(RANDOM, RANDOM_CELLS, seed=0))])
    share = walks[SEARCH].variance / best.variance
    question = Question(
        f"prefer-{name}", "Will SAMP find the path whose credit varies most?", (BEST_OF_ALL, CLOSE, FAR_OFF)
    )
    with beside.container(horizontal=True, gap="xsmall", key="prefer-cases"):
        for number, (words, its) in enumerate(CASES.items()):
            st.button(
                words, on_click=PRINCIPLE.turn, args=(its,), key=f"prefer-case-{number}",
                type="primary" if its == case else "secondary",
            )  # fmt: skip
    left, right = body(1, 1.9 if presenting() else 1.25)
    with right:
        told = question.ask(
            BEST_OF_ALL if walks[SEARCH].variance >= best.variance - 1e-3 else CLOSE if share >= 0.5 else FAR_OFF,
            f"Variance {walks[SEARCH].variance:.3f} of at most {best.variance:.3f}.",
        )
        if told:
            show(_variances(walks, luck), "toy-variance", "Variance of each path's credit")
            st.container(key="verdict").markdown(f"#### What you just saw\n{_verdict(case, walks, luck)}")
        else:
            waits("SAMP's path, the best path and their variance, once you have answered.")
    with left:
        shown = walks if told else {t: w for t, w in walks.items() if t not in (SEARCH, BEST)}
        _board(name, shown, "board-two", told=told)
        _legend(shown, told=told)


def principle() -> None:
    """Draw the second scene's formula and sources."""
    st.latex(
        r"\gamma^* = \arg\max_\gamma \mathrm{Var}(a), \quad "
        r"\mathrm{Var}(a) = \frac1n \sum_i \Big(a_i - \frac{f(x)-f(x_0)}{n}\Big)^2"
    )
    st.latex(r"\text{cancellation} = \frac{\sum_i |a_i|}{\left|\sum_i a_i\right|}")
    st.markdown(
        "With two pixels the variance is a quarter of the squared difference of their credit. Along one axis the "
        f"integral is the score's difference, so the best path on a grid of {CELLS} x {CELLS} is found exactly, by "
        "dynamic programming."
    )
    st.caption(
        "In the paper: the Concentration Principle. It says what to search for, not what is found: on photos SAMP's "
        "maps, added up as in the paper, have neither the largest variance nor the fewest pixels, but hardly any "
        "cancellation; Explain and Compare show the numbers of any photo beside its maps. Cancellation is this "
        "project's measure."
    )


NOTES_PREFER = (
    "**Ask** in each case before SAMP's path is shown, and let the class read the lines of equal score. **Show** *One "
    "is enough*, where SAMP names the pixel that brings the whole score; then *Both are needed*, where short moves "
    "make it turn too early; then *A trained network*, where a large variance comes from debit. **Usual "
    "misunderstanding**: that the principle proves a map right. It says what to look for, and a greedy search does "
    "not always find it."
)
