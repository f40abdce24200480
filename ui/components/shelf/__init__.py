"""The shelf: a card for everything there is of a kind, with a picture of it, to choose one or several."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import streamlit as st

from ui.components.mount import component

_FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Card:
    """What can be chosen.

    Attributes:
        name: what the program calls it.
        title: what people call it.
        summary: what it is, in a sentence.
        group: under which heading it stands.
        path: places of a path in its own plane, drawn as a line; empty if it has none.
        picture: another picture, a data URI; empty if it has none.
        more: further words, small.
    """

    name: str
    title: str
    summary: str
    group: str
    path: Sequence[Sequence[float]] = ()
    picture: str = ""
    more: str = ""


@dataclass(frozen=True)
class Shelf:
    """Cards of one kind.

    Attributes:
        noun: what one of them is called, for whoever looks for it in the page.
        cards: what there is.
        note: a word about their pictures.
    """

    noun: str
    cards: Sequence[Card]
    note: str = ""

    def show(self, key: str, on_choose: Callable[[str], None]) -> None:
        """Show the cards, of which one is pressed.

        Args:
            key: what the session calls this.
            on_choose: called with the name on the card that was pressed.
        """

        def take() -> None:
            name = (st.session_state.get(key) or {}).get("choose")
            if name in self._names():
                on_choose(name)

        self._mount(key, None, 0, False, take)

    def choice(
        self, key: str, names: Sequence[str], on_choose: Callable[[list[str]], None], tray: bool = False
    ) -> None:
        """Show the cards, of which several can be chosen, or a tray with those that are.

        Args:
            key: what the session calls this.
            names: what is chosen.
            on_choose: called with what is chosen after a press.
            tray: whether only that is shown, small.
        """
        turn = f"{key}-turn"

        def take() -> None:
            told = (st.session_state.get(key) or {}).get("choose")
            match told:
                case {"names": list(found), "turn": int(number)}:
                    st.session_state[turn] = number
                    known = self._names()
                    on_choose([name for name in dict.fromkeys(map(str, found)) if name in known])

        self._mount(key, list(names), st.session_state.get(turn, 0), tray, take)

    def _names(self) -> set[str]:
        return {card.name for card in self.cards}

    def _mount(self, key: str, chosen: list[str] | None, turn: int, tray: bool, take: Callable[[], None]) -> None:
        # A tray has no use for the others, and every run of a page sends this.
        cards = [asdict(card) for card in self.cards if not tray or card.name in (chosen or ())]
        data = {"noun": self.noun, "cards": cards, "note": self.note, "chosen": chosen, "turn": turn, "tray": tray}
        component(_FOLDER, with_kit=True)(key=key, data=data, on_choose_change=take)
