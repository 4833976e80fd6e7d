"""An HTTP server on a loopback socket that sends exactly the bytes a test scripts, and counts requests.

    with ScriptedServer(lambda request: Reply(200, {"status": {"code": 200, "msg": "OK"}})) as server:
        client = Client(server.url)

The script is a function from `Request` to `Reply`, or a list of replies, sent one by one; the last one is repeated.
"""

from __future__ import annotations

import contextlib
import json
import math
import socket
import socketserver
import struct
import threading
import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping
    from types import TracebackType


@dataclass(frozen=True, slots=True)
class Request:
    """A client's request.

    Args:
        path: path and query, as sent.
        headers: request headers, with names in lower case.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes = b""

    def json(self) -> object:
        """Return the body's JSON; raises ValueError if it is not JSON."""
        return json.loads(self.body)


@dataclass(frozen=True, slots=True)
class Reply:
    """The server's answer.

    Args:
        body: bytes are sent unchanged, everything else as JSON.
        headers: additional headers, or replacements of the usual ones (Content-Type, Content-Length, Connection).
        reason: the reason phrase; usually empty with real servers.
        delay_s: delay before the answer, in seconds; infinite for no answer.
        drop: closes the connection without an answer, like a server that dies.
        cut_after: sends only this many bytes of the body, then closes the connection.
        close: closes the connection after the answer, and announces it.
        silently: closes it without announcing it, like a server that is restarted between two requests.
        reset: resets the connection (RST), instead of what `drop` and `cut_after` omit, or after the whole answer.
        trickle_s: sends the body byte by byte, with a pause of this many seconds after each byte.
        compressible: sends chunks in deflate or gzip if the client accepts them, as DeepDetect does.
    """

    status: int = 200
    body: object = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    reason: str = ""
    delay_s: float = 0.0
    drop: bool = False
    cut_after: int | None = None
    close: bool = False
    silently: bool = False
    reset: bool = False
    trickle_s: float = 0.0
    compressible: bool = False

    def content(self) -> bytes:
        """Return the body as sent, before any compression."""
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body, separators=(",", ":")).encode()


Responder = Callable[[Request], Reply]


class ScriptedServer:
    """Serves from its construction to `close`, with one thread per connection.

    Attributes:
        respond: the function that answers; may be replaced at any time.
        requests: all requests, in order.
        connections: number of connections so far.
        most_concurrent: maximum number of requests in progress at the same time.

    Args:
        script: a function or a list of replies.
        tls: certificate, which makes it an https server.
    """

    def __init__(
        self, script: Responder | Sequence[Reply], *, tls: ssl.SSLContext | None = None, port: int = 0
    ) -> None:
        self.respond: Responder = _one_by_one(script) if isinstance(script, Sequence) else script
        self.requests: list[Request] = []
        self.connections = 0
        self.most_concurrent = 0
        self._concurrent = 0
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._tls = tls is not None
        self._context = tls
        self._closed = False
        self._ended = threading.Event()
        self._listen(port)

    def _listen(self, port: int) -> None:
        self._server = _Server(self, port)
        if self._context is not None:
            self._server.socket = self._context.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def go_down(self, seconds: float | None = None) -> None:
        """Refuse connections and cut open ones, like a dead server; return after `seconds`, or never (None)."""
        self._server.shutdown()
        self._server.server_close()
        self.hang_up()
        if seconds is not None:
            back = threading.Timer(seconds, self._come_back)
            back.daemon = True
            back.start()

    def _come_back(self) -> None:
        if not self._closed:
            self._listen(self.port)

    @property
    def url(self) -> str:
        """URL of its root, without a trailing slash."""
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def asked(self, method: str, path: str = "") -> list[Request]:
        """Return the requests with this method whose path starts with `path`."""
        return [one for one in self.requests if one.method == method and one.path.startswith(path)]

    def hang_up(self) -> None:
        """Close every open connection, as a server does with idle ones."""
        with self._lock:
            connections = list(self._open)
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Stop listening and close the connections; may be called twice."""
        self._closed = True
        self._ended.set()
        self._server.shutdown()
        self._server.server_close()
        self.hang_up()
        self._thread.join(5)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def answer(self, request: Request) -> Reply:
        """Count a request, then answer it; called by the handler."""
        with self._lock:
            self.requests.append(request)
            self._concurrent += 1
            self.most_concurrent = max(self.most_concurrent, self._concurrent)
        try:
            reply = self.respond(request)
            if reply.delay_s == math.inf:
                self._ended.wait()
                return Reply(drop=True)
            if reply.delay_s:
                time.sleep(reply.delay_s)
            return reply
        finally:
            with self._lock:
                self._concurrent -= 1

    def connected(self, connection: socket.socket) -> None:
        """Register a connection that was opened."""
        with self._lock:
            self.connections += 1
            self._open.add(connection)

    def disconnected(self, connection: socket.socket) -> None:
        """Unregister a connection that was closed."""
        with self._lock:
            self._open.discard(connection)


def _one_by_one(replies: Sequence[Reply]) -> Responder:
    left = list(replies)
    lock = threading.Lock()

    def respond(_: Request) -> Reply:
        with lock:
            return left.pop(0) if len(left) > 1 else left[0]

    return respond


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128

    def __init__(self, scripted: ScriptedServer, port: int) -> None:
        self.scripted = scripted
        super().__init__(("127.0.0.1", port), _Handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignore clients that hung up; the exception hook of the thread reports a responder that raised."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def setup(self) -> None:
        super().setup()
        self.server.scripted.connected(self.connection)

    def finish(self) -> None:
        self.server.scripted.disconnected(self.connection)
        with contextlib.suppress(OSError):
            super().finish()

    def handle_one_request(self) -> None:
        """Read a request with any method, and answer it in one write."""
        self.close_connection = True
        self.raw_requestline = self.rfile.readline(65537)
        if not self.raw_requestline or not self.parse_request():
            return
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        if len(body) < length:  # the client was interrupted or killed while it sent: nobody asked anything
            return
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.command, self.path, headers, body)
        try:
            reply = self.server.scripted.answer(request)
        except Exception as error:  # noqa: BLE001 - the test should see it, as an answer
            reply = Reply(500, f"the script raised {error!r}".encode(), headers={"Content-Type": "text/plain"})
        if reply.reset:  # closing discards data that is not sent yet
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if reply.drop:
            self.close_connection = True
        else:
            self._send(request, reply)

    def _send(self, request: Request, reply: Reply) -> None:
        asked_to_close = request.headers.get("connection", "").lower() == "close"
        closing = reply.close or asked_to_close
        content = reply.content()
        headers = {
            "Content-Length": str(len(content)),
            "Connection": "close" if closing else "keep-alive",
            "Server": "oatpp/1.3.0",
            "Content-Type": "application/json",
        }
        encoding = _encoding(request.headers.get("accept-encoding", "")) if reply.compressible else ""
        if encoding:
            content = _chunked(_compressed(content, encoding))
            del headers["Content-Length"]
            headers |= {"Content-Encoding": encoding, "Transfer-Encoding": "chunked"}
        headers |= reply.headers
        if request.method == "HEAD":
            content = b""
        if reply.cut_after is not None:
            content = content[: reply.cut_after]
        lines = [f"HTTP/1.1 {reply.status} {reply.reason}", *(f"{name}: {value}" for name, value in headers.items())]
        with contextlib.suppress(OSError):
            head = "\r\n".join([*lines, "", ""]).encode("latin-1")
            if reply.trickle_s:
                self._trickle(head + content, reply.trickle_s)
            else:
                self.wfile.write(head + content)
        self.close_connection = closing or reply.silently or reply.cut_after is not None or reply.reset
        if reply.reset and reply.cut_after is None:
            time.sleep(0.05)  # lets the client read the answer before it is discarded

    def _trickle(self, content: bytes, pause_s: float) -> None:
        for byte in content:
            self.wfile.write(bytes([byte]))
            time.sleep(pause_s)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - name in the base class
        """Log nothing."""


def _encoding(accepted: str) -> str:
    names = {one.partition(";")[0].strip() for one in accepted.split(",")}
    return next((name for name in ("deflate", "gzip") if name in names), "")


def _compressed(content: bytes, encoding: str) -> bytes:
    packer = zlib.compressobj(wbits=31 if encoding == "gzip" else 15)
    return packer.compress(content) + packer.flush()


def _chunked(content: bytes) -> bytes:
    size = 1024
    parts = [content[at : at + size] for at in range(0, len(content), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in [*parts, b""])
