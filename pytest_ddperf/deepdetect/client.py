"""HTTP client of a DeepDetect server: one kept-alive connection, typed errors, and a clock around each prediction.

Between the clock's two readings bytes are only sent and received. The request is encoded before, the answer is parsed
after.
"""

from __future__ import annotations

import json
import os.path
import ssl
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Final, cast
from urllib.parse import quote, unquote

import requests
from requests.adapters import HTTPAdapter
from requests.utils import DEFAULT_CA_BUNDLE_PATH
from urllib3.exceptions import HTTPError
from urllib3.util import Timeout

from pytest_ddperf.core.records import ServerFacts
from pytest_ddperf.deepdetect.backoff import back_off, retry
from pytest_ddperf.deepdetect.deadline import Deadline
from pytest_ddperf.deepdetect.in_flight import RequestsInFlight
from pytest_ddperf.deepdetect.json_reader import find
from pytest_ddperf.deepdetect.protocol import BUILD_FACTS, Info, parse_info, parse_prediction, parse_service
from pytest_ddperf.deepdetect.status import is_error, raise_for_status
from pytest_ddperf.deepdetect.timed import Timed
from pytest_ddperf.deepdetect.transport_errors import explain_failure, explain_incomplete_answer
from pytest_ddperf.deepdetect.url import ServerUrl, remove_secret
from pytest_ddperf.errors import (
    AnswerError,
    ConfigurationError,
    NoConnectionError,
    ServerFailedError,
    ServerGoneError,
    ServerUnreachableError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path
    from typing import Self

    from urllib3.connectionpool import HTTPConnectionPool
    from urllib3.response import BaseHTTPResponse

    from pytest_ddperf.deepdetect.protocol import ServiceInfo
    from pytest_ddperf.deepdetect.url import Secret

CONNECT_TIMEOUT_S: Final = 2.0
"""A host name usually has two addresses (IPv6, IPv4), tried in turn: a dead server is detected in under 5 s."""

READ_TIMEOUT_S: Final = 300.0
"""Default time limit of an answer: a batch of 128 images takes minutes on a Raspberry Pi."""

PROBE_TIMEOUT_S: Final = 2.5
"""Time limit for the answer of a server that is probed."""


class Client:
    """Client of one DeepDetect server over one kept-alive connection. Not thread-safe.

    Proxies and CA bundles of the environment (HTTPS_PROXY, NO_PROXY, REQUESTS_CA_BUNDLE) are used, except for this
    host: a proxy elsewhere would look for `localhost` on its own machine, and its answers would be measured. A `.netrc`
    is never read: credentials come from the URL or from `authorization`.

    Args:
        url: `http[s]://[user:password@]host:port[/path]`.
        connect_timeout_s: for each address of the host.
        timeout_s: how long the server may be silent. A prediction that times out continues on the server.
        ca_path: certificates to trust instead of the default ones, a PEM file or a directory.
        authorization: value of the Authorization header if the URL has no credentials; None for none.
        in_flight: tracks the predictions requested; the clients of one server may share it. Default: a new one.
        now: a monotonic clock, seconds.

    Attributes:
        latest_info: the latest `/info` of the server, without services deleted since; empty before the first.

    Raises:
        ConfigurationError: the URL is invalid, or the certificates do not exist.
    """

    def __init__(
        self,
        url: str,
        *,
        connect_timeout_s: float = CONNECT_TIMEOUT_S,
        timeout_s: float = READ_TIMEOUT_S,
        ca_path: str | Path | None = None,
        authorization: Secret | None = None,
        in_flight: RequestsInFlight | None = None,
        now: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._url = ServerUrl.parse(url)
        self._authorization = self._url.authorization or authorization
        self._connect_timeout_s = connect_timeout_s
        self._timeout_s = timeout_s
        self._now = now
        self.latest_info = Info()
        self.in_flight = in_flight or RequestsInFlight()
        self._session = requests.Session()
        self._session.trust_env = not self._url.loopback
        adapter = HTTPAdapter(pool_connections=1, pool_maxsize=1, max_retries=0)
        self._session.mount(f"{self._url.display}/", adapter)
        # requests resolves this again for every request, which costs more than a request on loopback: do it once
        environment = self._session.merge_environment_settings(self._url.display, {}, None, None, None)
        proxies = dict(environment["proxies"])
        verify = ca_path or environment["verify"]  # True: the default certificates
        trusted = DEFAULT_CA_BUNDLE_PATH if verify is True else str(verify)
        if self.display_url.startswith("https:"):
            if not os.path.exists(trusted):  # noqa: PTH110 - False for an invalid name, too
                raise ConfigurationError(f"The CA certificates for {self.display_url} do not exist: {trusted}.")
            if verify is not True:
                _check_certificates(trusted)
        probe = self._probe()
        pool = adapter.get_connection_with_tls_context(probe, trusted, proxies=proxies)
        pool.host = unquote(pool.host)  # requests leaves the interface of a link-local address encoded
        self._pool = cast("HTTPConnectionPool", pool)
        self._deadline = Deadline(self._pool)
        self._target = adapter.request_url(probe, proxies).removesuffix("/info")  # a proxy needs the whole URL

    @property
    def display_url(self) -> str:
        """URL of the server without credentials and trailing slash."""
        return self._url.display

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.display_url!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; a further call opens a new one."""
        self._session.close()
        self._deadline.close()

    def info(self, *, timeout_s: float | None = None) -> Info:
        """Request the server's build and its services."""
        answer, _ = self.request("GET", "/info", timeout_s=timeout_s)
        self.latest_info = parse_info(answer, url=self.display_url)
        self.in_flight.record_counts(self.latest_info)
        return self.latest_info

    def service(self, name: str) -> ServiceInfo:
        """Request the description of one service.

        Raises:
            ServiceNotFoundError: the service does not exist.
        """
        answer, _ = self.request("GET", _service_path(name), service=name)
        return parse_service(answer, url=self.display_url, service=name)

    def create_service(self, name: str, body: Mapping[str, object], *, timeout_s: float | None = None) -> float:
        """Create a service; some servers load the network now, others with its first prediction.

        Returns:
            Duration in milliseconds.

        Raises:
            ServiceExistsError: a service of that name exists.
            RequestRefusedError: the model folder, the library or a parameter was refused.
            ServerBusyError: an earlier creation of that name timed out, and may still be running.
        """
        with self.in_flight.track_creation(name):
            _, took_ms = self.request("PUT", _service_path(name), encode(body), service=name, timeout_s=timeout_s)
        return took_ms

    def delete_service(self, name: str) -> None:
        """Delete a service; the server first finishes a running prediction.

        Raises:
            ServiceNotFoundError: the service does not exist.
        """
        self.request("DELETE", _service_path(name), service=name)
        self.in_flight.created.discard(name.lower())
        # else it would look like a service lost with its server
        left = tuple(one for one in self.latest_info.services if one.name.lower() != name.lower())
        self.latest_info = replace(self.latest_info, services=left)

    def predict_encoded(self, content: bytes, *, service: str, timeout_s: float | None = None) -> Timed:
        """Request one prediction with an encoded body, so that a body sent many times is encoded once."""
        with self.in_flight.track_prediction(service):
            answer, client_ms = self.request("POST", "/predict", content, service=service, timeout_s=timeout_s)
        return Timed(parse_prediction(answer, url=self.display_url, service=service), client_ms)

    def request(
        self,
        method: str,
        path: str,
        content: bytes | None = None,
        *,
        service: str = "",
        timeout_s: float | None = None,
    ) -> tuple[object, float]:
        """Send a request, to a path below the server's URL that starts with a slash; used by the other methods.

        Returns:
            The decoded JSON of the answer, and the duration in milliseconds.

        Raises:
            ServerUnreachableError: no connection, or no answer in time.
            ServerGoneError: the connection was cut.
            AnswerError: the answer is not HTTP or not JSON.
            ServerError: the answer is an error.
        """
        read_timeout_s = self._timeout_s if timeout_s is None else timeout_s
        opened = self._deadline.opened
        try:
            return self._once(method, path, content, service, read_timeout_s)
        except ServerGoneError as error:
            # a kept-alive connection may have been closed since its last answer, e.g. by a proxy: retry a GET
            if method != "GET" or self._deadline.opened > opened:
                raise
            cut = error
        try:
            return self._once(method, path, content, service, read_timeout_s)
        except NoConnectionError:
            raise cut from None

    def _once(
        self, method: str, path: str, content: bytes | None, service: str, read_timeout_s: float
    ) -> tuple[object, float]:
        timeout = Timeout(connect=self._connect_timeout_s, read=read_timeout_s)
        self._deadline.begin(read_timeout_s + self._connect_timeout_s)
        try:
            began_s = self._now()
            response = self._pool.urlopen(
                method,
                self._target + path,
                body=content,
                headers=self._headers(content),
                retries=False,
                redirect=False,
                assert_same_host=False,
                timeout=timeout,
            )
            took_ms = (self._now() - began_s) * 1000  # the whole body has been read
        except (HTTPError, OSError) as error:
            response = None
            kind, message = explain_failure(error, self._connect_timeout_s, read_timeout_s)
        if self._deadline.end():  # it may also have cut off an answer within its headers, which looks complete
            kind, message = explain_incomplete_answer(read_timeout_s)
        elif response is not None:
            return self._answer(response, service), took_ms
        # outside the handler: the locals in a chained traceback would show the headers, including credentials
        raise kind(message, url=self.display_url, service=service)

    def _headers(self, content: bytes | None) -> dict[str, str]:
        headers = {
            "Accept": "application/json",
            "Accept-Encoding": "identity",  # else real servers send chunks of deflate
            "Connection": "keep-alive",
        }
        if content is not None:
            headers["Content-Type"] = "application/json"
        if self._authorization is not None:
            headers["Authorization"] = self._authorization.value
        return headers

    def _probe(self) -> requests.PreparedRequest:
        """Prepare a request for `/info`, which requests needs to select pool and proxy; it is never sent."""
        try:
            return requests.Request("GET", f"{self.display_url}/info").prepare()
        except (requests.RequestException, UnicodeError):
            message = f"The server URL {self.display_url!r} has an invalid host name."
        raise ConfigurationError(message)

    def _answer(self, response: BaseHTTPResponse, service: str) -> object:
        status, answer, size = response.status, _decode(response.data), len(response.data)
        if self._authorization is not None and is_error(status, answer):
            answer = _without_secret(answer, self._authorization)  # some servers quote the rejected request
        retry_after, location = (response.headers.get(name, "") for name in ("Retry-After", "Location"))
        raise_for_status(
            status, answer, url=self.display_url, service=service, retry_after=retry_after, location=location
        )
        if answer is None:
            kind = response.headers.get("Content-Type", "no Content-Type")
            raise AnswerError(
                f"The answer is not JSON ({kind}, {size} bytes); check that this is a DeepDetect server.",
                url=self.display_url,
                service=service,
                http_status=status,
            )
        return answer


def _check_certificates(trusted: str) -> None:
    """Check that a file given as certificates to trust contains some; a folder is not read.

    Raises:
        ConfigurationError: it contains none, or cannot be read.
    """
    if os.path.isdir(trusted):  # noqa: PTH112 - False for an invalid name, too
        return
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(trusted)
    except OSError as error:  # ssl.SSLError is one
        raise ConfigurationError(
            f"The CA certificates in {trusted} cannot be read ({error.strerror or error}); expected a file with "
            "certificates in PEM format."
        ) from None


def extract_server_facts(info: Info, url: str) -> ServerFacts:
    """Extract the facts that are recorded about a server; `url` is a `display_url`."""
    return ServerFacts(url, **{key: getattr(info, key) for key in BUILD_FACTS})


def wait_until_up(
    client: Client,
    wait_s: float = 0.0,
    *,
    now: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Info:
    """Request `/info` until it is answered: once if `wait_s` is 0, else repeatedly with increasing pauses.

    Raises:
        ServerUnreachableError: the server was not up in time.
        ServerFailedError: the server was still answering with 5xx when the time was up.
        ServerError: the server is up, but is not a DeepDetect server, or refuses the request.
    """
    return retry(
        lambda: client.info(timeout_s=PROBE_TIMEOUT_S),
        (ServerUnreachableError, ServerFailedError),
        back_off(now() + wait_s, now),
        sleep,
    )


def _service_path(name: str) -> str:
    return f"/services/{quote(name, safe='')}"


def encode(body: Mapping[str, object]) -> bytes:
    """Encode a request's body as compact JSON."""
    return json.dumps(body, allow_nan=False, separators=(",", ":")).encode()


def _decode(received: bytes) -> object:
    """Decode JSON; None if it is not JSON. NaN is accepted, because real servers write it."""
    try:
        return json.loads(received)
    except (ValueError, RecursionError):
        return None


def _without_secret(answer: object, authorization: Secret) -> object:
    """Reduce an error's JSON to its status, without credentials, because a traceback's locals may show it."""
    if not isinstance(answer, dict):
        return None
    status: dict[str, object] = find(answer, dict, "status") or {}
    hidden = {key: remove_secret(text, authorization) for key, text in status.items() if isinstance(text, str)}
    return {"status": status | hidden}
