"""What serves the app beside Streamlit: what a page may load, who may open a session, and the browser at the start."""

from __future__ import annotations

import base64
import hashlib
import ipaddress
import re
import webbrowser
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

import streamlit as st
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send


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


class Guard:
    """ASGI middleware that sends the policy with every answer and turns away who may not connect."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request or connection."""
        if scope["type"] == "websocket" and not may_connect(scope):
            await send({"type": "websocket.close", "code": 1008})
            return

        async def send_with_policy(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["Content-Security-Policy"] = policy()
            await send(message)

        await self._app(scope, receive, send_with_policy)


@asynccontextmanager
async def opened_in_browser(_app: object) -> AsyncIterator[None]:
    """Open the app in a browser as the server starts, unless it is ``server.headless``."""
    if not st.get_option("server.headless"):
        address = st.get_option("server.address")
        host = "localhost" if address in (None, "", "0.0.0.0", "::") else address
        scheme = "https" if st.get_option("server.sslCertFile") else "http"
        webbrowser.open(f"{scheme}://{host}:{st.get_option('server.port')}/{st.get_option('server.baseUrlPath')}")
    yield
