"""The knobs of the lane in hand. Letting one go changes that lane alone."""

from __future__ import annotations

import streamlit as st

from samp_core.films import MOST
from samp_core.methods import METHODS, Option
from samp_core.render import LANES
from ui.shared.knob import knob, said
from ui.shared.lanes import LIVE, STAYS_LIVE, Lane, Stage, cost
from ui.shared.method_cards import method_shelf
from ui.shared.sidebar import Question
from ui.shared.words import plain, seconds_in_words

_ROW = 5  # knobs in a row on a wide screen
_EDGES = tuple(zip(LANES["light"], LANES["dark"], strict=True))
_STYLE = f"""<style>
  [class*="st-key-knobs-"] {{ border-left: 4px solid; border-radius: 4px; padding-left: 14px; gap: 0.5rem; }}
  {
    "".join(
        f".st-key-knobs-{k} {{ border-left-color: light-dark({a}, {b}) !important; }}"
        for k, (a, b) in enumerate(_EDGES)
    )
}
  [data-testid="stPopoverBody"]:has([class*="-shelf-"]) {{ width: min(880px, 92vw); }}
  .st-key-feed-place {{ position: absolute; height: 0; overflow: hidden; }}
  @media (max-width: 640px) {{
    [class*="st-key-knobs-"] [data-testid="stHorizontalBlock"] {{ flex-wrap: wrap; gap: 0.6rem 1rem; }}
    [class*="st-key-knobs-"] [data-testid="stColumn"] {{ min-width: calc(50% - 0.5rem); flex: 1 1 calc(50% - 0.5rem); }}
  }}
</style>"""


def knobs(stage: Stage, question: Question) -> None:
    """Show the knobs of the lane in hand, and change its settings to what they say."""
    lane = stage.in_hand
    st.html(_STYLE)
    with st.container(key=f"knobs-{lane.colour}"):
        _bar(stage, lane, question)


def _bar(stage: Stage, lane: Lane, question: Question) -> None:
    columns = st.columns(_ROW + 1, vertical_alignment="top")
    name = columns[0].selectbox(
        "Method", list(METHODS), index=list(METHODS).index(lane.settings.method), key=_key(lane, "method"),
        format_func=lambda n: METHODS[n].title, help=METHODS[lane.settings.method].summary,
    )  # fmt: skip
    if name != lane.settings.method:
        lane.settings, lane.live = METHODS[name].defaults, None
        lane.generation += 1
        st.rerun()  # another method has other knobs
    method = METHODS[lane.settings.method]
    main = [option for option in method.options if not option.minor and option.counts(lane.settings.options)]
    rest = [*main[_ROW:], *(option for option in method.options if option.minor)]
    for column, option in zip(columns[1:], main[:_ROW], strict=False):
        with column:
            _turn(stage, lane, option, question)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        with st.popover("Start, end and more" if method.has_path else "More", width="content", key=_key(lane, "more")):
            for option in rest:
                _turn(stage, lane, option, question)
            if method.limits:
                st.caption(f"Limits: {method.limits}")
            st.caption(f"Source: {method.citation}")
        _actions(stage, lane, question)


def _turn(stage: Stage, lane: Lane, option: Option, question: Question) -> None:
    """Show one knob."""
    options, key = lane.settings.options, _key(lane, option.key)
    knob(
        option, options[option.name], key, disabled=not option.counts(options),
        on_change=_let_go, args=(stage, lane, option, question, key),
    )  # fmt: skip


def _let_go(stage: Stage, lane: Lane, option: Option, question: Question, key: str) -> None:
    """Take over what a knob says, and start a live lane: before the page is drawn, which takes a while."""
    options, before = lane.settings.options, lane.settings.options[option.name]
    after = said(option, before, st.session_state[key])
    if after == before:
        return
    lane.settings = lane.settings.changed(**{option.name: after})
    if lane.settings.options != {**options, option.name: after}:  # it took another one's place, whose knob begins anew
        lane.generation += 1
    stage.fill(question)


def _actions(stage: Stage, lane: Lane, question: Question) -> None:
    published = METHODS[lane.settings.method].defaults
    if st.button("Published settings", key=_key(lane, "reset"), type="tertiary", disabled=lane.settings == published):
        lane.settings, lane.live = published, None
        lane.generation += 1
        st.rerun()
    try:
        estimate, seconds = cost(lane, question)
    except ValueError as error:
        st.error(plain(error))
        return
    default = stage.is_live(lane, question)
    key = _key(lane, f"live-{default}")
    live = st.toggle(
        "Live", value=default, key=key, on_change=_choose_live, args=(lane, key),
        help="Letting a knob go restarts this lane at once. Off by itself where a run is expected to take longer than "
        f"{LIVE:g} seconds; where it was on, {STAYS_LIVE:g}. Another photo, network, class or score restarts it as "
        "well, unless you have switched this off.",
    )  # fmt: skip
    words = f"about **{estimate.gradients:,}** gradient evaluations, **{seconds_in_words(seconds)}**"
    if not stage.begun:
        words += ", for this lane"
    st.markdown(words, width="content")
    waiting = stage.waiting(question)
    if stage.begun and lane.identity in waiting and (not live or lane.run is None):
        st.button("Run", type="primary", key="run", on_click=_want, args=(stage, {lane.identity}))
    if not stage.begun:
        label = "Run" if len(stage.lanes) == 1 else "Run all lanes"
        st.button(label, type="primary", key="run", on_click=_want, args=(stage, waiting))
    elif waiting - {lane.identity}:  # say, lanes that were told to wait, after another photo was chosen
        st.button("Run all lanes", key="run-all", on_click=_want, args=(stage, waiting))
    if len(stage.lanes) < MOST:
        key = _key(lane, f"shelf-{len(stage.lanes)}")
        with st.popover("Add beside it", width="content", help="Put another method on the stage.", key=f"{key}-door"):
            method_shelf().show(key, lambda name: _add(stage, name))


def _want(stage: Stage, lanes: set[str]) -> None:
    stage.wanted |= lanes


def _add(stage: Stage, name: str) -> None:
    if len(stage.lanes) < MOST:
        stage.add(METHODS[name].defaults)


def _choose_live(lane: Lane, key: str) -> None:
    lane.live = st.session_state.get(key, lane.live)


def _key(lane: Lane, knob: str) -> str:
    # What a lane is asked is kept in the lane; a widget is new for every lane, method and reset and begins with that.
    return f"{lane.identity}-{lane.generation}-{lane.settings.method}-{knob}"
