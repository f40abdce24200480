"""Which methods to compare, each with its own settings."""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from dataclasses import replace

import streamlit as st

from samp_core.baselines import BASELINES
from samp_core.methods import METHODS, Method, Settings
from samp_core.words import start_of
from ui.shared import kept, state
from ui.shared.knob import KeptOption, changes
from ui.shared.lanes import current
from ui.shared.link import from_text, to_text
from ui.shared.method_cards import method_shelf
from ui.shared.sidebar import Question
from ui.shared.words import seconds_in_words
from ui.work.cost import Work
from ui.work.queue import missing

_PATHS = ("samp", "samp++", "samp-steady", "ig", "blur-ig", "guided-ig")
_FAST = ("samp", "ig", "grad-cam", "edges")
_TABLE = (
    *("samp", "samp++", "samp-steady", "samp-isotonic", "ig", "blur-ig", "guided-ig", "gradient-shap"),
    *("smoothgrad", "deeplift"),
    *("grad-cam", "grad-cam++", "layer-cam", "score-cam", "occlusion", "rise", "xrai", "random"),
)
MINE = "My choice"
BATCHES = (1, 2, 4, 8, 16, 32, 64)


def presets() -> dict[str, list[str]]:
    """Return the methods of each preset, of those that are registered."""
    return {
        "Path methods": [n for n in _PATHS if n in METHODS],
        "Every path": [m.name for m in METHODS.values() if m.has_path],
        "Fast": [n for n in _FAST if n in METHODS],
        "The paper's table": [n for n in _TABLE if n in METHODS],
        "All": list(METHODS),
    }


_SHORT = {"Path methods": "path", "Every path": "paths", "Fast": "fast", "The paper's table": "paper", "All": "all"}
_BATCH = kept.Choice("batch", 16, BATCHES)
_UNITS = kept.Flag("units")
_START = kept.Choice("start", "", ["", *BASELINES])
MOST_FURTHER = 8  # further cards; a link can hold them


def in_units(key: str) -> bool:
    """Let people see and measure maps in units of the score; returns whether they want it."""
    return _UNITS.toggle(
        "In the score's units", key=key,
        help="Calibrates every map by its own deletion and insertion curves: it keeps its order of pixels and adds "
        "up to the same change of the score, so all maps share one scale of colours. Where a map's order is not "
        "that of what its pixels do, they are given nearly equal credit.",
    )  # fmt: skip


def _in_link(preset: str) -> str:
    """Return what a preset is called in a link; one's own choice is a list of methods."""
    if preset != MINE:
        return _SHORT[preset]
    words = kept.text("methods")
    if words is None or not set(words.split()) <= set(METHODS):
        words = kept.text("mine")
    return " ".join(presets()["Fast"]) if words is None else words


_PRESET = kept.Choice("methods", "Path methods", [*presets(), MINE], _in_link)


def further() -> list[Settings]:
    """Return the settings of the cards beside one for each method."""
    texts = (kept.text("also") or "").split(";")[:MOST_FURTHER]
    return [settings for settings in map(from_text, texts) if settings is not None]


def _keep_further(wanted: Sequence[Settings]) -> None:
    texts = list(dict.fromkeys(map(to_text, wanted)))[:MOST_FURTHER]
    kept.put("also", ";".join(texts) or None)


def _asked(question: Question, settings: Settings) -> Settings:
    """Return a method's settings with what all methods share."""
    starts = [d.end.option for d in METHODS[settings.method].directions if d.is_toward and d.end.option]
    if _START.value() and starts:
        settings = settings.changed(**dict.fromkeys(starts, _START.value()))
    return replace(
        settings,
        score=question.score,
        target=question.target,
        contrast=question.contrast,
        batch_size=_BATCH.value(),
    )


def _names(preset: str) -> list[str]:
    return presets()[preset] if preset != MINE else kept.Several("methods", [], list(METHODS)).value()


def _choose(names: Sequence[str]) -> None:
    kept.put("methods", " ".join(names))  # an empty list, too: it is still a choice of one's own


def removable(question: Question) -> dict[str, Settings]:
    """Return the further cards, as they are kept, by the key of their results; a method's own card is none."""
    own = {to_text(_asked(question, _settings(METHODS[name]))) for name in _names(_PRESET.value())}
    cards = [(_asked(question, settings), settings) for settings in further()]
    return {
        state.run_key(question.network, question.photo, asked): settings
        for asked, settings in cards
        if to_text(asked) not in own
    }


def remove(question: Question, key: str) -> None:
    """Take a further card away."""
    gone = removable(question).get(key)
    _keep_further([each for each in further() if each != gone])


def _add_lanes() -> None:
    _keep_further([*further(), *(lane.settings for lane in current().lanes)])


def _add_twin(method: Method) -> None:
    _keep_further([*further(), _settings(method)])


def choice(question: Question, twins: bool = False) -> list[Settings]:
    """Show the presets, the picker and each method's settings; return the settings of the chosen methods.

    Args:
        question: what is explained.
        twins: whether a method may be chosen more than once, at other settings.
    """
    preset = _PRESET.segments("Methods", key="compare-preset", wrap=True, label_visibility="collapsed")
    if preset == MINE:
        kept.put("mine", kept.text("methods"))  # to come back to after a look at a preset
    names, methods = _names(preset), method_shelf()
    methods.choice("compare-tray", names, _choose, tray=True)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        with st.popover("Choose methods", width="content", help="All there are, with what each does."):
            methods.choice("compare-shelf", names, _choose)
        _all_settings(names, twins)
        _START.selectbox(
            "All paths start at", key="compare-start", label_visibility="collapsed", width=260,
            format_func=lambda n: f"All paths start at: {BASELINES[n].title}" if n else "Paths start as published",
            help="One start for the insertion of all path methods, so that their maps differ by path alone. Blur IG "
            "has a start of its own.",
        )  # fmt: skip
        if twins:
            st.button("Add the stage's lanes", on_click=_add_lanes, key="compare-lanes", help=_LANES)
    chosen = [_settings(METHODS[n]) for n in names] + (further() if twins else [])
    wanted = list({to_text(s): s for s in (_asked(question, settings) for settings in chosen)}.values())
    if wanted:
        st.caption(" ".join((changes(wanted), *starts(wanted))))
    return wanted


_LANES = (
    "Each lane of Explain, with its settings, becomes a card here, beside the card of its method. A lane with the very "
    "settings of a card adds none."
)


def _all_settings(names: Sequence[str], twins: bool) -> None:
    with st.popover("Settings of each method", width="content"):
        if not names:
            st.caption("No method is chosen.")
            return
        name = st.selectbox(
            "Method", names, format_func=lambda n: METHODS[n].title, key="compare-which", persist_state="session"
        )
        _show(METHODS[name])
        if twins and _knobs(METHODS[name]):
            st.button(
                "Keep a card with these settings", on_click=_add_twin, args=(METHODS[name],),
                key=f"compare-{name}-twin",
                help="A second card of this method appears as soon as its settings here are other ones.",
            )  # fmt: skip
        st.divider()
        _BATCH.select_slider(
            "Images at once", key="compare-batch",
            help="How many images are sent through the network together: more take more memory. The number also "
            "changes how the network rounds, and a search can follow that to another map, so keep it for maps that are "
            "to be compared.",
        )  # fmt: skip


def _knobs(method: Method) -> dict[str, KeptOption]:
    """Return what can be set of a method, by name, with its published values as defaults."""
    return {option.name: KeptOption(f"{method.name}.{option.key}", option.default, option) for option in method.options}


def _reset(method: Method) -> None:
    for knob in _knobs(method).values():
        kept.put(knob.name, None)


def _show(method: Method) -> None:
    """Show one method's settings."""
    st.caption(method.summary)
    if method.limits:
        st.caption(f"Limits: {method.limits}")
    knobs = _knobs(method)
    for name, knob in knobs.items():
        settings = _settings(method)
        if knob.option.counts(settings.options):
            knob.knob(key=f"compare-{method.name}-{name}")
    if knobs:
        st.button("Reset to published values", on_click=_reset, args=(method,), key=f"compare-{method.name}-reset")
    else:
        st.caption("It has no settings.")


def _settings(method: Method) -> Settings:
    changes = {name: value for name, knob in _knobs(method).items() if (value := knob.value()) != knob.default}
    return method.defaults.changed(**changes)


def starts(wanted: list[Settings]) -> list[str]:
    """Say it where the paths of a choice start at different images."""
    places: dict[str, list[str]] = {}
    for settings in wanted:
        method = METHODS[settings.method]
        if start := start_of(settings):
            titles = places.setdefault(start, [])
            titles += [method.title] if method.title not in titles else []
    if len(places) < 2:
        return []
    words = "; ".join(f"{', '.join(titles)}: {place}" for place, titles in places.items())
    return [f"The insertion paths start at different images ({words}), so the maps differ by start as well as by path."]


def estimate(
    question: Question,
    wanted: list[Settings],
    metrics: Sequence[str] | None = None,
    noun: str = "method",
    calibrates: bool = False,
    known: Callable[[str], Container[str]] = lambda key: (),
) -> str:
    """Say how long explaining and measuring will take, before it begins; what is remembered costs nothing.

    Args:
        question: photo, network and score.
        wanted: the methods.
        metrics: what is measured; without it, both curves, and those that are remembered cost nothing either.
        noun: what each of them is called.
        calibrates: whether what is measured is the map in units of the score.
        known: which metrics are known already of a result with this key.
    """
    remembered = state.entries()
    expected = bound = 0.0  # in gradient evaluations
    besides, there = 0.0, 0
    for settings in wanted:
        key = state.run_key(question.network, question.photo, settings)
        entry, asked = remembered.get(key), None if metrics is None else missing(metrics, known(key))
        if entry is None or (entry.deletion is None if asked is None else asked):
            work = Work.of(question.classifier, settings, asked, entry is not None, calibrates)
            expected, bound = expected + work.map + work.rest, bound + work.map_bound + work.rest_bound
            besides += work.seconds
        there += entry is not None
    count = f"{len(wanted)} {noun}{'s' * (len(wanted) != 1)}"
    memory = f", {there if there < len(wanted) else 'all'} of them remembered" if there else ""
    if not expected and not besides:
        return f"nothing to wait for: {count}{memory}"
    second = state.seconds_per_gradient(question.network)
    seconds, at_most = expected * second + besides, bound * second + besides
    most = f", at most **{seconds_in_words(at_most)}**" if at_most > 1.1 * seconds else ""
    return f"about **{seconds_in_words(seconds)}**{most} for {count}{memory}"
