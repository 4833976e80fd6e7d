"""The way to one server: its lock, the board's commands around its use, its process if it is embedded, its clients.

`embedded.launch` needs an optional extra, so it is imported only when an embedded server is started.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from pytest_ddperf.deepdetect.client import Client
from pytest_ddperf.deepdetect.in_flight import RequestsInFlight
from pytest_ddperf.errors import ServerUnreachableError
from pytest_ddperf.servers.generated_images import ensure_bench_images
from pytest_ddperf.servers.lock import ServerLock

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pytest_ddperf.config.server_options import ServerOptions
    from pytest_ddperf.embedded.launch import EmbeddedServer


class Surroundings(Protocol):
    """Actions around a server while we hold its lock."""

    def begin(self) -> None:
        """Called after the server's lock is acquired and before the first request to the server.

        Raises:
            DdperfError: the server cannot be measured.
        """

    def end(self) -> None:
        """Called before the lock is released, also if `begin` failed."""


def open_client(options: ServerOptions, url: str, in_flight: RequestsInFlight | None = None) -> Client:
    """Create a client of the server at this URL, with the timeout, certificates and credentials of the options.

    Raises:
        ConfigurationError: the file of trusted certificates does not exist.
    """
    return Client(
        url,
        timeout_s=options.timeout_s,
        ca_path=options.ca_path,
        authorization=options.authorization,
        in_flight=in_flight,
    )


class Connection:
    """One server, from `open` to `close`, without other clients on this host.

    Args:
        surroundings: actions around the use of the server; None for none.
        in_flight: counts the predictions requested by all clients; default: a new counter.
        locks: the servers to lock, in this order; default: this one. Two servers that are measured in turn are locked
            together, by the connection that is opened first.
        host: the open connection of the same server, which this one uses, too.

    Attributes:
        url: the URL of the open server, which for an embedded one is known only then.
    """

    def __init__(
        self,
        options: ServerOptions,
        say: Callable[[str], None],
        surroundings: Surroundings | None = None,
        in_flight: RequestsInFlight | None = None,
        *,
        locks: Sequence[str] | None = None,
        host: Connection | None = None,
    ) -> None:
        self.options = options
        self.say = say
        self._locks = (options.identity,) if locks is None else locks
        self._host = host
        self._surroundings = surroundings
        self._in_flight = in_flight or RequestsInFlight()
        self.url = ""
        self._opened = contextlib.ExitStack()
        self._embedded: EmbeddedServer | None = None
        self._client: Client | None = None

    @property
    def is_open(self) -> bool:
        """Whether the server is locked and has a client."""
        return self._client is not None

    @property
    def client(self) -> Client:
        """The client of the open server."""
        if self._client is None:
            raise ServerUnreachableError("The server is not open.")
        return self._client

    @property
    def log_tail(self) -> str:
        """The end of an embedded server's log; "" for other servers."""
        return "" if self._embedded is None else self._embedded.log_tail

    def open(self) -> Client:
        """Lock the server, start it if it is embedded, and return a client of it; sends no request.

        Does nothing if already open.

        Raises:
            ServerUnreachableError: another run measures the server for too long.
            ConfigurationError: the options do not fit, or the embedded server's packages are missing.
        """
        if self._client is not None:
            return self._client
        options = self.options
        with contextlib.ExitStack() as opened:
            for server in self._locks:
                lock = ServerLock(server).acquire(options.lock_wait_s, self.say)
                opened.callback(lock.release)
            if self._surroundings is not None:
                opened.callback(self._surroundings.end)
                self._surroundings.begin()
            self.url = options.url if self._host is None else self._host.url
            if options.is_embedded and self._host is None:
                self._embedded = _start_embedded(options)
                opened.callback(self._embedded.stop)
                self.url = self._embedded.url
            self._client = self.add_client()
            opened.callback(self._client.close)
            self._opened = opened.pop_all()
        return self._client

    def add_client(self) -> Client:
        """Create a client of the server; all clients count their predictions together."""
        return open_client(self.options, self.url, self._in_flight)

    def close(self) -> None:
        """Close the client, stop the embedded server, end the surroundings, release the lock. May be called twice."""
        self._client = None
        self._opened.close()
        self._embedded = None


def _start_embedded(options: ServerOptions) -> EmbeddedServer:
    from pytest_ddperf.embedded import launch  # noqa: PLC0415 - an optional extra

    return launch.start(
        threads=options.threads,
        data_dir=Path(options.data_dir or ensure_bench_images()),
        model_dirs=[Path(one) for one in options.model_dirs],
    )
