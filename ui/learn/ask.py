"""A question before the picture: what it hides is shown once the reader has answered, or asked to be shown."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st


@dataclass(frozen=True)
class Question:
    """A question with a few short answers.

    Attributes:
        name: what the answer is kept under, for the session.
        words: the question.
        options: the answers to choose from.
    """

    name: str
    words: str
    options: tuple[str, ...]

    @property
    def _answer(self) -> str:
        return f"answer-{self.name}"

    @property
    def _told(self) -> str:
        return f"told-{self.name}"

    @property
    def answer(self) -> str | None:
        """What the reader has said, if anything."""
        said = st.session_state.get(self._answer)
        return said if said in self.options else None

    @property
    def open(self) -> bool:
        """Whether the answer is still to be given: then nothing that gives it away may be drawn."""
        return self.answer is None and not st.session_state.get(self._told)

    def _tell(self) -> None:
        st.session_state[self._told] = True

    def _ask_again(self) -> None:
        st.session_state[self._told] = False
        st.session_state[self._answer] = None

    def ask(self, right: str, because: str) -> bool:
        """Draw the question, or what came of it; return whether the answer may be seen.

        Args:
            right: the option that agrees with what is computed.
            because: what was computed, in words.
        """
        if right not in self.options:
            raise ValueError(f"{right!r} is none of the answers: {', '.join(self.options)}.")
        waiting = self.open
        with st.container(border=True, key="question", gap="xsmall"):
            st.markdown(f"**{self.words}**")
            with st.container(horizontal=True, vertical_alignment="center", key="question-row", gap="small"):
                st.segmented_control(
                    self.words, self.options, default=None, key=self._answer, label_visibility="collapsed", wrap=True,
                    persist_state="session",
                )  # fmt: skip
                if waiting:
                    st.button("Show me", on_click=self._tell, key=f"show-{self.name}", type="tertiary")
                else:
                    st.button("Ask again", on_click=self._ask_again, key=f"again-{self.name}", type="tertiary")
                    st.markdown(f"{self._verdict(right)} {because}")
        return not waiting

    def _verdict(self, right: str) -> str:
        if self.answer is None:
            return f"Computed: **{right}**."
        if self.answer == right:
            return f"**{right}** fits what is computed."
        return f"You said **{self.answer}**. Computed: **{right}**."
