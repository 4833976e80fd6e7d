"""HTTP connections with limits on the duration and size of requests, so that no client can block the server.

Requests are rejected here before the application sees them. The errors have DeepDetect's format here, too.
"""

from __future__ import annotations

import http
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from pytest_ddperf.embedded.api_errors import ApiError
from pytest_ddperf.embedded.limits import DEFAULTS, MAX_HEAD_BYTES, Limits

if TYPE_CHECKING:
    import asyncio


class BoundedProtocol(HttpToolsProtocol):
    """One connection. `build_protocol_class` creates the subclass with the server's limits."""

    limits: ClassVar[Limits] = DEFAULTS

    def __init__(self, *given: Any, **named: Any) -> None:  # noqa: ANN401 - the arguments of the base class
        super().__init__(*given, **named)
        self._in_head = False
        self._head_bytes = 0
        self._arriving: asyncio.TimerHandle | None = None
        self._leaving: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as in the base class
        """Accept a connection, unless there are too many."""
        super().connection_made(transport)
        if len(self.connections) > self.limits.connections:
            self._refuse(503, "Service Unavailable", f"at most {self.limits.connections} connections are allowed")
            return
        self._expect()

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancel the timers of this connection."""
        self._arrived()
        self._left()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Process received data; reject the request if its head is too large."""
        if self.transport.is_closing():
            return
        self._expect()
        super().data_received(data)
        if self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
                what = f"a request line and its headers may have at most {MAX_HEAD_BYTES} bytes"
                self._refuse(431, "Request Header Fields Too Large", what)

    def on_message_begin(self) -> None:
        """Start counting the bytes of a request's head."""
        self._in_head, self._head_bytes = True, 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Stop counting: the request's head is complete."""
        self._in_head = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """End the time limit for receiving: the request is complete. Processing it has no time limit."""
        self._arrived()
        super().on_message_complete()

    def pause_writing(self) -> None:
        """Start the time limit for sending: the client has stopped reading the response."""
        super().pause_writing()
        self._leaving = self._leaving or self.loop.call_later(self.limits.request_s, self.transport.abort)

    def resume_writing(self) -> None:
        """End the time limit for sending: the client is reading the response again."""
        self._left()
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:
        """Reject data that is not valid HTTP."""
        self._refuse(400, "BadRequest", msg)

    def _unsupported_upgrade_warning(self) -> None:
        """Log nothing: the request is answered without the upgrade, and a client must not be able to fill the log."""

    def _expect(self) -> None:
        """Start the time limit for receiving a complete request, unless it is already running."""
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
            self._expect()  # the next request is not read while the previous one is still being answered
        elif cycle is not None and cycle.response_started and not cycle.response_complete:
            self.transport.abort()
        else:
            self._refuse(408, "Request Timeout", f"the request did not arrive within {self.limits.request_s:g} s")

    def _refuse(self, status: int, msg: str, why: str) -> None:
        """Send an error and close the connection: the start of a next request could not be found in the stream."""
        body = msgspec.json.encode(ApiError(status, msg, status, why).body())
        head = (
            f"HTTP/1.1 {status} {http.HTTPStatus(status).phrase}\r\n"
            f"content-type: application/json\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
        )
        self._arrived()
        self.transport.write(head.encode() + body)
        self.transport.close()
        self._leaving = self._leaving or self.loop.call_later(self.limits.request_s, self.transport.abort)


def build_protocol_class(limits: Limits) -> type[BoundedProtocol]:
    """Create the protocol class for a server with these limits."""
    return type("BoundedProtocol", (BoundedProtocol,), {"limits": limits})
