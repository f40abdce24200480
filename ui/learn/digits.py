"""Digits: choose or draw one, and see at once what the search credits, beside Integrated Gradients."""

from __future__ import annotations

import html
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go
import streamlit as st
from numpy.typing import NDArray
from PIL import Image

from samp_core.attribution import Explanation
from samp_core.baselines import make_baseline
from samp_core.classifiers import Classifier
from samp_core.digits import SIDE, centre, samples, training_facts
from samp_core.faces import SAMP, IntegratedGradients
from samp_core.film import data_uri
from samp_core.methods import Value
from samp_core.metrics import cancellation
from samp_core.render import colour, colour_limit, format_cancellation, format_gap, gap_in_words, map_in_words
from samp_core.rules import RULES
from samp_core.scores import Contrast, Logit, Score
from ui.components.pen import pen
from ui.learn.look import KEPT, digit_network, one_thread, show
from ui.shared.plots import COLOURS

DRAW = "draw"
TOLERANCES = {"off": None, "1/10": 1 / 10, "1/20": 1 / 20, "1/50": 1 / 50, "1/100": 1 / 100}
STATES = 8  # of each path that are shown

_STYLE = """
<style>
  .digits-row { display: grid; gap: 10px; margin: 0; }
  .digits-row figure { margin: 0; min-width: 0; }
  .digits-row img { width: 100%; aspect-ratio: 1; display: block; image-rendering: pixelated; border-radius: 6px;
    border: 1px solid rgba(128, 128, 140, 0.35); box-sizing: border-box; }
  .digits-row figcaption { font-size: 0.82rem; line-height: 1.4; margin-top: 4px; }
  .digits-row.maps { grid-template-columns: repeat(3, minmax(0, 1fr)); }
  .digits-row.states { grid-template-columns: repeat(8, minmax(0, 1fr)); gap: 6px; }
  @media (max-width: 640px) {
    .digits-row.states { grid-template-columns: repeat(4, minmax(0, 1fr)); }
    .digits-row.maps { gap: 8px; }
  }
</style>
"""


@dataclass(frozen=True)
class Knobs:
    """The search's settings, as the sliders give them."""

    momentum: float
    tolerance: str
    pixels: int
    rule: str

    @property
    def title(self) -> str:
        """The published method's name where the settings are its own."""
        published = {(0.0, "off"): "SAMP", (0.5, "1/50"): "SAMP++"} if self.rule == "paper" else {}
        return published.get((self.momentum, self.tolerance), "SAMP, your setting")


@dataclass(frozen=True)
class Found:
    """Both maps of one digit, and where the search went.

    Attributes:
        samp: result of the search.
        ig: result of Integrated Gradients.
        states: for each direction, ``STATES`` moments of the path: moves made, score and picture.
    """

    samp: Explanation
    ig: Explanation
    states: dict[str, list[tuple[int, float, Image.Image]]]


@st.cache_data(max_entries=64, show_spinner=False)
def _explain(pixels: bytes, target: int, other: int | None, knobs: Knobs) -> Found:
    """Explain the digit of these 28 x 28 grey levels. Keyed on its very bytes."""
    classifier = digit_network()
    preprocessing = classifier.preprocessing
    inputs = preprocessing(Image.frombytes("L", preprocessing.crop, pixels))
    score: Score = Logit() if other is None else Contrast(target, other)
    search = SAMP(
        classifier.network,
        pixels_per_step=knobs.pixels,
        momentum=knobs.momentum,
        ic_tolerance=TOLERANCES[knobs.tolerance],
        accumulation=knobs.rule,
        insertion_baseline=make_baseline("blur", preprocessing),
        score=score,
    )
    straight = IntegratedGradients(classifier.network, score=score)
    with one_thread():
        run = search.start(inputs, target)
        walked = [step.state for step in run]
        samp = run.result()
        ig = straight.explain(inputs, target)
    walked.append(run.ends.end)
    states = {}
    for d, direction in enumerate(samp.directions):
        steps = int(samp.steps[d, 0])
        chosen = np.unique(np.linspace(0, steps, STATES).round().astype(int)).tolist()
        pictures = [preprocessing.to_image(walked[k][d : d + 1])[0] for k in chosen]
        scores = [float(samp.scores[k, d, 0]) for k in chosen]
        states[direction] = list(zip(chosen, scores, pictures, strict=True))
    return Found(samp, ig, states)


def _picture(image: Image.Image, caption: str, alt: str) -> str:
    return (
        f'<figure><img src="{data_uri(image, "PNG")}" alt="{html.escape(alt, quote=True)}">'
        f"<figcaption>{caption}</figcaption></figure>"
    )


def _map(explanation: Explanation) -> NDArray[np.float64]:
    pixel_map: NDArray[np.float64] = explanation.maps[0].double().numpy()
    return pixel_map


def _figures(explanation: Explanation) -> str:
    """Return completeness gap, one direction after the other, cancellation and cost of a map."""
    gaps = explanation.completeness.relative[:, 0].tolist()
    gap = (
        format_gap(gaps[0])
        if len(gaps) == 1
        else ", ".join(f"{d} {format_gap(g)}" for d, g in zip(explanation.directions, gaps, strict=True))
    )
    gap = gap.replace(" %", "&nbsp;%")
    cancelled = format_cancellation(float(cancellation(explanation.maps)[0]))
    return (
        f"completeness gap: {gap}<br>cancellation: {cancelled}<br>{explanation.cost.gradients} gradient evaluations, "
        f"{explanation.seconds:.2f} s"
    )


def _choose() -> Image.Image | None:
    """Let the reader choose or draw, and return the digit as the network sees it; None while nothing is drawn."""
    choice = st.segmented_control(
        "Digit", [DRAW, *map(str, range(10))], default="3", required=True, key="digit", **KEPT, wrap=True
    )
    if choice != DRAW:
        return samples()[int(choice or 0)]
    drawn = pen("digit-pen", link="ink")
    return None if drawn is None or drawn.convert("L").getbbox() is None else centre(drawn)


def _class(classifier: Classifier, first: int) -> tuple[int, int | None]:
    """Let the reader choose what is explained; return the class, and the one it is explained against, if any."""
    left, right = st.columns(2)
    chosen = left.selectbox(
        "Explain", ["first choice", *classifier.labels], key="digit-class", **KEPT,
        help="The class whose score is explained. The first choice is the class with the highest logit.",
    )  # fmt: skip
    target = first if chosen == "first choice" else classifier.find_label(chosen)
    rivals = [label for label in classifier.labels if label != classifier.label(target)]
    rather = right.selectbox(
        "Why not a", ["nothing else", *rivals], key="digit-rather", **KEPT,
        help="Explains the class's logit minus this class's logit: why the one rather than the other.",
    )  # fmt: skip
    return target, classifier.find_label(rather) if rather in rivals else None


def _knobs() -> Knobs:
    left, middle, right, last = st.columns(4)
    return Knobs(
        left.slider(
            "Momentum", 0.0, 0.9, 0.5, 0.1, key="digit-momentum", **KEPT,
            help="How much of the last steering gradient is kept. 0 is SAMP, 0.5 SAMP++.",
        ),
        middle.select_slider(
            "IC tolerance", list(TOLERANCES), "1/50", key="digit-ic", **KEPT,
            help="The infinitesimal constraint: longest move as a fraction of the whole way. Off is SAMP, 1/50 SAMP++.",
        ),
        right.slider(
            "Pixels per step", 2, 60, 10, 1, key="digit-pixels", **KEPT,
            help="Pixels moved at once. The paper moves 10 of a digit's 784.",
        ),
        last.selectbox(
            "Adding up", list(RULES), format_func=lambda r: RULES[r].title, key="digit-rule", **KEPT,
            help="How the moves become a map. " + "; ".join(f"{r.title}: {r.summary}" for r in RULES.values()) + ".",
        ),
    )  # fmt: skip


def settings() -> dict[str, Value]:
    """Return the scene's knobs that Explain has as well, pixels per step as the number of steps that they make."""
    kept = st.session_state
    return {
        "momentum": round(float(kept.get("digit-momentum", 0.5)), 2),
        "ic_tolerance": TOLERANCES[kept.get("digit-ic", "1/50")],
        "steps": min(112, round(SIDE * SIDE / kept.get("digit-pixels", 10))),
        "accumulation": kept.get("digit-rule", "paper"),
    }


def _bars(classifier: Classifier, image: Image.Image, target: int) -> go.Figure:
    predictions = sorted(classifier.predict(classifier.preprocessing(image), 10), key=lambda p: p.index)
    plot = go.Figure(
        go.Bar(
            x=[p.label for p in predictions],
            y=[100 * p.probability for p in predictions],
            marker={"color": [COLOURS[1] if p.index == target else COLOURS[0] for p in predictions]},
            text=[f"{100 * p.probability:.0f}" if p.probability > 0.005 else "" for p in predictions],
            textposition="outside",
            cliponaxis=False,
            customdata=[p.logit for p in predictions],
            hovertemplate="%{x}: %{y:.1f} %, logit %{customdata:.2f}<extra></extra>",
        )
    )
    plot.update_layout(height=230, margin={"l": 10, "r": 10, "t": 24, "b": 10}, yaxis_title="probability, %")
    plot.update_xaxes(type="category", fixedrange=True)
    plot.update_yaxes(range=[0, 108], fixedrange=True)
    return plot


def _curve(found: Found, words: str) -> go.Figure:
    plot = go.Figure()
    lines = [*((found.samp, d, name) for d, name in enumerate(found.samp.directions)), (found.ig, 0, "straight line")]
    for n, (explanation, d, name) in enumerate(lines):
        scores = explanation.scores[: int(explanation.steps[d, 0]) + 1, d, 0].tolist()
        plot.add_trace(
            go.Scatter(
                x=[100 * k / max(1, len(scores) - 1) for k in range(len(scores))],
                y=scores,
                name=name,
                line={"color": COLOURS[n], "dash": ("solid", "dash", "dot")[n], "width": 2},
                hovertemplate=f"{name}<br>%{{x:.0f}} % of its moves<br>%{{y:.2f}}<extra></extra>",
            )
        )
    plot.update_layout(
        height=320,
        margin={"l": 10, "r": 10, "t": 10, "b": 10},
        legend={"orientation": "h", "y": -0.25},
        xaxis_title="moves made, %",
        yaxis_title=words,
    )
    return plot


def _trajectory(found: Found) -> None:
    starts = {
        "deletion": "from the digit to an empty sheet, each move meant to lower the score",
        "insertion": "from the blurred digit to the digit, each move meant to raise the score",
    }
    for direction, states in found.states.items():
        st.markdown(f"**{direction.capitalize()}**: {starts[direction]}.")
        figures = (
            _picture(image, f"move {k}<br>score {score:.2f}", f"{direction} path after {k} moves, score {score:.2f}")
            for k, score, image in states
        )
        st.html(f'<div class="digits-row states">{"".join(figures)}</div>')


def _seen(found: Found, title: str, words: str) -> None:
    """Say in numbers what the pictures showed."""
    samp, ig = found.samp, found.ig
    lines = []
    for d, direction in enumerate(samp.directions):
        total, target = float(samp.completeness.sums[d, 0]), float(samp.completeness.targets[d, 0])
        lines.append(
            f"- **{title}, {direction}**: the {words} changes by {target:.2f} along the path, the map adds up to "
            f"{total:.2f}: {gap_in_words(float(samp.completeness.relative[d, 0]))}."
        )
    total, target = float(ig.completeness.sums[0, 0]), float(ig.completeness.targets[0, 0])
    lines.append(
        f"- **Integrated Gradients**: from the empty sheet it changes by {target:.2f}, the map adds up to {total:.2f}: "
        f"{gap_in_words(float(ig.completeness.relative[0, 0]))}."
    )
    lines.append(
        f"- {title} asked for {samp.cost.gradients} gradients, Integrated Gradients for {ig.cost.gradients}. Neither "
        "number, nor the look of a map, says which map is right: they credit different paths."
    )
    st.markdown("\n".join(["#### What you just saw", *lines]))


def scene() -> None:
    """Draw the scene: the digit, both maps, the way there, and what it means. Settings are in the page's link."""
    st.markdown(
        "A small network reads a handwritten digit, and a search changes the digit a few pixels at a time, always "
        "those that promise to move its score most. Draw your own: the maps are computed as the pen lifts."
    )
    st.html(_STYLE)
    classifier = digit_network()
    left, right = st.columns([4, 9], gap="large")
    with left:
        digit = _choose()
    if digit is None:
        right.info("Draw a digit, or choose a sample by its number.")
        return
    best = classifier.predict(classifier.preprocessing(digit), 2)
    with left:
        target, other = _class(classifier, best[0].index)
        show(_bars(classifier, digit, target), "digit-bars", "What the network reads, by digit")
    with right:
        knobs = _knobs()
        found = _explain(digit.tobytes(), target, other, knobs)
        score: Score = Logit() if other is None else Contrast(target, other)
        words = score.describe(classifier.label, target)
        maps = {knobs.title: (found.samp, _map(found.samp)), "Integrated Gradients": (found.ig, _map(found.ig))}
        limit = max(colour_limit(pixel_map) for _, pixel_map in maps.values())
        pictures = [
            _picture(
                digit,
                f"<b>The digit</b><br>read as {best[0].label}, {100 * best[0].probability:.0f} %",
                "the digit as the network sees it",
            )
        ]
        for title, (result, pixel_map) in maps.items():
            seen = f"attribution map of {title}: {map_in_words(pixel_map)}"
            pictures.append(_picture(colour(pixel_map, limit=limit), f"<b>{title}</b><br>{_figures(result)}", seen))
        st.html(f'<div class="digits-row maps">{"".join(pictures)}</div>')
        st.caption(
            f"Both maps explain the {words}, on one colour scale that saturates at {limit:.2f}: orange pixels speak "
            "for it, blue against. The search adds up two directions, Integrated Gradients has one: 50 moves along a "
            "straight line from an empty sheet. Cancellation is the sum of |a| over |sum of a|: 1 if every pixel has "
            "the same sign."
        )
        _seen(found, knobs.title, words)
    st.markdown("#### The way there")
    _trajectory(found)
    show(_curve(found, words), "digit-curve", "Score along the paths")
    with st.expander("The formula"):
        st.markdown(
            r"One move from state $z$ towards the end $e$, $f$ being the score and $\mu$ the momentum: "
            r"$G_k = (1-\mu)\,\nabla f(z_k) + \mu\,G_{k-1}$; the open pixels with the largest "
            r"$G_k\,(e - z_k)$ move (insertion) or those with the smallest (deletion). If the move $m_k$ is longer "
            r"than the IC tolerance times $\lVert e - z_0\rVert_1$, it is shortened to that. The paper's rule adds up "
            r"$a = \sum_k G_k\, m_k$; the map is insertion's sum minus deletion's. Integrated Gradients follows "
            r"$z(t) = t\,x$ and sums $x\int_0^1 \nabla f(t\,x)\,dt$."
        )
    facts = training_facts()
    st.caption(
        'In the paper: Zhang, Zheng, Zhou and Lu, "Path Choice Matters for Clear Attribution in Path Methods", ICLR '
        "2024, [arXiv:2401.10442](https://arxiv.org/abs/2401.10442): its algorithm, with infinitesimal constraint and "
        "momentum strategy; 10 pixels a step and a blur of 11 pixels for images of this size. The network gets "
        f"{100 * float(facts['test_accuracy']):.2f} % of MNIST's test set right "
        "(`assets/train_digits.py --check`). Digits: MNIST by LeCun, Cortes and Burges, CC BY-SA 3.0."
    )
