"""Why greedy: the score along a path as a random walk that has to end at the image."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
import streamlit as st
from numpy.typing import NDArray

from samp_core.digits import samples
from samp_core.lesson import Outputs, bridges, outputs
from samp_core.methods import Value
from ui.learn.look import KEPT, digit_network, one_thread, show
from ui.shared.plots import COLOURS

STEPS = 28
SHOWN, REAL = 40, 12


@st.cache_data(max_entries=64, show_spinner=False)
def _outputs(digit: int, seed: int) -> Outputs:
    classifier = digit_network()
    inputs = classifier.preprocessing(samples()[digit])
    target = classifier.predict(inputs, 1)[0].index
    with one_thread():
        return outputs(classifier.network, inputs, target, steps=STEPS, count=REAL, seed=seed)


def _bundle(
    time: NDArray[np.float64], lines: NDArray[np.float64], name: str, line: dict[str, str | float]
) -> go.Scatter:
    """Return many lines as one, with gaps between them: a plot of fifty traces is slow to draw."""
    gap = np.full((len(lines), 1), np.nan)
    return go.Scatter(
        x=np.concatenate([np.tile(time, (len(lines), 1)), gap], axis=1).ravel(),
        y=np.concatenate([lines, gap], axis=1).ravel(),
        mode="lines", line=line, name=name, hoverinfo="skip",
    )  # fmt: skip


def settings() -> dict[str, Value]:
    """Return how the scene's search goes, for Explain."""
    return {"steps": STEPS, "directions": ("insertion",)}


def why_greedy() -> None:
    """Draw the scene: simulated bridges, their straight mean, and real paths laid over them."""
    st.markdown(
        "Insert pixels in random order and the score wanders, but it has to end at the image's own: the paper "
        "models it as a random walk with a fixed end. In that model it is a straight line on average; a greedy "
        "path tries to leave it at once."
    )
    left, middle, right = st.columns(3)
    sigma = left.slider(
        "Spread of the simulated walks", 0.0, 1.5, 0.5, 0.1, key="walk-sigma", **KEPT,
        help="Standard deviation of a free walk at its end, as a share of the score's rise.",
    )  # fmt: skip
    seed = middle.slider("Draw anew", 0, 20, 0, key="walk-seed", **KEPT, help="Seed of all that is random.")
    digit = right.slider("Digit of the real paths", 0, 9, 3, key="walk-digit", **KEPT)
    real = _outputs(int(digit), int(seed))
    walks = bridges(SHOWN, STEPS, float(sigma), int(seed))
    time = np.linspace(0, 100, STEPS + 1)
    plot = go.Figure()
    plot.add_trace(_bundle(time, walks, f"{SHOWN} simulated bridges", {"color": "rgba(128,128,140,0.35)", "width": 1}))
    plot.add_trace(
        _bundle(time, real.random, f"{REAL} real random paths", {"color": COLOURS[2], "width": 1.5, "dash": "dot"})
    )
    plot.add_trace(
        go.Scatter(
            x=time, y=time / 100, mode="lines", line={"color": COLOURS[0], "width": 3}, name="expected: straight"
        )
    )
    plot.add_trace(
        go.Scatter(
            x=np.linspace(0, 100, len(real.searched)), y=real.searched, mode="lines",
            line={"color": COLOURS[1], "width": 4}, name="SAMP's path",
        )
    )  # fmt: skip
    plot.update_layout(
        height=460, margin={"l": 10, "r": 10, "t": 10, "b": 10}, xaxis_title="moves made, %",
        yaxis_title="share of the score's rise", legend={"orientation": "h", "y": -0.18},
    )  # fmt: skip
    show(plot, "walk-plot", "Score along simulated, random and searched paths; see below")
    half = STEPS // 2
    quarter = STEPS // 4
    peak = real.searched.max()
    st.markdown(
        f"#### What you just saw\nHalf-way, the {SHOWN} simulated walks average **{walks[:, half].mean():.2f}** of "
        f"the rise (the line says 0.50), and the {REAL} real random paths **{real.random[:, half].mean():.2f}**. After "
        f"a quarter of the moves SAMP's path has **{real.searched[len(real.searched) // 4]:.2f}** and the random ones "
        f"**{real.random[:, quarter].mean():.2f}**. "
        + (f"At its highest it has **{peak:.1f}** times the rise: half-way images can please a network more than the "
           "digit itself. " if peak > 1.05 else "")
        + "Real random paths are no ideal bridges: their mean strays from the line by up to "
        f"**{np.abs(real.random.mean(0) - time / 100).max():.2f}**."
    )  # fmt: skip
    with st.expander("The formula"):
        st.latex(
            r"\mathbb{E}[f(z_t)\mid f(z_0), f(z_1)] = (1-t)\,f(z_0) + t\,f(z_1), \qquad "
            r"\mathrm{Var} = \sigma^2\, t\,(1-t)"
        )
        st.markdown(
            "From this model the paper concludes that no look ahead is worth more than the next move's own gain: the "
            "search takes the pixels with the largest predicted gain at every step. That it is a model, the product of "
            "the second scene shows."
        )
    st.caption("In the paper: assumption 1 (Brownian motion) and the greedy choice that follows from it.")
