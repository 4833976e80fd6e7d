"""Requests of web pages are refused: a page in a browser on this host must not drive a server on its loopback address.

A page of any site can send requests there. What gives it away is the name that it asks for (its own, which it lets
resolve to 127.0.0.1: DNS rebinding) and the Origin that browsers send with all that is more than a link (CSRF).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec
from starlette.responses import Response

from pytest_ddperf.embedded.api_errors import ApiError
from pytest_ddperf.embedded.images.fetch import is_loopback

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.types import ASGIApp, Receive, Scope, Send

_SHOWN: Final = 100


class SameSite:
    """Lets through what asks for this host by a loopback name or address, and comes from no other site.

    Args:
        app: what answers the others.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        why = "" if scope["type"] != "http" else explain_foreign_request(scope["headers"])
        if not why:
            await self._app(scope, receive, send)
            return
        content = msgspec.json.encode(ApiError(403, "Forbidden", 403, why).body())
        # its body is not read
        refusal = Response(content, 403, {"Connection": "close"}, media_type="application/json")
        await refusal(scope, receive, send)


def explain_foreign_request(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """Why a request is none of this host's own, in words; "" where it is one.

    One without a Host is: no browser leaves it out.

    Args:
        headers: of the request, names in lower case.
    """
    hosts: list[str] = []
    origins: list[str] = []
    for name, value in headers:
        if name == b"host":
            hosts.append(value.decode("latin-1").strip().lower())
        elif name == b"origin":
            origins.append(value.decode("latin-1").strip().lower())
    for host in hosts:
        if not _is_own(host):
            return (
                f"this server is for its own host only, and was asked for as {host[:_SHOWN]!r}; ask for it as "
                "localhost, 127.0.0.1 or [::1], with its port"
            )
    for origin in origins:
        if origin not in {f"http://{host}" for host in hosts}:
            return f"this server takes no requests of web pages of other sites, and this one is of {origin[:_SHOWN]!r}"
    return ""


def _is_own(host: str) -> bool:
    """Whether a Host is a loopback name or address, with a port or without."""
    if host.startswith("["):
        address, bracket, port = host[1:].partition("]")
        return bool(bracket) and ":" in address and is_loopback(address) and _is_port(port)
    name, colon, port = host.partition(":")
    return is_loopback(name) and _is_port(colon + port)


def _is_port(text: str) -> bool:
    """Whether what follows a host is nothing, or a port behind a colon."""
    return not text or (text[0] == ":" and text[1:].isascii() and text[1:].isdigit())
