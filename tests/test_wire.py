"""The line on which a view hears of the work that it shows, asked as a browser asks it."""

from __future__ import annotations

import asyncio
import gc
import json
import math
import threading
from collections.abc import Callable
from itertools import count
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match

from ui.components import wire
from ui.components.feed import feed
from ui.components.wire import WIRE_ROUTE, Wire


def ask(number: str, epoch: object = 0) -> Response:
    path, query = f"/wire/{number}", f"epoch={epoch}".encode()
    scope = {"type": "http", "method": "GET", "path": path, "headers": [], "query_string": query}
    match, found = WIRE_ROUTE.matches(scope)
    assert match is Match.FULL
    return asyncio.run(WIRE_ROUTE.endpoint(Request(scope | found)))


def told(number: str, epoch: object = 0) -> dict[str, Any]:
    answer = ask(number, epoch)
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    message: dict[str, Any] = json.loads(bytes(answer.body))
    return message


def say(line: Wire, live: bool = True, is_new: bool = False) -> dict[str, Any]:
    """Let the script send what it has to say now."""
    return line.say(lambda: is_new, lambda: {"whole": True}, live)


def counting() -> Callable[[], dict[str, Any]]:
    numbers = count(1)
    return lambda: {"message": next(numbers), "goes_on": True}


@pytest.mark.parametrize("path", ["/wire/a", "/behind/a/proxy/wire/a"])
def test_it_is_found_below_any_path(path):
    scope = {"type": "http", "method": "GET", "path": path, "headers": []}
    match, found = WIRE_ROUTE.matches(scope)
    assert match is Match.FULL
    assert found["path_params"]["number"] == "a"


def test_a_view_that_was_mounted_anew_is_told_everything():
    line = Wire()
    line.lead(lambda: 1, counting())
    assert "whole" in say(line)
    told(line.number, line.epoch)
    assert say(line)["quiet"], "it asks on the wire"
    assert "whole" in say(line, is_new=True), "the wire knows nothing of what does not change"


def test_nobody_hears_anything_by_another_number():
    line = Wire()
    line.lead(lambda: 1, counting())
    assert ask("nobody").status_code == 404
    assert ask(line.number[:-1]).status_code == 404
    assert told(line.number)["message"] == 1
    assert len(line.number) >= 32
    assert line.number != Wire().number


def test_a_session_that_is_gone_takes_its_line_along():
    line = Wire()
    number = line.number
    del line
    gc.collect()
    assert ask(number).status_code == 404


def test_an_answer_waits_for_something_new(monkeypatch):
    monkeypatch.setattr(wire, "PATIENCE", 60.0)
    line, signs = Wire(), [1]
    line.lead(lambda: signs[0], counting())
    assert told(line.number)["message"] == 1
    timer = threading.Timer(0.2, lambda: signs.append(signs.pop() + 1))
    timer.start()
    assert told(line.number)["message"] == 2
    timer.join()
    assert signs == [2], "the answer came before there was anything to tell"


def test_an_answer_does_not_wait_for_ever(monkeypatch):
    monkeypatch.setattr(wire, "PATIENCE", 0.05)
    line = Wire()
    line.lead(lambda: 1, counting())
    assert [told(line.number)["message"] for _ in range(2)] == [1, 2]


def test_what_has_to_be_told_again_does_not_wait_for_something_new(monkeypatch):
    monkeypatch.setattr(wire, "PATIENCE", 60.0)
    line = Wire()
    line.lead(lambda: 1, counting())
    assert say(line) == {"whole": True, "live": line.number, "epoch": 1}
    assert told(line.number, 1)["message"] == 1
    assert say(line) == {"quiet": True, "live": line.number, "epoch": 1}
    assert told(line.number, 1)["message"] == 2


def test_the_script_says_all_of_it_where_the_view_does_not_ask():
    line = Wire()
    line.lead(lambda: 1, counting())
    assert [say(line)["epoch"] for _ in range(2)] == [1, 2]  # nobody has asked yet
    told(line.number, 2)
    assert "quiet" in say(line)
    assert say(line, live=False) == {"whole": True, "live": None, "epoch": 3}  # the work is over
    told(line.number, 3)
    line.lead(lambda: 1, counting())
    assert say(line) == {"whole": True, "live": line.number, "epoch": 4}  # a new run of the script


def test_what_changes_while_a_message_is_made_is_told_with_the_next(monkeypatch):
    monkeypatch.setattr(wire, "PATIENCE", 60.0)
    line, signs = Wire(), [1]

    def news() -> dict[str, Any]:
        seen = signs[0]
        signs[0] = 2
        return {"seen": seen, "goes_on": True}

    line.lead(lambda: signs[0], news)
    assert [told(line.number)["seen"] for _ in range(2)] == [1, 2]


def test_an_old_epoch_hears_nothing_and_at_once(monkeypatch):
    monkeypatch.setattr(wire, "PATIENCE", 60.0)
    line = Wire()
    line.lead(lambda: 1, counting())
    say(line)
    for old in (0, -1, "", "nonsense", "99999999999999999999"):
        assert told(line.number, old) == {"passed": True}
    assert not line.in_use
    assert told(line.number, 1)["message"] == 1, "nothing was used up by those"
    assert line.in_use

    def script() -> None:
        line._first = True  # as a new run of the script does, without news
        say(line)

    timer = threading.Timer(0.2, script)
    timer.start()
    assert told(line.number, 1) == {"passed": True}, "what waits in an old epoch need not wait for news"
    timer.join()
    assert not line.in_use, "what the script said last was not heard yet"


def test_what_is_no_number_is_told_as_none():
    line = Wire()
    line.lead(lambda: 1, lambda: {"figures": {"a": math.inf, "b": [math.nan, 1.5, (2, -math.inf)]}, "goes_on": True})
    assert told(line.number)["figures"] == {"a": None, "b": [None, 1.5, [2, None]]}


def test_nor_does_the_script_tell_what_no_browser_can_read(monkeypatch):
    sent: dict[str, Any] = {}
    monkeypatch.setattr("ui.components.feed.component", lambda folder: lambda **given: sent.update(given) or {})
    feed("toy", {"figures": [math.nan, 2.0]}, "key", lambda act: None, {})
    assert sent["data"] == {"figures": [None, 2.0], "view": "toy"}


def test_it_knows_whether_the_end_was_told():
    line, active = Wire(), [True]
    line.lead(lambda: active[0], lambda: {"goes_on": active[0]})
    assert not line.over
    told(line.number)
    assert not line.over
    active[0] = False
    told(line.number)
    assert line.over
    line.lead(lambda: 2, lambda: {"goes_on": True})
    assert not line.over, "there is more work"
