"""Digits: choose or draw one, and see at once what the search credits, beside Integrated Gradients."""

from __future__ import annotations

import html
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go
import streamlit as st
from numpy.typing import NDArray
from PIL import Image
from streamlit.delta_generator import DeltaGenerator

from samp_core.attribution import Explanation
from samp_core.baselines import make_baseline
from samp_core.classifiers import Classifier
from samp_core.digits import SIDE, centre, samples, training_facts
from samp_core.faces import SAMP, IntegratedGradients
from samp_core.films import data_uri
from samp_core.methods import Value
from samp_core.metrics import cancellation
from samp_core.render import colour, colour_limit, format_cancellation, format_gap, gap_in_words, map_in_words
from samp_core.rules import RULES
from samp_core.scores import Contrast, Logit, Score
from ui.components.pen import pen
from ui.learn.ask import Question
from ui.learn.look import KEPT, body, digit_network, grey, lane, one_thread, opening, presenting, show, view, waits

DRAW = "draw"
TOLERANCES = {"off": None, "1/10": 1 / 10, "1/20": 1 / 20, "1/50": 1 / 50, "1/100": 1 / 100}
STATES = 8  # of each path that are shown

_STYLE = """
<style>
  .digits-row { display: grid; gap: 12px; margin: 0; }
  .digits-row figure { margin: 0; min-width: 0; }
  .digits-row :is(img, .hidden) { width: 100%; aspect-ratio: 1; display: block; border-radius: 6px;
    border: 1px solid rgba(128, 128, 140, 0.35); box-sizing: border-box; }
  .digits-row img { image-rendering: pixelated; }
  .digits-row .hidden { display: grid; place-items: center; font-size: 2.4rem; border-style: dashed;
    color: light-dark(#5b5964, #b6b4c0); }
  .digits-row figcaption { font-size: 0.85rem; line-height: 1.4; margin-top: 4px; }
  .digits-row.maps { grid-template-columns: repeat(3, minmax(0, var(--map, 1fr))); }
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
        walked = [step.state for step in run.moves()]
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
    cost = "" if presenting() else f"<br>{explanation.cost.gradients} gradients, {explanation.seconds:.2f} s"
    return f"gap: {gap}<br>cancellation: {cancelled}{cost}"


def _choose() -> Image.Image | None:
    """Let the reader choose or draw, and return the digit as the network sees it; None while nothing is drawn."""
    choice = st.segmented_control(
        "Digit", [DRAW, *map(str, range(10))], default="3", required=True, key="digit", **KEPT, wrap=True
    )
    if choice != DRAW:
        return samples()[int(choice or 0)]
    drawn = pen("digit-pen", link="ink")
    return None if drawn is None or drawn.convert("L").getbbox() is None else centre(drawn)


def _class(classifier: Classifier, first: int, left: DeltaGenerator, right: DeltaGenerator) -> tuple[int, int | None]:
    """Let the reader choose what is explained; return the class, and the one it is explained against, if any."""
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


def _knobs(left: DeltaGenerator, middle: DeltaGenerator, right: DeltaGenerator, last: DeltaGenerator) -> Knobs:
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
    predictions = sorted(classifier.predict(classifier.inputs(image), 10), key=lambda p: p.index)
    plot = go.Figure(
        go.Bar(
            x=[p.label for p in predictions],
            y=[100 * p.probability for p in predictions],
            marker={"color": [grey(0) if p.index == target else grey(2) for p in predictions]},
            text=[f"{100 * p.probability:.0f}" if p.probability > 0.005 else "" for p in predictions],
            textposition="outside",
            cliponaxis=False,
            customdata=[p.logit for p in predictions],
            hovertemplate="%{x}: %{y:.1f} %, logit %{customdata:.2f}<extra></extra>",
        )
    )
    plot.update_layout(margin={"l": 10, "r": 10, "t": 24, "b": 10}, yaxis_title="probability, %")
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
                line={
                    "color": lane(0 if explanation is found.samp else 1),
                    "dash": ("solid", "dash")[n % 2],
                    "width": 3,
                },
                hovertemplate=f"{name}<br>%{{x:.0f}} % of its moves<br>%{{y:.2f}}<extra></extra>",
            )
        )
    plot.update_layout(
        margin={"l": 10, "r": 10, "t": 10, "b": 10},
        legend={"orientation": "h", "yref": "container", "y": 0, "yanchor": "bottom", "x": 0},
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
        moves = "" if presenting() else "move {}<br>"
        figures = (
            _picture(
                image, f"{moves.format(k)}score {score:.2f}", f"{direction} path after {k} moves, score {score:.2f}"
            )
            for k, score, image in states
        )
        st.html(f'<div class="digits-row states">{"".join(figures)}</div>')


def _seen(found: Found, title: str, words: str) -> str:
    """Say in numbers what the pictures showed."""
    samp, ig = found.samp, found.ig
    lines = []
    for d, direction in enumerate(samp.directions):
        total, target = float(samp.completeness.sums[d, 0]), float(samp.completeness.targets[d, 0])
        lines.append(
            f"- **{title}, {direction}**: the {words} changes by {target:.2f}, the map adds up to {total:.2f}: "
            f"{gap_in_words(float(samp.completeness.relative[d, 0]))}."
        )
    total, target = float(ig.completeness.sums[0, 0]), float(ig.completeness.targets[0, 0])
    lines.append(
        f"- **Integrated Gradients**: it changes by {target:.2f} from the empty sheet, the map adds up to {total:.2f}: "
        f"{gap_in_words(float(ig.completeness.relative[0, 0]))}."
    )
    lines.append("- Neither number, nor the look of a map, says which is right: they credit different paths.")
    return "\n".join(["#### What you just saw", *lines])


MAPS, WORDS, WAY, ALONG = "Maps", "In words", "The way there", "Score along it"
SEARCH_LESS, LINE_LESS, ALIKE = "The search's", "The straight line's", "Both alike"


def _maps(digit: Image.Image, read: str, found: Found, title: str, limit: float, *, told: bool) -> str:
    """Return the digit and both maps as a row of figures; the maps are kept back until they are told."""
    pictures = [_picture(digit, f"<b>The digit</b><br>{read}", "the digit as the network sees it")]
    for name, result in ((title, found.samp), ("Integrated Gradients", found.ig)):
        if told:
            pixel_map = _map(result)
            seen = f"attribution map of {name}: {map_in_words(pixel_map)}"
            pictures.append(_picture(colour(pixel_map, limit=limit), f"<b>{name}</b><br>{_figures(result)}", seen))
        else:
            pictures.append(
                f'<figure><div class="hidden" role="img" aria-label="map of {name}: not shown yet">?</div>'
                f"<figcaption><b>{name}</b></figcaption></figure>"
            )
    return f'<div class="digits-row maps">{"".join(pictures)}</div>'


def scene() -> None:
    """Draw the scene: the digit, both maps, the way there, and what it means. Settings are in the page's link."""
    (explain, rather, *places), _ = opening(
        "A small network reads a digit; a search changes it, a few pixels at a time. Draw your own.",
        6,
    )
    st.html(_STYLE)
    classifier = digit_network()
    knobs = _knobs(*places)
    left, right = body(4, 9)
    with left:
        digit = _choose()
    if digit is None:
        right.info("Draw a digit, or choose a sample by its number.")
        return
    best = classifier.predict(classifier.inputs(digit), 2)
    target, other = _class(classifier, best[0].index, explain, rather)
    if not (presenting() and st.session_state.get("digit") == DRAW):
        with left:
            show(_bars(classifier, digit, target), "digit-bars", "What the network reads, by digit")
    found = _explain(digit.tobytes(), target, other, knobs)
    score: Score = Logit() if other is None else Contrast(target, other)
    words = score.describe(classifier.label, target)
    limit = max(colour_limit(_map(result)) for result in (found.samp, found.ig))
    searched, straight = (float(cancellation(result.maps)[0]) for result in (found.samp, found.ig))
    question = Question(
        "digits", "Whose map will cancel less, that is, credit and debit less of the same score?",
        (SEARCH_LESS, LINE_LESS, ALIKE),
    )  # fmt: skip
    with right:
        told = question.ask(
            ALIKE
            if abs(searched - straight) < 0.1 * min(searched, straight)
            else SEARCH_LESS
            if searched < straight
            else LINE_LESS,
            f"Cancellation {format_cancellation(searched)} against {format_cancellation(straight)}.",
        )
        read = f"read as {best[0].label}, {100 * best[0].probability:.0f} %"
        if not told:
            st.html(_maps(digit, read, found, knobs.title, limit, told=False))
            if not presenting():
                waits("What each map adds up to, once you have answered.")
            return
        with st.container(horizontal=True, vertical_alignment="center", wrap=not presenting(), key="digit-part"):
            shown = view([MAPS, WORDS, WAY, ALONG] if presenting() else [MAPS, WAY], "digit-view")
            if shown == MAPS:
                st.caption(
                    f"Both explain the {words}: orange for it, blue against"
                    + (
                        "."
                        if presenting()
                        else f", on one scale that saturates at {limit:.2f}. Cancellation: sum of |a| over |sum of a|."
                    )
                )
        if shown == MAPS:
            st.html(_maps(digit, read, found, knobs.title, limit, told=True))
        if shown == WORDS or (shown == MAPS and not presenting()):
            st.markdown(_seen(found, knobs.title, words))
        if shown == WAY:
            _trajectory(found)
        if shown == ALONG or (shown == WAY and not presenting()):
            show(_curve(found, words), "digit-curve", "Score along the paths")


def behind() -> None:
    """Draw the scene's formula and sources."""
    st.markdown(
        r"One move from state $z$ towards the end $e$, $f$ being the score and $\mu$ the momentum: "
        r"$G_k = (1-\mu)\,\nabla f(z_k) + \mu\,G_{k-1}$; the open pixels with the largest "
        r"$G_k\,(e - z_k)$ move (insertion) or those with the smallest (deletion). If the move $m_k$ is longer "
        r"than the IC tolerance times $\lVert e - z_0\rVert_1$, it is shortened to that. The paper's rule adds up "
        r"$a = \sum_k G_k\, m_k$; the map is insertion's sum minus deletion's. Integrated Gradients follows "
        r"$z(t) = t\,x$ and sums $x\int_0^1 \nabla f(t\,x)\,dt$, here in 50 moves from an empty sheet."
    )
    facts = training_facts()
    st.caption(
        'In the paper: Zhang, Zheng, Zhou and Lu, "Path Choice Matters for Clear Attribution in Path Methods", ICLR '
        "2024, [arXiv:2401.10442](https://arxiv.org/abs/2401.10442): its algorithm, with infinitesimal constraint and "
        "momentum strategy; 10 pixels a step and a blur of 11 pixels for images of this size. The network gets "
        f"{100 * float(facts['test_accuracy']):.2f} % of MNIST's test set right "
        "(`assets/train_digits.py --check`). Digits: MNIST by LeCun, Cortes and Burges, CC BY-SA 3.0."
    )


NOTES = (
    "**Ask** on which map fewer pixels will be taken back by others, then let somebody draw a digit. **Show** *The "
    "way there*: deletion takes the digit apart, insertion puts it together; then another rule under *Adding up*, "
    "which keeps the path and changes the sum. **Usual misunderstanding**: that orange marks ink that the network "
    "looked at. A pixel is credited for its move along the path, and blank paper around the digit can be credited as "
    "well."
)
