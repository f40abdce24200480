"""Trust, but verify: one map under three rules, under noise, under a forgetful network, beside the path's order."""

from __future__ import annotations

import html

import plotly.graph_objects as go
import streamlit as st

from samp_core.digits import SIDE, samples
from samp_core.films import data_uri
from samp_core.lesson import Trial, trials
from samp_core.methods import Value
from samp_core.render import colour, colour_limit, format_cancellation, format_gap, map_in_words
from ui.learn.ask import Question
from ui.learn.look import KEPT, body, digit_network, grey, one_thread, opening, presenting, show, view, waits

CURVE_PIXELS = 20
MOMENTUM, TOLERANCE, PIXELS = 0.5, 1 / 10, 40
SIGMAS = {"0.001 %": 1e-5, "0.01 %": 1e-4, "0.1 %": 1e-3, "1 %": 1e-2, "10 %": 0.1}

_STYLE = """<style>
  .trials { display: grid; grid-template-columns: repeat(6, minmax(0, 1fr)); gap: 12px; }
  .trials figure { margin: 0; }
  .trials :is(img, .hidden) { width: 100%; aspect-ratio: 1; border-radius: 6px; display: block;
    border: 1px solid rgba(128, 128, 140, 0.35); box-sizing: border-box; }
  .trials img { image-rendering: pixelated; }
  .trials .hidden { display: grid; place-items: center; font-size: 2.4rem; border-style: dashed;
    color: light-dark(#5b5964, #b6b4c0); }
  .trials figcaption { font-size: 0.85rem; line-height: 1.4; margin-top: 4px; }
  @media (max-width: 900px) { .trials { grid-template-columns: repeat(3, minmax(0, 1fr)); } }
  @media (max-width: 480px) { .trials { grid-template-columns: repeat(2, minmax(0, 1fr)); } }
</style>"""
NOISY, FORGETFUL = "Noise on the ink", "Forgetful network"


@st.cache_data(max_entries=64, show_spinner=False)
def _trials(digit: int, sigma: float, seed: int) -> tuple[str, list[Trial]]:
    classifier = digit_network()
    inputs = classifier.inputs(samples()[digit])
    first = classifier.predict(inputs, 1)[0]
    with one_thread():
        made = trials(
            classifier.network,
            inputs,
            first.index,
            sigma=sigma,
            pixels_per_step=PIXELS,
            momentum=MOMENTUM,
            ic_tolerance=TOLERANCE,
            curve_pixels=CURVE_PIXELS,
            seed=seed,
        )
    return first.label, made


def settings() -> dict[str, Value]:
    """Return how the scene's map was made, for Explain."""
    return {"momentum": MOMENTUM, "ic_tolerance": TOLERANCE, "steps": round(SIDE * SIDE / PIXELS)}


NOISE_MORE, NETWORK_MORE, ALIKE = "The faint noise", "The forgetful network", "Both alike"


def _figures(found: list[Trial], *, told: bool) -> str:
    """Return the maps as a row of figures; what the question is about is kept back until it is told."""
    parts = []
    for trial in found:
        if not told and trial.title in (NOISY, FORGETFUL):
            parts.append(
                f'<figure><div class="hidden" role="img" aria-label="{trial.title}: not shown yet">?</div>'
                f"<figcaption><b>{trial.title}</b></figcaption></figure>"
            )
            continue
        sums = (
            "promises no sum"
            if trial.gap is None
            else f"gap {format_gap(trial.gap)}, cancels {format_cancellation(trial.cancellation)}"
        )
        shown = 2 * trial.map - 1 if trial.gap is None else trial.map  # an order runs from 0 to 1
        picture = data_uri(colour(shown, limit=colour_limit(shown)), "PNG")
        words = (
            f"<b>{trial.title}</b><br>{sums}<br>ins. - del. {trial.insertion - trial.deletion:.2f}<br>"
            f"agrees {trial.agreement:.2f}"
        )
        seen = "orange pixels moved early, blue ones late" if trial.gap is None else map_in_words(trial.map)
        alt = html.escape(f"{trial.title}: {seen}", quote=True)
        parts.append(f'<figure><img src="{picture}" alt="{alt}"><figcaption>{words}</figcaption></figure>')
    return f'{_STYLE}<div class="trials">{"".join(parts)}</div>'


def _spans(found: list[Trial]) -> go.Figure:
    """Return deletion and insertion of each map as the two ends of a line: the longer, the better the ranking."""
    plot = go.Figure()
    titles = [t.title for t in found]
    plot.add_trace(
        go.Scatter(
            y=[title for title in titles for _ in range(3)],
            x=[x for t in found for x in (t.deletion, t.insertion, None)],
            mode="lines", line={"color": grey(2), "width": 6}, showlegend=False, hoverinfo="skip",
        )
    )  # fmt: skip
    ends = (
        ("deletion (lower is better)", [t.deletion for t in found], grey(1), "circle-open", "middle left"),
        ("insertion (higher is better)", [t.insertion for t in found], grey(0), "circle", "middle right"),
    )
    for name, values, shade, symbol, place in ends:
        plot.add_trace(
            go.Scatter(
                y=titles, x=values, name=name, mode="markers+text", cliponaxis=False,
                marker={"color": shade, "symbol": symbol, "size": 13, "line": {"color": shade, "width": 3}},
                text=[f"  {v:.2f}  " for v in values], textposition=place, textfont={"color": grey(0)},
                hovertemplate=f"%{{y}}, {name}: %{{x:.3f}}<extra></extra>",
            )
        )  # fmt: skip
    low, high = min(0.0, *(t.deletion for t in found)), max(t.insertion for t in found)
    side = (0.24 if presenting() else 0.14) * (high - low)  # room for the numbers beside the ends
    plot.update_xaxes(range=[low - side, high + side], zeroline=True)
    plot.update_yaxes(autorange="reversed", dtick=1)
    plot.update_layout(
        margin={"l": 10, "r": 10, "t": 34, "b": 10}, legend={"orientation": "h", "y": 1, "yanchor": "bottom", "x": 0},
        xaxis_title="AUC, as a share of the score of the whole digit",
    )  # fmt: skip
    return plot


def _seen(found: list[Trial], sigma: str) -> str:
    paper, line, isotonic = found[:3]
    by_title = {t.title: t for t in found}
    noisy, forgetful, order = by_title[NOISY], by_title[FORGETFUL], by_title["Order of the path"]
    difference = {t.title: t.insertion - t.deletion for t in found}
    best = max(found[:4], key=lambda t: t.insertion - t.deletion)
    return (
        "#### What you just saw\n"
        "- **A sum and a ranking are different things.** One path, three rules: the gap is "
        f"{format_gap(paper.gap or 0)}, {format_gap(line.gap or 0)} and {format_gap(isotonic.gap or 0)}, insertion "
        f"minus deletion {difference[paper.title]:.2f}, {difference[line.title]:.2f} and "
        f"{difference[isotonic.title]:.2f}. The best ranking of the first four: {best.title}.\n"
        "- **One sign or two.** The credit on all pixels is "
        f"{', '.join(format_cancellation(t.cancellation) for t in (paper, line))} and "
        f"{format_cancellation(isotonic.cancellation)} times its sum.\n"
        f"- **The order alone ranks, too**: {difference[order.title]:.2f}, without a single amount.\n"
        f"- **Noise of {sigma} of the ink** leaves a map that agrees {noisy.agreement:.2f} with the first; **a network "
        f"that forgot** gives one that agrees {forgetful.agreement:.2f}. The closer that is to 1, the less the map had "
        "to do with what was learnt."
    )


def verify() -> None:
    """Draw the scene: six maps, their gaps and scores, and what the numbers promise."""
    (left, middle, right), _ = opening(
        "A map is a claim that can be tested. Here is SAMP's map of one digit, six times.",
        3,
    )
    digit = int(left.slider("Digit", 0, 9, 3, key="trust-digit", **KEPT))
    sigma = middle.select_slider(
        "Noise on the digit", list(SIGMAS), "0.1 %", key="trust-noise", **KEPT,
        help="Standard deviation, as a share of each pixel's ink. One grey level is 0.4 % of full ink, and "
        "rounding to half precision changes up to 0.05 %. The empty sheet stays empty, so the search has the same "
        "pixels to move.",
    )  # fmt: skip
    seed = int(right.slider("Draw anew", 0, 20, 0, key="trust-seed", **KEPT, help="Noise and new weights."))
    label, found = _trials(digit, SIGMAS[str(sigma)], seed)
    noisy, forgetful = (next(t.agreement for t in found if t.title == title) for title in (NOISY, FORGETFUL))
    question = Question(
        "trust", "Which changes the map's ranking more: faint noise on the ink, or a network that forgot?",
        (NOISE_MORE, NETWORK_MORE, ALIKE),
    )  # fmt: skip
    told = question.ask(
        ALIKE if abs(noisy - forgetful) < 0.05 else NOISE_MORE if noisy < forgetful else NETWORK_MORE,
        f"Agreement with the first map: {noisy:.2f} under the noise, {forgetful:.2f} after forgetting.",
    )
    parts = ["Maps", "Numbers"]
    shown = [view(parts, "trust-view")] if told and presenting() else parts
    if "Maps" in shown:
        st.html(_figures(found, told=told))
        colours = "orange for, blue against (order: orange early, blue late)"
        sums = "Cancels: sum of |a| over |sum of a|."
        agrees = "Agrees: Spearman's correlation with the first map."
        st.caption(
            f"{colours.capitalize()}. {sums} {agrees}"
            if presenting()
            else f"All explain the logit of {label}; {colours}, each on its own scale. {sums} Ins. - del.: insertion "
            f"minus deletion, the paper's protocol, {CURVE_PIXELS} pixels a step. {agrees}"
        )
    if told and "Numbers" in shown:
        first, second = body(1, 1.1)
        with first:
            show(_spans(found), "trust-spans", "Deletion and insertion of the six maps")
        with second:
            st.markdown(_seen(found, str(sigma)))
    elif not told and not presenting():
        with st.container(key="scene-body"):
            waits("Deletion and insertion of the six maps, once you have answered.")


def behind() -> None:
    """Draw the scene's formula and sources."""
    st.latex(r"\text{gap} = \frac{\left|\sum_i a_i - (f(x)-f(x_0))\right|}{|f(x)-f(x_0)|}")
    st.latex(r"\text{AUC} = \frac{1}{n+1}\sum_{k=0}^{n} \frac{f(z_k)}{f(x)}")
    st.caption(
        "In the paper: its algorithm (the first rule), and deletion and insertion among its experiments. Randomised "
        "networks: Adebayo et al., NeurIPS 2018. The isotonic rule is this project's. One digit is an anecdote: the "
        "page Metrics measures many photos."
    )


NOTES = (
    "**Ask** what should happen to a map when the network forgets: if it does not change, it did not explain the "
    "network. **Show** the two hidden maps, then how far the gaps of the three rules are apart and how near their "
    "rankings; then raise the noise and watch the agreement fall. **Usual misunderstanding**: that a map that looks "
    "clear is right, or that a high insertion score proves it. Each number tests one claim, and one digit is an "
    "anecdote."
)
