"""Trust, but verify: one map under three rules, under noise, under a forgetful network, beside the path's order."""

from __future__ import annotations

import html

import plotly.graph_objects as go
import streamlit as st

from samp_core.digits import SIDE, samples
from samp_core.film import data_uri
from samp_core.lesson import Trial, trials
from samp_core.methods import Value
from samp_core.render import colour, colour_limit, format_cancellation, format_gap, map_in_words
from ui.learn.look import KEPT, digit_network, one_thread, show
from ui.shared.plots import COLOURS

CURVE_PIXELS = 20
MOMENTUM, TOLERANCE, PIXELS = 0.5, 1 / 10, 40
SIGMAS = {"0.001 %": 1e-5, "0.01 %": 1e-4, "0.1 %": 1e-3, "1 %": 1e-2, "10 %": 0.1}

_STYLE = """<style>
  .trials { display: grid; grid-template-columns: repeat(6, minmax(0, 1fr)); gap: 10px; }
  .trials figure { margin: 0; }
  .trials img { width: 100%; aspect-ratio: 1; image-rendering: pixelated; border-radius: 6px; display: block;
    border: 1px solid rgba(128, 128, 140, 0.35); box-sizing: border-box; }
  .trials figcaption { font-size: 0.82rem; line-height: 1.45; margin-top: 4px; }
  @media (max-width: 900px) { .trials { grid-template-columns: repeat(3, minmax(0, 1fr)); } }
  @media (max-width: 480px) { .trials { grid-template-columns: repeat(2, minmax(0, 1fr)); } }
</style>"""


@st.cache_data(max_entries=64, show_spinner=False)
def _trials(digit: int, sigma: float, seed: int) -> tuple[str, list[Trial]]:
    classifier = digit_network()
    inputs = classifier.preprocessing(samples()[digit])
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


def verify() -> None:
    """Draw the scene: six maps, their gaps and scores, and what the numbers promise."""
    st.markdown(
        "A map is a claim, and a claim can be tested. Here is SAMP's map of one digit six times: added up by three "
        "rules, replaced by the order of its path, with faint noise on the ink, and for a network that forgot its "
        "last layers."
    )
    left, middle, right = st.columns(3)
    digit = int(left.slider("Digit", 0, 9, 3, key="trust-digit", **KEPT))
    sigma = middle.select_slider(
        "Noise on the digit", list(SIGMAS), "0.1 %", key="trust-noise", **KEPT,
        help="Standard deviation, as a share of each pixel's ink. One grey level is 0.4 % of full ink, and "
        "rounding to half precision changes up to 0.05 %. The empty sheet stays empty, so the search has the same "
        "pixels to move.",
    )  # fmt: skip
    seed = int(right.slider("Draw anew", 0, 20, 0, key="trust-seed", **KEPT, help="Noise and new weights."))
    label, found = _trials(digit, SIGMAS[str(sigma)], seed)
    parts = []
    for trial in found:
        gap = "promises no sum" if trial.gap is None else f"gap {format_gap(trial.gap)}"
        if trial.gap is not None:
            gap += f"<br>cancellation {format_cancellation(trial.cancellation)}"
        shown = 2 * trial.map - 1 if trial.gap is None else trial.map  # an order runs from 0 to 1
        picture = data_uri(colour(shown, limit=colour_limit(shown)), "PNG")
        words = (
            f"<b>{trial.title}</b><br>{gap}<br>insertion - deletion {trial.insertion - trial.deletion:.2f}<br>"
            f"agrees {trial.agreement:.2f}"
        )
        seen = "orange pixels moved early, blue ones late" if trial.gap is None else map_in_words(trial.map)
        alt = html.escape(f"{trial.title}: {seen}", quote=True)
        parts.append(f'<figure><img src="{picture}" alt="{alt}"><figcaption>{words}</figcaption></figure>')
    st.html(f'{_STYLE}<div class="trials">{"".join(parts)}</div>')
    st.caption(
        f"All explain the logit of {label}; each map on its own colour scale, orange for, blue against (order: orange "
        f"early, blue late). Curves: the paper's protocol, {CURVE_PIXELS} pixels a step, on the true network and the "
        "clean digit. Cancellation: sum of |a| over |sum of a|, 1 if every pixel has the same sign. Agreement: "
        "Spearman's correlation with the first map."
    )
    plot = go.Figure()
    titles = [t.title for t in found]
    for n, (name, values) in enumerate(
        (
            ("deletion (lower is better)", [t.deletion for t in found]),
            ("insertion (higher is better)", [t.insertion for t in found]),
        )
    ):
        plot.add_trace(
            go.Bar(
                y=titles, x=values, orientation="h", name=name, marker_color=COLOURS[n], cliponaxis=False,
                text=[f"{v:.2f}" for v in values], textposition="outside",
            )
        )  # fmt: skip
    low, high = min(0.0, *(t.deletion for t in found)), max(t.insertion for t in found)
    side = 0.1 * (high - low)
    plot.update_xaxes(range=[low - side if low < 0 else 0, high + side])  # room for the numbers beside the bars
    plot.update_yaxes(autorange="reversed")
    plot.update_layout(
        height=360, margin={"l": 10, "r": 10, "t": 10, "b": 10}, legend={"orientation": "h", "y": 1.12},
        xaxis_title="AUC, as a share of the score of the whole digit",
    )  # fmt: skip
    show(plot, "trust-bars", "Deletion and insertion of the six maps")
    by_title = {t.title: t for t in found}
    paper, line, isotonic = found[0], found[1], found[2]
    noisy, forgetful, order = by_title["Noise on the ink"], by_title["Forgetful network"], by_title["Order of the path"]
    difference = {t.title: t.insertion - t.deletion for t in found}
    best = max(found[:4], key=lambda t: t.insertion - t.deletion)
    st.markdown(
        f"#### What you just saw\n"
        "- **A sum and a ranking are different things.** One path, three rules: the gap is "
        f"{format_gap(paper.gap or 0)}, {format_gap(line.gap or 0)} and {format_gap(isotonic.gap or 0)}, while "
        f"insertion minus deletion is {difference[paper.title]:.2f}, {difference[line.title]:.2f} and "
        f"{difference[isotonic.title]:.2f}. The best ranking of the first four here: {best.title}.\n"
        "- **One sign or two.** The credit on all pixels is "
        f"{', '.join(format_cancellation(t.cancellation) for t in (paper, line))} and "
        f"{format_cancellation(isotonic.cancellation)} times its sum: what is more than 1 was credited to one pixel "
        "and debited from another. On photos the three differ far more.\n"
        f"- **The order alone ranks, too**: {difference[order.title]:.2f}, without a single amount.\n"
        f"- **Noise of {sigma} of the ink** leaves a map that agrees {noisy.agreement:.2f} with the first. 1 would be "
        "the same ranking.\n"
        f"- **A network that forgot** gives a map that agrees {forgetful.agreement:.2f}: the closer to 1, the less "
        "the map had to do with what was learnt."
    )
    with st.expander("The formula"):
        st.latex(
            r"\text{gap} = \frac{\left|\sum_i a_i - (f(x)-f(x_0))\right|}{|f(x)-f(x_0)|}, \qquad "
            r"\text{AUC} = \frac{1}{n+1}\sum_{k=0}^{n} \frac{f(z_k)}{f(x)}"
        )
    st.caption(
        "In the paper: its algorithm (the first rule), and deletion and insertion among its experiments. Randomised "
        "networks: Adebayo et al., NeurIPS 2018. The isotonic rule is this project's. One digit is an anecdote: the "
        "page Metrics measures many photos."
    )
