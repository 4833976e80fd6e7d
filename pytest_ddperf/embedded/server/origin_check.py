"""Rejection of requests from web pages: a page in a browser on this host must not control the server.

A page of any site can send requests to a loopback address. Two headers reveal it. With DNS rebinding, the Host is the
site's own name, which the site lets resolve to 127.0.0.1. With CSRF, it is the Origin, which browsers send with every
request that is more than following a link.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import msgspec
from starlette.responses import Response

from pytest_ddperf.core.loopback import is_loopback
from pytest_ddperf.embedded.api_errors import ApiError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.types import ASGIApp, Receive, Scope, Send

_SHOWN: Final = 100
_HOST: Final = re.compile(r"(?:\[(?P<address>[^\]]*:[^\]]*)\]|(?P<name>[^:]*))(?::[0-9]+)?")


class SameSite:
    """Middleware that accepts only requests to a loopback name or address that do not come from another site."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on to the application, or reject it with 403."""
        why = "" if scope["type"] != "http" else explain_foreign_request(scope["headers"])
        if not why:
            await self._app(scope, receive, send)
            return
        content = msgspec.json.encode(ApiError(403, "Forbidden", 403, why).body())
        # the request's body is not read, so the connection must be closed
        refusal = Response(content, 403, {"Connection": "close"}, media_type="application/json")
        await refusal(scope, receive, send)


def explain_foreign_request(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """Return the reason to reject a request with these headers as foreign; "" if it is this host's own.

    A request without a Host counts as this host's own, because every browser sends one.
    """
    given = [(name, value.decode("latin-1").strip().lower()) for name, value in headers]
    hosts = [value for name, value in given if name == b"host"]
    origins = [value for name, value in given if name == b"origin"]
    for host in hosts:
        if not _is_own(host):
            return (
                f"this server serves its own host only, not {host[:_SHOWN]!r}; use localhost, 127.0.0.1 or [::1], "
                "with its port"
            )
    for origin in origins:
        if origin not in {f"http://{host}" for host in hosts}:
            return f"this server rejects requests from web pages of other sites, such as {origin[:_SHOWN]!r}"
    return ""


def _is_own(host: str) -> bool:
    """Return whether a Host header is a loopback name or address, with or without a port."""
    match = _HOST.fullmatch(host)
    return match is not None and is_loopback(match["address"] or match["name"])
