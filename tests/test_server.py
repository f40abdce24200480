"""Who may open a session, and how the app starts; tests/test_browser.py asks a real server."""

from __future__ import annotations

import asyncio
import contextlib
import webbrowser

import pytest
import streamlit as st
from streamlit.runtime.scriptrunner import RerunData
from streamlit.runtime.scriptrunner_utils.script_requests import ScriptRequests, ScriptRequestType

from ui.shared.leaving import keep_to, let_pages_win
from ui.shared.server import Guard, may_connect, opened_in_browser, policy


def options(monkeypatch, **values):
    monkeypatch.setattr(st, "get_option", lambda name: values[name.removeprefix("server.")])


def scope(host, origin=None, client="127.0.0.1"):
    headers = [(b"host", host.encode())] if host is not None else []
    if origin is not None:
        headers.append((b"origin", origin.encode()))
    return {"type": "websocket", "headers": headers, "client": (client, 50_000)}


@pytest.mark.parametrize(
    ("address", "allowed", "connection", "may"),
    [
        ("127.0.0.1", [], scope("localhost:8501", "http://localhost:8501"), True),
        ("127.0.0.1", [], scope("127.0.0.1:8501"), True),
        ("::1", [], scope("[::1]:8501", client="::1"), True),
        ("127.0.0.1", [], scope("foreign.example:8501", "http://foreign.example:8501"), False),
        ("127.0.0.1", ["app.example"], scope("app.example", "https://app.example"), True),  # a proxy in front
        ("127.0.0.1", ["app.example"], scope("app.example"), False),
        ("127.0.0.1", [], scope(None), False),
        ("127.0.0.1", [], scope("[nonsense"), False),
        ("0.0.0.0", [], scope("192.168.0.7:8501", "http://192.168.0.7:8501", "192.168.0.9"), True),
        ("0.0.0.0", [], scope("192.168.0.7:8501", client="192.168.0.9"), False),
        ("0.0.0.0", [], scope("localhost:8501", client="192.168.0.9"), False),
        ("0.0.0.0", [], scope("localhost:8501"), True),
        (None, [], scope("192.168.0.7:8501", client="192.168.0.9"), False),
    ],
)
def test_who_may_open_a_session(address, allowed, connection, may, monkeypatch):
    options(monkeypatch, address=address, allowedHosts=allowed)
    assert may_connect(connection) is may


@pytest.mark.parametrize(
    ("kind", "words", "passes"),
    [
        ("websocket", 'Cannot call "send" once a close message has been sent.', True),
        ("websocket", "something else", False),
        ("http", 'Cannot call "send" once a close message has been sent.', False),
    ],
)
def test_a_browser_that_leaves_is_no_error(kind, words, passes):
    async def app(scope, receive, send):
        raise RuntimeError(words)

    async def nothing(message=None):
        return message

    connection = scope("127.0.0.1:8501", "http://127.0.0.1:8501") | {"type": kind}
    with contextlib.nullcontext() if passes else pytest.raises(RuntimeError, match=words):
        asyncio.run(Guard(app)(connection, nothing, nothing))


def test_the_policy_lets_no_script_in_that_is_not_served():
    scripts = next(part for part in policy().split("; ") if part.startswith("script-src"))
    assert "unsafe" not in scripts
    assert "'sha256-" in scripts  # the one inline script of Streamlit's page
    assert "*" not in policy()
    assert "http" not in policy()


@pytest.mark.parametrize("headless", [True, False])
def test_the_browser_opens_at_the_start(headless, monkeypatch):
    opened = []
    monkeypatch.setattr(webbrowser, "open", opened.append)
    options(monkeypatch, headless=headless, address="0.0.0.0", port=8502, sslCertFile=None, baseUrlPath="")

    async def start():
        async with opened_in_browser(None):
            pass

    asyncio.run(start())
    assert opened == ([] if headless else ["http://localhost:8502/"])


def test_what_another_page_asks_for_is_passed_over():
    requests = ScriptRequests()
    here = ["new"]
    keep_to(requests, lambda: here[0])

    def asked(page: str, fragment: str | None) -> None:
        requests.request_rerun(RerunData(page_script_hash=page, fragment_id=fragment))

    asked("old", "a fragment")
    assert requests.on_scriptrunner_ready().type == ScriptRequestType.STOP
    for page, fragment in (("new", "a fragment"), ("old", None)):  # its own; or somebody goes back
        requests = ScriptRequests()
        keep_to(requests, lambda: here[0])
        asked(page, fragment)
        request = requests.on_scriptrunner_ready()
        assert request.type == ScriptRequestType.RERUN
        assert request.rerun_data.page_script_hash == page
        assert requests.on_scriptrunner_ready().type == ScriptRequestType.STOP


@pytest.mark.parametrize("fragment_of", ["left", "gone to"])
def test_a_page_that_was_gone_to_is_not_lost_to_a_fragment(fragment_of):
    class Requests(ScriptRequests):  # Streamlit's own stays as it is
        pass

    let_pages_win(Requests)
    let_pages_win(Requests)
    requests = Requests()
    assert requests.request_rerun(RerunData(page_script_hash="gone to"))
    assert requests.request_rerun(RerunData(page_script_hash=fragment_of, fragment_id="a fragment"))
    request = requests.on_scriptrunner_ready()
    assert request.rerun_data.page_script_hash == "gone to"
    assert not request.rerun_data.fragment_id_queue
    assert requests.on_scriptrunner_ready().type == ScriptRequestType.STOP


def test_the_last_page_that_is_gone_to_wins():
    class Requests(ScriptRequests):
        pass

    let_pages_win(Requests)
    requests = Requests()
    for page in ("first", "second"):
        assert requests.request_rerun(RerunData(page_script_hash=page))
    assert requests.on_scriptrunner_ready().rerun_data.page_script_hash == "second"
