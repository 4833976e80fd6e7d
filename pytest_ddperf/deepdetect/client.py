"""A DeepDetect server over HTTP: one kept-alive connection, typed errors, and a clock around each prediction.

Between the clock's two readings there is only what a prediction costs a client: bytes out, bytes in. The request is
encoded before, the answer is parsed after.
"""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast
from urllib.parse import quote

import requests
from requests.adapters import HTTPAdapter
from requests.utils import DEFAULT_CA_BUNDLE_PATH
from urllib3.exceptions import HTTPError
from urllib3.util import Timeout

from pytest_ddperf.core.records import ServerFacts
from pytest_ddperf.deepdetect.backoff import back_off
from pytest_ddperf.deepdetect.deadline import Deadline
from pytest_ddperf.deepdetect.in_flight import RequestsInFlight
from pytest_ddperf.deepdetect.json_reader import as_mapping
from pytest_ddperf.deepdetect.protocol import parse_info, parse_prediction, parse_service
from pytest_ddperf.deepdetect.status import raise_for_status
from pytest_ddperf.deepdetect.timed import Timed
from pytest_ddperf.deepdetect.transport_errors import choose_error, cut, explain_failure, explain_incomplete_answer
from pytest_ddperf.deepdetect.url import ServerUrl, remove_secret
from pytest_ddperf.errors import (
    AnswerError,
    ConfigurationError,
    NoConnectionError,
    ServerError,
    ServerFailedError,
    ServerGoneError,
    ServerUnreachableError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType
    from typing import Self

    from urllib3.connectionpool import HTTPConnectionPool
    from urllib3.response import BaseHTTPResponse

    from pytest_ddperf.deepdetect.protocol import Info, ServiceInfo
    from pytest_ddperf.deepdetect.url import Secret

CONNECT_TIMEOUT_S: Final = 2.0
"""A host name has two addresses at most times (IPv6, IPv4), each tried in turn: a dead server is told in under 5 s."""

READ_TIMEOUT_S: Final = 300.0
"""A batch of 128 images takes a Raspberry Pi minutes."""

PROBE_TIMEOUT_S: Final = 2.5
"""How long a server may take to say that it is there."""


class Client:
    """Talks to one DeepDetect server, over one connection that is kept alive. Not for several threads.

    Proxies and CA bundles of the environment (HTTPS_PROXY, NO_PROXY, REQUESTS_CA_BUNDLE) are followed as every client
    does, except towards this host: a proxy elsewhere would look for `localhost` on its own machine, and what it
    answered would be measured. A `.netrc` is never read: credentials stand in the URL or nowhere.

    Args:
        url: `http[s]://[user:password@]host:port[/path]`.
        connect_timeout_s: for each address of the host.
        timeout_s: how long the server may be silent. A prediction that ran into it goes on running on the server.
        ca_path: certificates to trust instead of the usual ones, a PEM file or a directory.
        authorization: the header's value where the URL holds no credentials; None for none.
        now: a steady clock, seconds.

    Attributes:
        latest_info: what the server said of itself last, without services deleted since; None before it was asked.
        in_flight: of the predictions that it is asked for; the clients of one server may share one.

    Raises:
        ConfigurationError: the URL is not one, or the certificates are not there.
    """

    def __init__(
        self,
        url: str,
        *,
        connect_timeout_s: float = CONNECT_TIMEOUT_S,
        timeout_s: float = READ_TIMEOUT_S,
        ca_path: str | Path | None = None,
        authorization: Secret | None = None,
        now: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._url = ServerUrl.parse(url)
        self._authorization = self._url.authorization or authorization
        self._connect_timeout_s = connect_timeout_s
        self._timeout_s = timeout_s
        self._now = now
        self.latest_info: Info | None = None
        self.in_flight = RequestsInFlight()
        self._session = requests.Session()
        self._session.trust_env = not self._url.loopback
        adapter = HTTPAdapter(pool_connections=1, pool_maxsize=1, max_retries=0)
        self._session.mount(f"{self._url.display}/", adapter)
        # what requests works out anew for every request, worked out once: it costs more than the request on loopback
        environment = self._session.merge_environment_settings(self._url.display, {}, None, None, None)
        proxies = dict(environment["proxies"])
        verify = ca_path or environment["verify"]  # True: the usual certificates
        trusted = DEFAULT_CA_BUNDLE_PATH if verify is True else str(verify)
        if self.display_url.startswith("https:") and not _is_there(trusted):
            raise ConfigurationError(f"The certificates to trust for {self.display_url} are not there: {trusted}.")
        probe = self._probe()
        pool = adapter.get_connection_with_tls_context(probe, trusted, proxies=proxies)
        self._pool = cast("HTTPConnectionPool", pool)
        self._deadline = Deadline(self._pool)
        self._target = adapter.request_url(probe, proxies).removesuffix("/info")  # a proxy is asked for the whole URL

    @property
    def display_url(self) -> str:
        """The server, without credentials and without a slash at the end."""
        return self._url.display

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.display_url!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; a further call opens a new one."""
        self._session.close()
        self._deadline.close()

    def info(self, *, timeout_s: float | None = None) -> Info:
        """The server's build and its services."""
        answer, _ = self.request("GET", "/info", timeout_s=timeout_s)
        self.latest_info = parse_info(answer, url=self.display_url)
        self.in_flight.record_counts(self.latest_info)
        return self.latest_info

    def service(self, name: str) -> ServiceInfo:
        """One service.

        Raises:
            ServiceNotFoundError: it is not there.
        """
        answer, _ = self.request("GET", _service_path(name), service=name)
        return parse_service(answer, url=self.display_url, service=name)

    def create_service(self, name: str, body: Mapping[str, object], *, timeout_s: float | None = None) -> float:
        """Create a service; some servers load the network now, some with its first prediction.

        Returns:
            How long it took, milliseconds.

        Raises:
            ServiceExistsError: there is one of that name.
            RequestRefusedError: the model folder, the library or a parameter was refused.
        """
        _, took_ms = self.request("PUT", _service_path(name), encode(body), service=name, timeout_s=timeout_s)
        self.in_flight.reset_service(name)
        return took_ms

    def delete_service(self, name: str) -> None:
        """Delete a service; the server first finishes a prediction that runs.

        Raises:
            ServiceNotFoundError: it is not there.
        """
        self.request("DELETE", _service_path(name), service=name)
        if self.latest_info is not None:  # else it would look like one that died with its server
            left = tuple(one for one in self.latest_info.services if one.name.lower() != name.lower())
            self.latest_info = replace(self.latest_info, services=left)

    def predict(self, body: Mapping[str, object], *, timeout_s: float | None = None) -> Timed:
        """One prediction, timed from the first byte sent to the last byte received.

        Args:
            body: as `protocol.predict_body` makes it.
            timeout_s: how long the server may be silent; default: the client's.

        Raises:
            ServerError: one of its subclasses, naming server, service and DeepDetect's own words.
        """
        service = body.get("service")
        return self.predict_encoded(encode(body), service=str(service or ""), timeout_s=timeout_s)

    def predict_encoded(self, content: bytes, *, service: str, timeout_s: float | None = None) -> Timed:
        """As `predict`, with a body that is JSON already: one that is sent again and again is encoded once."""
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
        """Any request: what the other methods are made of.

        Args:
            method: of HTTP.
            path: below the server's URL, beginning with a slash.
            content: the body, JSON.
            service: the service concerned, for messages.
            timeout_s: how long the server may be silent; default: the client's.

        Returns:
            The answer's JSON, decoded, and how long it took, milliseconds.

        Raises:
            ServerUnreachableError: no connection, or no answer in time.
            ServerGoneError: the connection was cut.
            AnswerError: the answer is not JSON.
            ServerError: the answer is an error.
        """
        read_timeout_s = self._timeout_s if timeout_s is None else timeout_s
        opened = self._deadline.opened
        try:
            return self._once(method, path, content, service, read_timeout_s)
        except ServerGoneError as error:
            # a kept-alive connection may be closed since its last answer, by a proxy say: a question is put again
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
            took_ms = (self._now() - began_s) * 1000  # the whole body was read
        except (HTTPError, OSError) as error:
            message = explain_failure(error, self._connect_timeout_s, read_timeout_s)
            kind = choose_error(error, message)
            message = message or cut(error)
            if self._deadline.end():
                kind, message = ServerUnreachableError, explain_incomplete_answer(read_timeout_s)
        else:
            if not self._deadline.end():
                return self._answer(response, service), took_ms
            kind, message = (
                ServerUnreachableError,
                explain_incomplete_answer(read_timeout_s),
            )  # cut off within its headers
        # outside of the handler: a chained traceback would show the headers, credentials included, among its locals
        raise kind(message, url=self.display_url, service=service)

    def _headers(self, content: bytes | None) -> dict[str, str]:
        headers = {
            "Accept": "application/json",
            "Accept-Encoding": "identity",  # else real servers answer in chunks of deflate
            "Connection": "keep-alive",
        }
        if content is not None:
            headers["Content-Type"] = "application/json"
        if self._authorization is not None:
            headers["Authorization"] = self._authorization.value
        return headers

    def _probe(self) -> requests.PreparedRequest:
        """A request for `/info`, by which requests tells the pool and the proxy; it is never sent."""
        try:
            return requests.Request("GET", f"{self.display_url}/info").prepare()
        except (requests.RequestException, UnicodeError):
            message = f"The server URL {self.display_url!r} is none that can be called: check the host name."
        raise ConfigurationError(message)

    def _answer(self, response: BaseHTTPResponse, service: str) -> object:
        status, answer, size = response.status, _decode(response.data), len(response.data)
        if self._authorization is not None and _is_error(status, answer):
            answer = _without_secret(answer, self._authorization)  # some quote what they refuse
        retry_after = response.headers.get("Retry-After", "")
        raise_for_status(status, answer, url=self.display_url, service=service, retry_after=retry_after)
        if answer is None:
            kind = response.headers.get("Content-Type", "no Content-Type")
            raise AnswerError(
                f"The answer is not JSON ({kind}, {size} bytes); is this a DeepDetect server?",
                url=self.display_url,
                service=service,
                http_status=status,
            )
        return answer


def extract_server_facts(info: Info, url: str) -> ServerFacts:
    """What is recorded of a server; `url` is a `display_url`."""
    return ServerFacts(
        url=url,
        version=info.version,
        commit=info.commit,
        branch=info.branch,
        build_type=info.build_type,
        compile_flags=info.compile_flags,
        deps_version=info.deps_version,
    )


def wait_until_up(
    client: Client,
    wait_s: float = 0.0,
    *,
    now: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Info:
    """Ask for `/info` until it is answered: once with `wait_s` 0, else again and again, less and less often.

    Args:
        client: the server.
        wait_s: how long, seconds.
        now: a steady clock, seconds.
        sleep: takes seconds.

    Raises:
        ServerUnreachableError: it was not up in time.
        ServerFailedError: it answered with 5xx all that time.
        ServerError: it is up, and is no DeepDetect server, or refuses us.
    """
    further = back_off(now() + wait_s, now, sleep)
    while True:
        try:
            return client.info(timeout_s=PROBE_TIMEOUT_S)
        except (ServerUnreachableError, ServerFailedError):
            if next(further, None) is None:
                raise


def _is_there(path: str | Path) -> bool:
    try:
        return Path(path).exists()
    except OSError:  # a name that the file system takes for none
        return False


def _service_path(name: str) -> str:
    if not name:
        raise ConfigurationError("A service needs a name; --ddperf-service gives one per model.")
    return f"/services/{quote(name, safe='')}"


def encode(body: Mapping[str, object]) -> bytes:
    """A request's body, JSON in its shortest form."""
    return json.dumps(body, allow_nan=False, separators=(",", ":")).encode()


def _decode(received: bytes) -> object:
    """The JSON; None where it is none. NaN is taken: real servers write it."""
    try:
        answer: object = json.loads(received)
    except (ValueError, RecursionError):
        return None
    return answer


def _without_secret(answer: object, authorization: Secret) -> object:
    """An error's JSON, whose words hold no credentials, and nothing but it: a traceback's locals show it."""
    if not isinstance(answer, dict):
        return None
    status = as_mapping(answer.get("status"))
    hidden = {key: remove_secret(text, authorization) for key, text in status.items() if isinstance(text, str)}
    return {"status": status | hidden}


def _is_error(status: int, answer: object) -> bool:
    try:
        raise_for_status(status, answer)
    except ServerError:
        return True
    return False
