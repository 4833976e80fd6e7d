"""A connection that a client cannot hold for ever, nor fill: time and size of a request are bounded.

Whatever is refused here, before the application has seen it, is answered in DeepDetect's shape, too.
"""

from __future__ import annotations

import http
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from pytest_ddperf.embedded.limits import DEFAULTS, MAX_HEAD_BYTES, Limits

if TYPE_CHECKING:
    import asyncio


class BoundedProtocol(HttpToolsProtocol):
    """One connection; `bounded` makes the class that the server is given."""

    limits: ClassVar[Limits] = DEFAULTS

    def __init__(self, *given: Any, **named: Any) -> None:  # noqa: ANN401 - those of its base
        super().__init__(*given, **named)
        self._in_head = False
        self._head_bytes = 0
        self._arriving: asyncio.TimerHandle | None = None
        self._leaving: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as its base
        """Take a connection, unless there are too many."""
        super().connection_made(transport)
        if len(self.connections) > self.limits.connections:
            self._refuse(503, "Service Unavailable", f"at most {self.limits.connections} connections are taken")
            return
        self._expect()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        self._arrived()
        self._left()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take a piece of a request."""
        if self.transport.is_closing():
            return
        self._expect()
        super().data_received(data)
        if self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
                what = f"a request line and its headers have at most {MAX_HEAD_BYTES} bytes"
                self._refuse(431, "Request Header Fields Too Large", what)

    def on_message_begin(self) -> None:
        """A request begins."""
        self._in_head, self._head_bytes = True, 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Its head is there."""
        self._in_head = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """All of it is there; from now on the server may take its time."""
        self._arrived()
        super().on_message_complete()

    def pause_writing(self) -> None:
        """The client does not take its answer."""
        super().pause_writing()
        self._leaving = self._leaving or self.loop.call_later(self.limits.request_s, self.transport.abort)

    def resume_writing(self) -> None:
        """It does again."""
        self._left()
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:
        """What came in is no HTTP."""
        self._refuse(400, "BadRequest", msg)

    def _unsupported_upgrade_warning(self) -> None:
        """No news: the request is answered as it is, and a client must not fill the log."""

    def _expect(self) -> None:
        """Bound the time until the request is whole."""
        if self._arriving is None:
            self._arriving = self.loop.call_later(self.limits.request_s, self._too_slow)

    def _arrived(self) -> None:
        if self._arriving is not None:
            self._arriving.cancel()
            self._arriving = None

    def _left(self) -> None:
        if self._leaving is not None:
            self._leaving.cancel()
            self._leaving = None

    def _too_slow(self) -> None:
        self._arriving = None
        cycle = self.cycle
        if cycle is not None and not cycle.more_body and not cycle.response_complete:
            self._expect()  # the request before this one is being answered: what comes behind it is not read meanwhile
        elif cycle is not None and cycle.response_started and not cycle.response_complete:
            self.transport.abort()
        else:
            self._refuse(408, "Request Timeout", f"a request comes in within {self.limits.request_s:g} s")

    def _refuse(self, status: int, msg: str, why: str) -> None:
        """Answer, and hang up: nothing that comes after can be told from what came before."""
        body = msgspec.json.encode({"status": {"code": status, "msg": msg, "dd_code": status, "dd_msg": why}})
        head = (
            f"HTTP/1.1 {status} {http.HTTPStatus(status).phrase}\r\n"
            f"content-type: application/json\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
        )
        self._arrived()
        self.transport.write(head.encode() + body)
        self.transport.close()
        self._leaving = self._leaving or self.loop.call_later(self.limits.request_s, self.transport.abort)


def build_protocol_class(limits: Limits) -> type[BoundedProtocol]:
    """The class of the connections of a server with these limits."""
    return type("BoundedProtocol", (BoundedProtocol,), {"limits": limits})
