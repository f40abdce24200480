"""The real search on a photo: guess a move, unfold it, see where the path runs."""

from __future__ import annotations

import streamlit as st

from samp_core.methods import Value
from ui.components.recorded_film import Part, recorded_film, told
from ui.learn.ask import Question
from ui.learn.look import body, presenting, view, waits
from ui.shared.words import plain

STEPS = 8
NOT_ABOVE, TWICE, MORE = "Not above the photo's", "Up to twice it", "More than twice it"
_PARTS: dict[str, Part] = {"Guess a move": "guess", "Unfold it": "slow", "See the paths": "paths"}


def settings() -> dict[str, Value]:
    """Return how the scene's search goes, for Explain."""
    return {"steps": STEPS, "directions": ("insertion",)}


def scene() -> None:
    """Draw the scene: a recorded search, from one move to the whole path."""
    film = told("lesson")
    walked, own, top = film.values, film.values[-1], max(film.values)
    st.markdown(
        f"The same search on a photo, recorded from the engine: {len(walked) - 1} moves from the blurred cat to the "
        f"photo, for the {plain(film.score)}."
    )
    question = Question(
        "photo",
        f"The blurred photo scores {walked[0]:.1f}, the photo {own:.1f}. How high does the search climb between them?",
        (NOT_ABOVE, TWICE, MORE),
    )
    wide, narrow = body(2.6, 1)
    with narrow:
        shown = question.ask(
            NOT_ABOVE if top <= own else TWICE if top <= 2 * own else MORE,
            f"Its highest score is {top:.1f}: pixels that raise the score move first, and those left for the end "
            "take it back.",
        )
        if not presenting():
            st.markdown(
                "- **Guess a move**: draw where the next pixels are, then look.\n"
                "- **Unfold it**: from gradient to credit, card by card; once clicked, arrow keys step.\n"
                "- **See the paths**: the search beside the straight line, on one clock."
            )
    with wide:
        part = _PARTS[view(tuple(_PARTS), "photo-part")]
        if part == "paths" and not shown:
            waits("The paths, once you have answered.")
        else:
            recorded_film("lesson", part)


def behind() -> None:
    """Draw the scene's formula and sources."""
    st.latex(r"d_k = \lambda\,d_{k-1} + (1-\lambda)\,\nabla f(x_k), \qquad a_k = d_k \odot (x_{k+1} - x_k)")
    st.markdown(
        "A move takes the *s* open pixels with the largest predicted change of the score, and the paper's rule "
        "credits them with it. SAMP has no momentum (λ = 0); SAMP++ mixes half of the old direction in, and shortens "
        "long moves."
    )
    st.caption("In the paper: algorithm 1, the infinitesimal constraint and the momentum strategy.")


NOTES = (
    "**Ask** two or three people to draw a guess before the class sees the pixels. **Show** one move card by card, "
    "then the paths on one clock and the plane. **Usual misunderstanding**: that the search finds the cat. It finds "
    "pixels whose change the gradient promises to raise the score; the last card of a move says how far the promise "
    "and what was measured are apart."
)
