"""Call an ASGI application in this process, without a socket: thousands of requests per second.

answer = AsgiCaller(app).send("GET", "/info")
assert answer.status == 200
"""

from __future__ import annotations

import asyncio
import json
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping, Sequence
    from types import TracebackType
    from typing import Self

    from starlette.types import ASGIApp


@dataclass(slots=True)
class AsgiAnswer:
    """The application's answer."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    raised: Exception | None = None

    def json(self) -> Any:  # noqa: ANN401 - any JSON
        """Return the body's JSON, decompressed; raises ValueError if it is not JSON."""
        packed = "content-encoding" in self.headers
        return json.loads(zlib.decompress(self.body, zlib.MAX_WBITS | 32) if packed else self.body)


class AsgiCaller:
    """A context manager with one event loop that runs all requests, because the application's locks belong to it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._runner = asyncio.Runner()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._runner.close()

    def send(
        self,
        method: str,
        target: str,
        body: bytes | Sequence[bytes] = b"",
        headers: Mapping[str, str] | None = None,
    ) -> AsgiAnswer:
        """Send one request and return the answer.

        Args:
            method: HTTP method.
            target: path and query, percent-encoded.
            body: the whole body, or the pieces in which it arrives.
            headers: request headers, encoded as latin-1.
        """
        return self._runner.run(self._send(method, target, [body] if isinstance(body, bytes) else body, headers or {}))

    async def _send(self, method: str, target: str, pieces: Sequence[bytes], headers: Mapping[str, str]) -> AsgiAnswer:
        path, _, query = target.partition("?")
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": unquote(path),
            "raw_path": path.encode("latin-1", errors="replace"),
            "query_string": query.encode("latin-1", errors="replace"),
            "root_path": "",
            "headers": [
                (name.lower().encode("latin-1"), value.encode("latin-1", errors="replace"))
                for name, value in headers.items()
            ],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 80),
            "state": {},
        }
        left = list(pieces) or [b""]
        answer = AsgiAnswer()

        async def receive() -> MutableMapping[str, Any]:
            if left:
                piece = left.pop(0)
                return {"type": "http.request", "body": piece, "more_body": bool(left)}
            await asyncio.Event().wait()  # the client waits for its answer
            raise AssertionError

        async def send(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                answer.status = message["status"]
                answer.headers = {name.decode(): value.decode() for name, value in message["headers"]}
            else:
                answer.body += message.get("body", b"")
            await asyncio.sleep(0)

        try:
            await self._app(scope, receive, send)
        except Exception as error:  # noqa: BLE001 - the server logs it; only the answer matters here
            answer.raised = error
        return answer
