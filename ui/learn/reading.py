"""Reading code: a paper's text and its authors' code, both run, and what a line between them changes."""

from __future__ import annotations

import html
from dataclasses import dataclass

import numpy as np
import streamlit as st
from numpy.typing import NDArray
from PIL import Image

from samp_core.digits import samples
from samp_core.faces import AGI
from samp_core.films import data_uri
from samp_core.methods import Value
from samp_core.metrics import spearman
from samp_core.render import colour, colour_limit, map_in_words
from ui.learn.ask import Question
from ui.learn.look import KEPT, body, digit_network, one_thread, opening, presenting, view, waits

CLASSES, MOVES = 3, 20
STEPS = {"0.01": 0.01, "0.02": 0.02, "0.05": 0.05, "0.1": 0.1}

TEXT, CODE, ALIKE = "The text's", "The code's", "Both alike"

_PROGRAMS = """\
# the paper's text
move = step * sign(gradient at z)
credit += slope * move
z = z + move

# the published code
z = x + step * sign(gradient at z)
credit += slope * (z - x)"""

_STYLE = """<style>
  .readings { display: grid; grid-template-columns: repeat(5, minmax(0, 1fr)); gap: 14px; }
  .readings figure { margin: 0; }
  .readings :is(img, .hidden) { width: 100%; aspect-ratio: 1; max-height: calc(100dvh - 27rem); border-radius: 6px;
    display: block; border: 1px solid rgba(128, 128, 140, 0.35); box-sizing: border-box; object-fit: contain; }
  .readings img { image-rendering: pixelated; }
  .readings .hidden { display: grid; place-items: center; font-size: 2.4rem; border-style: dashed;
    color: light-dark(#5b5964, #b6b4c0); }
  .readings figcaption { font-size: 0.85rem; line-height: 1.4; margin-top: 4px; }
  @media (max-width: 900px) { .readings { grid-template-columns: repeat(2, minmax(0, 1fr)); }
    .readings :is(img, .hidden) { max-height: none; } }
</style>"""


@dataclass(frozen=True)
class Reading:
    """What one way to read the method gave.

    Attributes:
        map: credit of each pixel.
        total: sum of the map.
        change: what it should be: how much of the score was lost along its paths.
        moves: of all its paths.
        away: how far off the pixel that ends furthest off is from where it began, 1 from black to white.
        end: the image at which the first path ends.
    """

    map: NDArray[np.float64]
    total: float
    change: float
    moves: int
    away: float
    end: Image.Image

    @property
    def gap(self) -> float:
        """How far the sum is from the change, as a multiple of that."""
        return abs(self.total - self.change) / max(abs(self.change), 1e-9)


@st.cache_data(max_entries=64, show_spinner=False)
def _read(digit: int, step: float) -> tuple[str, Reading, Reading, float]:
    classifier = digit_network()
    inputs = classifier.inputs(samples()[digit])
    first = classifier.predict(inputs, 1)[0]
    found, maps = [], []
    for restart in (False, True):
        method = AGI(classifier.network, CLASSES, step, MOVES, restart, bounds=(0.0, 1.0))
        with one_thread():
            run = method.start(inputs, first.index)
            result = run.finish()
        states = run.state
        maps.append(result.maps)
        found.append(
            Reading(
                result.maps[0].double().numpy(),
                float(result.maps.sum()),
                float(result.completeness.targets.sum()),
                int(result.steps.sum()),
                float((states - inputs).abs().max()),
                classifier.preprocessing.to_image(states[:1])[0],
            )
        )
    return first.label, found[0], found[1], float(spearman(maps[0], maps[1])[0])


def settings() -> dict[str, Value]:
    """Return how the scene reads the method, for Explain."""
    return {"step": STEPS[str(st.session_state.get("code-step", "0.05"))], "classes": CLASSES, "restart": "last"}


def _figure(picture: Image.Image | None, name: str, words: str, alt: str) -> str:
    if picture is None:
        return (
            f'<figure><div class="hidden" role="img" aria-label="{name}: not shown yet">?</div>'
            f"<figcaption><b>{name}</b></figcaption></figure>"
        )
    return (
        f'<figure><img src="{data_uri(picture, "PNG")}" alt="{html.escape(alt, quote=True)}">'
        f"<figcaption><b>{name}</b><br>{words}</figcaption></figure>"
    )


def _figures(digit: int, read: tuple[Reading, Reading], *, told: bool) -> str:
    figures = [_figure(samples()[digit], "The digit", "where all paths begin", f"the digit {digit}")]
    for name, reading in zip(("The text", "The code"), read, strict=True):
        ends = f"{reading.moves} moves; no value ends further off than {reading.away:.2f}"
        figures.append(_figure(reading.end if told else None, f"{name}: the first end", ends, f"{name}: {ends}"))
    for name, reading in zip(("The text", "The code"), read, strict=True):
        sums = f"sums to {reading.total:.1f}; the score lost {reading.change:.1f}"
        drawn = colour(reading.map, limit=colour_limit(reading.map)) if told else None
        figures.append(_figure(drawn, f"{name}: the map", sums, f"{name}: {map_in_words(reading.map)}"))
    return f'{_STYLE}<div class="readings">{"".join(figures)}</div>'


def _code() -> None:
    st.caption("From z = x, until another class wins. Slope: the explained class's gradient at z.")
    st.code(_PROGRAMS, language=None)


def _seen(text: Reading, code: Reading, agreement: float) -> str:
    return (
        "#### What you just saw\n"
        f"- **One line apart**, the two maps agree {agreement:.2f} (Spearman's correlation of the pixels).\n"
        f"- **The text's is a path**: its map sums to {text.total:.1f} where the score lost {text.change:.1f}; "
        "smaller steps bring these together.\n"
        f"- **The code's is none**: each of {code.moves} moves begins at the digit. It sums to {code.total:.1f} where "
        f"the score lost {code.change:.1f}.\n"
        "- **The name does not say which**: whoever shows “AGI” has to. Here it is a switch."
    )


def reading() -> None:
    """Draw the scene: two ways to read one method, and what each of them gives."""
    (left, right), _ = opening(
        "AGI walks from the image to where other classes win. Its paper and its authors' code differ by a line.",
        2,
    )
    digit = int(left.slider("Digit", 0, 9, 3, key="code-digit", **KEPT))
    step = right.select_slider(
        "Step", list(STEPS), "0.05", key="code-step", **KEPT,
        help="How far every value moves at once; 1 is from black to white.",
    )  # fmt: skip
    label, text, code, agreement = _read(digit, STEPS[str(step)])
    question = Question(
        "code", "Both credit what the score loses on the way. Whose sum is nearer to that?", (TEXT, CODE, ALIKE)
    )
    told = question.ask(
        ALIKE if abs(text.gap - code.gap) < 0.1 * max(text.gap, code.gap) else TEXT if text.gap < code.gap else CODE,
        f"Off by {text.gap:.1f} times the loss in the text's way, {code.gap:.1f} times in the code's.",
    )
    parts = ["Pictures", "Words"]
    shown = [view(parts, "code-view")] if told and presenting() else parts[presenting() :]
    if "Pictures" in shown:
        st.html(_figures(digit, (text, code), told=told))
        if not presenting():
            st.caption(
                f"Both explain the logit of {label}, towards {CLASSES} other classes, at most {MOVES} moves to each; "
                "orange for, blue against, each map on its own scale."
            )
    if "Words" in shown:
        first, second = body(1, 1)
        with first:
            _code()
        with second:
            if told:
                st.markdown(_seen(text, code, agreement))
            else:
                waits("Both maps and their sums, once you have answered.")


def behind() -> None:
    """Draw the scene's formula and sources."""
    st.latex(r"\text{text: } \sum_k \nabla f(z_k)\cdot(z_{k+1}-z_k), \quad z_{k+1} = z_k + \varepsilon\,\text{sign}(g)")
    st.latex(r"\text{code: } \sum_k \nabla f(z_k)\cdot(z_{k+1}-x), \quad z_{k+1} = x + \varepsilon\,\text{sign}(g)")
    st.caption(
        "In the paper: Pan, Li and Zhu, Explaining Deep Neural Network Models with Adversarial Gradient Integration, "
        "IJCAI 2021, explains the probability; here it is the logit. The code is the "
        "authors' public one, read for what it computes. One digit is an anecdote."
    )


NOTES = (
    "**Ask** which of the two programs is the integral of a path, before anything is run. **Show** the sums beside the "
    "score's loss, then make the step smaller: the text's sum comes nearer, the code's does not. **Usual "
    "misunderstanding**: that published code is what the paper describes. Both can be useful, and whoever compares "
    "methods has to say which one was run."
)
