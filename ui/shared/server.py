"""What serves the app beside Streamlit: what a page may load, who may open a session, and the browser at the start."""

from __future__ import annotations

import base64
import hashlib
import ipaddress
import re
import secrets
import webbrowser
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

import streamlit as st
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

BROWSER = "samp-browser"
"""The cookie by which a browser finds its own results again: a random number, and nothing else."""
_TOKEN = re.compile(r"[0-9a-f]{32}")
_YEAR = 365 * 24 * 3600


@cache
def policy() -> str:
    """Return the content security policy: whatever a page shows or runs comes from this server.

    Streamlit's styles are inline, its pictures and the components' scripts (``ui/components/mount.py``) blobs.
    """
    page = (Path(st.__file__).parent / "static" / "index.html").read_text(encoding="utf-8")
    inline = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    hashes = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in inline]
    return "; ".join(
        (
            "default-src 'self'",
            " ".join(("script-src 'self' blob:", *(f"'sha256-{value}'" for value in hashes))),
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data: blob:",
            "font-src 'self' data:",
            "media-src 'self' blob:",
            "object-src 'none'",
            "base-uri 'self'",
            "form-action 'self'",
            "frame-ancestors 'self'",
        )
    )


def _is_loopback(host: str | None) -> bool:
    try:
        return host == "localhost" or (host is not None and ipaddress.ip_address(host).is_loopback)
    except ValueError:
        return False


def may_connect(scope: Scope) -> bool:
    """Say whether a session may be opened; Streamlit compares origin and host after that, if both are named."""
    headers = Headers(scope=scope)
    try:
        host = urlsplit(f"//{headers.get('host', '')}").hostname
    except ValueError:
        return False
    local = _is_loopback(host)
    # A server for this machine alone is known by no other name. One that leads here all the same belongs to a foreign
    # page (DNS rebinding), unless the operator names it in server.allowedHosts, which Streamlit checks.
    if _is_loopback(st.get_option("server.address")) and not local and not st.get_option("server.allowedHosts"):
        return False
    # Browsers always name the origin. Programs need not, on this machine.
    client = scope.get("client")
    return "origin" in headers or (local and client is not None and _is_loopback(client[0]))


def token_of(cookies: Mapping[str, str]) -> str | None:
    """Return the number that a browser was given; None if it has none, or one that was not given here."""
    token = cookies.get(BROWSER)
    return token if isinstance(token, str) and _TOKEN.fullmatch(token) else None


def owner() -> str | None:
    """Return who this browser is, for what is kept for it; None if it takes no cookies, and cannot be known again."""
    token = token_of(st.context.cookies)
    # Who reads what is kept must not be able to pass for the browser.
    return None if token is None else hashlib.sha256(token.encode()).hexdigest()[:32]


def _new_cookie(scope: Scope) -> str | None:
    """Return the cookie for a browser that asks for a page and has none."""
    if scope["type"] != "http" or "text/html" not in Headers(scope=scope).get("accept", ""):
        return None
    if token_of(Request(scope).cookies) is not None:
        return None
    path = f"/{st.get_option('server.baseUrlPath').strip('/')}"
    secure = "; Secure" if scope.get("scheme") == "https" else ""
    return f"{BROWSER}={secrets.token_hex(16)}; Path={path}; Max-Age={_YEAR}; HttpOnly; SameSite=Lax{secure}"


class Guard:
    """ASGI middleware that sends the policy with every answer and turns away who may not connect.

    A browser that comes for the first time is given a number to be known by.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request or connection."""
        if scope["type"] == "websocket" and not may_connect(scope):
            await send({"type": "websocket.close", "code": 1008})
            return

        cookie = _new_cookie(scope)

        async def send_with_policy(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["Content-Security-Policy"] = policy()
                if cookie is not None:
                    headers.append("Set-Cookie", cookie)
                    headers["Cache-Control"] = "no-store"  # nobody else may be given this number
            await send(message)

        try:
            await self._app(scope, receive, send_with_policy)
        except RuntimeError as error:
            # Streamlit closes a connection once more whose browser left while something was being sent.
            if scope["type"] != "websocket" or "close message has been sent" not in str(error):
                raise


@asynccontextmanager
async def opened_in_browser(_app: object) -> AsyncIterator[None]:
    """Open the app in a browser as the server starts, unless it is ``server.headless``."""
    if not st.get_option("server.headless"):
        address = st.get_option("server.address")
        host = "localhost" if address in (None, "", "0.0.0.0", "::") else address
        scheme = "https" if st.get_option("server.sslCertFile") else "http"
        webbrowser.open(f"{scheme}://{host}:{st.get_option('server.port')}/{st.get_option('server.baseUrlPath')}")
    yield
