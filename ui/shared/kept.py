"""Settings that last: on every page of a session, through a reload, and in a link that can be passed on.

The rule for every widget here: *what it stands for is kept under a name of its own, as the text that the link holds,
and only where it differs from the default*. The widget gets that value as its own default, and is set to it where it
shows another; what a visitor changes is kept before the page runs. Code sets a value by :meth:`Kept.put`, at any time,
and never by the widget's key: a value that only ``session_state[key]`` knows is lost when the visitor goes straight to
another page with the same widget, and the widget falls back to nothing, its minimum, or off.

:func:`restore` takes the values from the link when a session begins and when the visitor goes back or forward;
:func:`publish` brings the link up to date. A value in a link that is not possible is left out, and a word says so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from samp_core.methods import METHODS
from ui.shared.words import plain

T = TypeVar("T")

_STORE = "kept"
QUESTION = ("photo", "network", "device", "class", "contrast", "against", "score")
"""Names in a link that say what is explained."""
_NAMES = frozenset(
    {
        *QUESTION,
        *("lanes", "methods", "batch", "also", "start", "scope", "metrics", "box-x", "box-y", "result"),
        *("presenting", "units", "tune", "tune-a", "tune-b", "tune-over"),
    }
)
"""What may stand in a link, besides the settings of single methods, which are called ``method.setting``."""


def _is_ours(name: str) -> bool:
    return name in _NAMES or name.partition(".")[0] in METHODS


def _store() -> dict[str, str]:
    kept: dict[str, str] = st.session_state.setdefault(_STORE, {})
    return kept


def text(name: str) -> str | None:
    """Return what is kept under a name, as the link holds it; None for the default."""
    return _store().get(name)


def put(name: str, value: str | None) -> None:
    """Keep a text under a name; None for the default."""
    if value is None:
        _store().pop(name, None)
    else:
        _store()[name] = value


def reject(name: str) -> None:
    """Drop what a link said under a name, with a word about it."""
    put(name, None)
    # What it said is not repeated: anybody can write links.
    st.toast(f"The link's value of “{plain(name)}” is not possible here, so the usual one is used.")
    publish()


def link() -> dict[str, str]:
    """Return what differs from its default and may stand in a link, for links to other pages."""
    return {name: words for name, words in _store().items() if _is_ours(name)}


def replace(values: Mapping[str, str]) -> None:
    """Forget all that is kept and keep these values, as :func:`link` returned them before."""
    st.session_state[_STORE] = {name: words for name, words in values.items() if _is_ours(name)}


def restore() -> bool:
    """Take over what the link says, if it is newer than the session; return whether it was."""
    if _STORE in st.session_state and not getattr(get_script_run_ctx(), "is_history_navigation", False):
        return False
    st.session_state[_STORE] = {name: st.query_params[name] for name in st.query_params if _is_ours(name)}
    return True


def publish() -> None:
    """Bring the page's link up to date. What others keep in it stays."""
    wanted, shown = link(), {name: st.query_params[name] for name in st.query_params if _is_ours(name)}
    if wanted == shown:
        return
    if len(shown) == len(st.query_params):
        st.query_params.from_dict(wanted)  # at once, so that it is one step back in the browser's history
        return
    for name in shown.keys() - wanted.keys():
        del st.query_params[name]
    st.query_params.update(wanted)


def _as_it_is(value: Any) -> Any:
    return value


@dataclass(frozen=True)
class Kept(Generic[T]):
    """A setting that lasts.

    Attributes:
        name: what it is called in the link.
        default: its value where nothing is kept.
    """

    name: str
    default: T

    def _read(self, words: str) -> T:
        """Return the value that a text stands for.

        Raises:
            ValueError: it stands for none.
        """
        raise NotImplementedError

    def _write(self, value: T) -> str:
        """Return the text that stands for a value."""
        return str(value)

    def value(self) -> T:
        """Return what is kept, or the default; what cannot be read is dropped with a word about it."""
        kept = text(self.name)
        if kept is None:
            return self.default
        try:
            return self._read(kept)
        except ValueError:
            reject(self.name)
            return self.default

    def put(self, value: T) -> None:
        """Keep a value; the widget shows it from its next run on."""
        put(self.name, None if value == self.default else self._write(value))

    def _show(
        self,
        widget: Callable[..., Any],
        label: str,
        key: str,
        default: Callable[[Any], dict[str, Any]],
        resets: Sequence[str] = (),
        shown: Callable[[T], Any] = _as_it_is,
        value: Callable[[Any], T] = _as_it_is,
        **more: Any,
    ) -> T:
        """Show a widget for it.

        Args:
            widget: the function of Streamlit.
            label, key, more: what it is given.
            default: the arguments that make a value the widget's own default.
            resets: names of settings that go back to their defaults when somebody changes this one.
            shown, value: from a value to what the widget shows, and back.
        """
        now = shown(self.value())
        if key in st.session_state and st.session_state[key] != now:
            st.session_state[key] = now

        def take() -> None:
            if key not in st.session_state:
                return  # the page was left before the change arrived, and its widget went with it
            self.put(value(st.session_state[key]))
            for name in resets:
                put(name, None)

        return value(widget(label, key=key, on_change=take, **default(now), **more))


@dataclass(frozen=True)
class Number(Kept[T]):
    """A number in a range; ``default``, ``low``, ``high`` and ``step`` are all whole or all not."""

    low: float
    high: float
    step: float = 1

    def _read(self, words: str) -> T:
        kind = type(self.default)
        number = float(words)
        if not self.low <= number <= self.high:
            raise ValueError(words)
        number = min(self.low + round((number - self.low) / self.step) * self.step, self.high)
        return kind(round(number, 10))  # type: ignore[call-arg]

    def _write(self, value: T) -> str:
        return f"{value:g}"

    def slider(self, label: str, key: str, **more: Any) -> T:
        """Show it as a slider."""
        kind: Any = type(self.default)
        low, high, step = kind(self.low), kind(self.high), kind(self.step)
        return self._show(
            st.slider, label, key, lambda v: {"value": v}, min_value=low, max_value=high, step=step, **more
        )


@dataclass(frozen=True)
class Range(Kept[tuple[int, int]]):
    """Two whole numbers in order."""

    low: int
    high: int

    def _read(self, words: str) -> tuple[int, int]:
        first, last = map(int, words.split())
        if not self.low <= first <= last <= self.high:
            raise ValueError(words)
        return first, last

    def _write(self, value: tuple[int, int]) -> str:
        return f"{value[0]} {value[1]}"

    def slider(self, label: str, key: str, **more: Any) -> tuple[int, int]:
        """Show it as a slider with two ends."""
        return self._show(
            st.slider, label, key, lambda v: {"value": v}, min_value=self.low, max_value=self.high, **more
        )


@dataclass(frozen=True)
class Choice(Kept[T]):
    """One of some options; ``words`` says what each is called in the link."""

    options: Sequence[T]
    words: Callable[[T], str] = str

    def _read(self, words: str) -> T:
        for option in self.options:
            if self.words(option) == words:
                return option
        raise ValueError(words)

    def _write(self, value: T) -> str:
        return self.words(value)

    def _index(self, value: T) -> dict[str, Any]:
        return {"index": list(self.options).index(value)}

    def selectbox(self, label: str, key: str, **more: Any) -> T:
        """Show it as a drop-down list."""
        return self._show(st.selectbox, label, key, self._index, options=self.options, **more)

    def radio(self, label: str, key: str, **more: Any) -> T:
        """Show it as a list of radio buttons."""
        return self._show(st.radio, label, key, self._index, options=self.options, **more)

    def segments(self, label: str, key: str, **more: Any) -> T:
        """Show it as a row of buttons, one of which is always chosen."""
        return self._show(
            st.segmented_control, label, key, lambda v: {"default": v}, options=self.options, required=True, **more
        )

    def select_slider(self, label: str, key: str, **more: Any) -> T:
        """Show it as a slider over the options."""
        return self._show(st.select_slider, label, key, lambda v: {"value": v}, options=self.options, **more)


@dataclass(frozen=True)
class Several(Kept[list[str]]):
    """Some of many names, in the order of choice."""

    options: Sequence[str]

    def _read(self, words: str) -> list[str]:
        names = list(dict.fromkeys(words.split()))
        if not set(names) <= set(self.options):
            raise ValueError(words)
        return names

    def _write(self, value: list[str]) -> str:
        return " ".join(value)


@dataclass(frozen=True)
class Flag(Kept[bool]):
    """Something that is off until somebody wants it."""

    default: bool = False

    def _read(self, words: str) -> bool:
        if words != "on":
            raise ValueError(words)
        return True

    def _write(self, value: bool) -> str:
        return "on"

    def toggle(self, label: str, key: str, **more: Any) -> bool:
        """Show it as a switch."""
        return self._show(st.toggle, label, key, lambda v: {"value": v}, **more)


@dataclass(frozen=True)
class Text(Kept[str]):
    """Words."""

    def _read(self, words: str) -> str:
        return words

    def text_input(self, label: str, key: str, **more: Any) -> str:
        """Show it as a line to write in."""
        return self._show(st.text_input, label, key, lambda v: {"value": v}, **more)
