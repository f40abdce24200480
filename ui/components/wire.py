"""A line from a view in the browser to the work that it shows, past the page's script.

A run of the script, even of a fragment, has the browser look at the whole page anew, on the cores that the work needs.
So a view asks here for news while work is under way, by a number that only its own session was given; the answer waits
until there are any.

Messages bring what is new since the last one, so they must be heard in the order in which they were made, whichever way
they come. The script therefore makes none while the view asks here, and where it has to, it begins a new epoch: what is
asked in the old one is answered at once, without news, and the view waits for the script's message.
"""

from __future__ import annotations

import asyncio
import json
import math
import secrets
import threading
import time
from collections.abc import Callable, Hashable
from typing import Any
from weakref import WeakValueDictionary

import streamlit as st
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ui.components.numbers import readable

WIRED = 1.0  # seconds between two looks of a page's script at work under way, whose news the view hears on its wire
POLL = 0.15  # the same where it cannot: each look costs the browser time on the cores that the work needs
LOOK = 0.02  # seconds between two looks whether there is something new
PATIENCE = 2.0  # seconds after which an answer says that there is nothing new: browsers keep six lines to a server
_WIRES: WeakValueDictionary[str, Wire] = WeakValueDictionary()


class Wire:
    """One session's line to one view; it is open as long as the session keeps it.

    Attributes:
        number: what the view asks by; nobody can guess it.
        lock: held while a message is made, here or for the page's script.
        epoch: the number of the script's newest message.
        over: whether the view was told that the work has ended.
    """

    def __init__(self) -> None:
        self.number = secrets.token_urlsafe(24)
        self.lock = threading.Lock()
        self.epoch = 0
        self.over = False
        self._asked = -math.inf  # when the view asked last, or had its last answer
        self._signs: Callable[[], Hashable] = lambda: None
        self._news: Callable[[], dict[str, Any]] = dict
        self._told: Hashable = None
        self._first = True  # whether the script has not said anything since it took the lead
        _WIRES[self.number] = self

    def lead(self, signs: Callable[[], Hashable], news: Callable[[], dict[str, Any]]) -> None:
        """Say what the view can hear of from now on. Both are called by other threads than the script's.

        Args:
            signs: cheap; something else whenever there is something new.
            news: the message; its ``goes_on`` says whether the work does.
        """
        self._signs, self._news, self._told, self.over = signs, news, None, False
        self._first = True

    def say(self, hear: Callable[[], bool], make: Callable[[], dict[str, Any]], live: bool) -> dict[str, Any]:
        """Return what the script sends now: the first message since it took the lead brings everything.

        After that the wire brings what is new, as long as the view asks there, and the script's are ``quiet``.

        Args:
            hear: takes in what the view says to have, and says whether it was mounted anew: on the wire comes what is
                new of the work alone, and such a view misses more.
            make: the whole message; it begins a new epoch.
            live: whether work goes on of which the view can hear here.
        """
        with self.lock:
            is_new = hear()
            if not self._first and self.in_use and live and not is_new:
                self._told = None  # something may have to be told again, so the next answer comes at once
                message: dict[str, Any] = {"quiet": True}
            else:
                self._first = False
                self.epoch += 1
                self._asked = -math.inf
                message = make()
        return {**message, "live": self.number if live else None, "epoch": self.epoch}

    @property
    def in_use(self) -> bool:
        """Whether the view asks here, in this epoch."""
        return time.monotonic() - self._asked < PATIENCE + WIRED

    def touch(self, epoch: int) -> None:
        """Note that the view asks in this epoch, or is answered, now."""
        if epoch == self.epoch:
            self._asked = time.monotonic()

    @property
    def stirs(self) -> bool:
        """Whether there is something that the view was not told."""
        return self._signs() != self._told

    def tell(self, epoch: int) -> dict[str, Any]:
        """Return the newest message; of an epoch that has passed, that it has."""
        with self.lock:
            if epoch != self.epoch:
                return {"passed": True}
            told = self._signs()  # before the message: what changes meanwhile is told once more
            message = self._news()
            self._told = told
            self.over = not message.get("goes_on")
        return message


def wire_of(key: str) -> Wire:
    """Return the line that the session keeps under this key."""
    if key not in st.session_state:
        st.session_state[key] = Wire()
    found: Wire = st.session_state[key]
    return found


async def _answer(request: Request) -> Response:
    headers = {"Cache-Control": "no-store"}
    wire = _WIRES.get(request.path_params["number"])
    if wire is None:  # the session is gone, or the server began anew
        return Response(status_code=404, headers=headers)
    asked = request.query_params.get("epoch", "")
    epoch = int(asked) if asked.isdecimal() else -1
    until = time.monotonic() + PATIENCE
    wire.touch(epoch)
    while not wire.stirs and epoch == wire.epoch and time.monotonic() < until:
        await asyncio.sleep(LOOK)
    body = json.dumps(readable(await asyncio.to_thread(wire.tell, epoch)), allow_nan=False)
    wire.touch(epoch)
    # Pictures hardly get smaller, and packing them would take the time that the work needs.
    return Response(body, media_type="application/json", headers=headers | {"Content-Encoding": "identity"})


WIRE_ROUTE = Route("/{base:path}wire/{number}", _answer)
"""Where views ask, below whatever path the app is served at."""
