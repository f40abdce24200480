"""Why greedy: the score along a path as a random walk that has to end at the image."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
import streamlit as st
from numpy.typing import NDArray

from samp_core.digits import samples
from samp_core.films import data_uri
from samp_core.lesson import Outputs, bridges, outputs
from samp_core.methods import Value
from ui.learn.ask import Question
from ui.learn.look import KEPT, body, digit_network, grey, lane, one_thread, opening, presenting, show, tint, waits

STEPS = 28
SHOWN, REAL = 40, 12


@st.cache_data(max_entries=64, show_spinner=False)
def _outputs(digit: int, seed: int) -> Outputs:
    classifier = digit_network()
    inputs = classifier.inputs(samples()[digit])
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


LESS, QUARTER, MORE, BEYOND = "Less", "A quarter", "More", "Beyond all"


def _plot(walks: NDArray[np.float64], real: Outputs, *, told: bool) -> go.Figure:
    """Return the score along all paths; SAMP's only once it is told."""
    time = np.linspace(0, 100, STEPS + 1)
    plot = go.Figure()
    plot.add_trace(_bundle(time, walks, f"{SHOWN} simulated bridges", {"color": tint(grey(1), 0.35), "width": 1}))
    plot.add_trace(
        _bundle(time, real.random, f"{REAL} real random paths", {"color": grey(1), "width": 1.5, "dash": "dot"})
    )
    plot.add_trace(
        go.Scatter(
            x=time, y=time / 100, mode="lines", line={"color": grey(0), "width": 3, "dash": "dash"},
            name="expected: straight",
        )
    )  # fmt: skip
    if told:
        plot.add_trace(
            go.Scatter(
                x=np.linspace(0, 100, len(real.searched)), y=real.searched, mode="lines",
                line={"color": lane(0), "width": 4}, name="SAMP's path",
            )
        )  # fmt: skip
    plot.update_layout(
        margin={"l": 10, "r": 10, "t": 10, "b": 10}, xaxis_title="moves made, %",
        yaxis_title="share of the score's rise", showlegend=True,
        legend={"orientation": "h", "yref": "container", "y": 0, "yanchor": "bottom", "x": 0},
    )  # fmt: skip
    return plot


def _pictures(real: Outputs) -> None:
    """Show what SAMP's path looks like where it begins, where its score is highest, and where it ends."""
    peak = int(real.searched.argmax())
    pictures = digit_network().preprocessing.to_image(real.states[[0, peak, len(real.searched) - 1]])
    words = ("begins: the blurred digit", f"its highest score, after {peak} moves", "ends: the digit")
    figures = (
        f'<figure><img src="{data_uri(picture, "PNG")}" alt="SAMP\'s path, {said}">'
        f"<figcaption>{said}<br><b>{real.searched[place]:.2f}</b> of the rise</figcaption></figure>"
        for picture, said, place in zip(pictures, words, (0, peak, -1), strict=True)
    )
    st.html(
        "<style>.along { display: grid; grid-template-columns: repeat(3, minmax(0, 1fr)); gap: 12px; }"
        ".along figure { margin: 0; } .along figcaption { font-size: 0.85rem; line-height: 1.4; margin-top: 4px; }"
        ".along img { width: 100%; aspect-ratio: 1; image-rendering: pixelated; border-radius: 6px; display: block; }"
        f'</style><div class="along">{"".join(figures)}</div>'
    )


def why_greedy() -> None:
    """Draw the scene: simulated bridges, their straight mean, and real paths laid over them."""
    (left, middle, right), _ = opening(
        "Pixels come back in random order: the paper models the score as a random walk with a fixed end.",
        3,
    )
    sigma = left.slider(
        "Spread of the simulated walks", 0.0, 1.5, 0.5, 0.1, key="walk-sigma", **KEPT,
        help="Standard deviation of a free walk at its end, as a share of the score's rise.",
    )  # fmt: skip
    seed = middle.slider("Draw anew", 0, 20, 0, key="walk-seed", **KEPT, help="Seed of all that is random.")
    digit = right.slider("Digit of the real paths", 0, 9, 3, key="walk-digit", **KEPT)
    real = _outputs(int(digit), int(seed))
    walks = bridges(SHOWN, STEPS, float(sigma), int(seed))
    half, quarter = STEPS // 2, STEPS // 4
    early = float(real.searched[len(real.searched) // 4])
    question = Question(
        "greedy",
        "SAMP takes the largest promise at every move. What part of the rise has it after a quarter of its moves?",
        (LESS, QUARTER, MORE, BEYOND),
    )
    wide, narrow = body(1, 1) if presenting() else body(1.6, 1)
    with narrow:
        told = question.ask(
            LESS if early < 0.15 else QUARTER if early <= 0.35 else MORE if early <= 1 else BEYOND,
            f"SAMP's path has {early:.2f} of it there.",
        )
        if told:
            peak = real.searched.max()
            st.markdown(
                "#### What you just saw\n"
                f"- **Half-way** the {SHOWN} simulated walks average **{walks[:, half].mean():.2f}** of the rise (the "
                f"line: 0.50), the {REAL} real random paths **{real.random[:, half].mean():.2f}**.\n"
                f"- **After a quarter** SAMP's path has **{early:.2f}**, the random ones "
                f"**{real.random[:, quarter].mean():.2f}**.\n"
                + (
                    f"- **At its highest** it has {peak:.1f} times the rise: half-way images can please a network more "
                    "than the digit does.\n"
                    if peak > 1.05
                    else ""
                )
                + "- **A model only**: the mean of the real random paths strays from the line by up to "
                f"**{np.abs(real.random.mean(0) - np.linspace(0, 1, STEPS + 1)).max():.2f}**."
            )
            if not presenting():
                _pictures(real)
        else:
            waits("SAMP's path, and what the numbers say of it, once you have answered.")
    with wide:
        words = "Score along simulated and random paths" + (", and along SAMP's" if told else "")
        show(_plot(walks, real, told=told), "walk-plot", words)


def behind() -> None:
    """Draw the scene's formula and sources."""
    st.latex(r"\mathbb{E}[f(z_t)\mid f(z_0), f(z_1)] = (1-t)\,f(z_0) + t\,f(z_1)")
    st.latex(r"\mathrm{Var}[f(z_t)\mid f(z_0), f(z_1)] = \sigma^2\, t\,(1-t)")
    st.markdown(
        "From this model the paper concludes that no look ahead is worth more than the next move's own gain: the "
        "search takes the pixels with the largest predicted gain at every step. That it is a model, the product of "
        "the second scene shows."
    )
    st.caption("In the paper: assumption 1 (Brownian motion) and the greedy choice that follows from it.")


NOTES = (
    "**Ask** what the score does when pixels come back at random, and what it does when the most promising come "
    "first. **Show** SAMP's path on digit 3, then on digit 8, where it starts by falling. **Usual misunderstanding**: "
    "that a score above the digit's own is an error. Half-way images are no digits and may score higher, and the "
    "random walk is a model from which real random paths stray."
)
