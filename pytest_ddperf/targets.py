"""A server to measure: how it is reached, remote or embedded, for how long, and by one client at a time.

The only module that names `embedded`.
"""

from __future__ import annotations

import functools
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from pytest_ddperf import batches, bench_images, protocol
from pytest_ddperf.client import PROBE_TIMEOUT_S, Client, ServiceEndpoint, server_facts, wait_until_up
from pytest_ddperf.errors import (
    ConfigurationError,
    ServerError,
    ServerGoneError,
    ServerUnreachableError,
    ServiceExistsError,
    ServiceNotFoundError,
)
from pytest_ddperf.protocol import Info
from pytest_ddperf.server_lock import LOCK_WAIT_S, ServerLock
from pytest_ddperf.server_url import EMBEDDED, ServerUrl, server_name

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pytest_ddperf.batches import BenchImages
    from pytest_ddperf.catalog import Network
    from pytest_ddperf.embedded.process import EmbeddedServer
    from pytest_ddperf.measure import Timed
    from pytest_ddperf.protocol import Answer, ServiceInfo
    from pytest_ddperf.records import ServerFacts
    from pytest_ddperf.server_url import Secret

_HOPELESS_TIMEOUT_S = 0.5
"""How long a server may take to answer that was waited for in vain: each further cell asks it once."""

DEFAULT_SIDE = 224
"""Width and height, in pixels, of a service that we create for a network whose input size is not known."""


def checked_url(url: str) -> str:
    """A server's URL, or `embedded`, as given.

    Raises:
        ValueError: it is neither; says what was expected.
    """
    if url != EMBEDDED:
        try:
            ServerUrl.parse(url)
        except ConfigurationError:
            raise ValueError("http[s]://[user:password@]host:port[/path], or embedded") from None
    return url


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """How one platform's server is reached and used.

    Args:
        url: of the server, or `embedded`.
        data_dir: folder of the bench images as the server sees it; None: images are sent inline.
        bench_files: file that lists their names; None: what the same folder holds on this machine.
        wait_s: how long to wait for a server that is not up yet.
        timeout_s: how long to wait for one answer.
        repository: model folder on the server, may hold `{model}`; None: services must be there.
        service: template of a service's name.
        mllib: backend of services to create.
        gpu: whether services are created on, and predict on, a GPU.
        gpuid: which one.
        threads: of the embedded server; None: one a core.
        datatype: of services to create.
        cold_start_timeout_s: how long to wait for a service to be created, and for its first prediction.
        ca_path: certificates to trust, PEM; None: the usual ones.
        authorization: the header's value where the URL holds no credentials; None for none.
        prepared_first: whether a command of the user's runs before the server is asked: it may be down until then.
        lock_wait_s: how long to wait for another run that measures the same server.
        recovery_timeout_s: how long to wait for a server that vanished in the middle.
    """

    url: str
    data_dir: str | None = None
    bench_files: str | None = None
    wait_s: float = 0.0
    timeout_s: float = 300.0
    repository: str | None = None
    service: str = "{model}"
    mllib: str = "caffe"
    gpu: bool = False
    gpuid: int = 0
    threads: int | None = None
    datatype: str = "fp32"
    cold_start_timeout_s: float = 900.0
    ca_path: Path | None = None
    authorization: Secret | None = None
    prepared_first: bool = False
    lock_wait_s: float = LOCK_WAIT_S
    recovery_timeout_s: float = 0.0

    def client(self, url: str) -> Client:
        """A client of that server.

        Raises:
            ConfigurationError: the certificates to trust are not there.
        """
        return Client(url, timeout_s=self.timeout_s, ca_path=self.ca_path, authorization=self.authorization)

    @property
    def is_embedded(self) -> bool:
        """Whether the server is the embedded one."""
        return self.url == EMBEDDED


@dataclass(frozen=True, slots=True)
class OpenService:
    """A service that is ready to predict.

    Args:
        created: whether we created it, and so delete it.
        create_ms: how long its creation took; None where it was there.
        width: what to ask for, in pixels; None leaves it to the service.
        height: what to ask for, in pixels; None leaves it to the service.
    """

    name: str
    mllib: str
    created: bool
    create_ms: float | None
    width: int | None
    height: int | None
    gpu: bool
    datatype: str


@dataclass(frozen=True, slots=True)
class Batch:
    """One batch of one service, ready to be predicted again and again.

    Args:
        endpoint: what is measured.
        check: raises `AnswerError` for an answer that is not one prediction for each image.
    """

    endpoint: ServiceEndpoint
    check: Callable[[Answer], None]

    def predict(self, timeout_s: float | None = None) -> Timed:
        """One prediction, checked.

        Args:
            timeout_s: how long the server may be silent; default: as for any answer.

        Raises:
            ServerError: the server refused, failed, or answered something else.
        """
        timed = self.endpoint.predict(timeout_s)
        self.check(timed.answer)
        return timed


class Surroundings(Protocol):
    """What is done around a server while it is ours alone."""

    def begin(self) -> None:
        """Called once the server's lock is held, before the server is asked anything.

        Raises:
            DdperfError: it cannot be measured.
        """
        ...

    def end(self) -> None:
        """Called before the lock is given back; may be called twice."""
        ...


class Target:
    """One server, from `open` to `close`; one service of ours at a time is on it.

    Args:
        options: how it is reached.
        say: takes a line for the person who waits.
        surroundings: what is done around it; None for nothing.
    """

    def __init__(
        self, options: ServerOptions, say: Callable[[str], None], surroundings: Surroundings | None = None
    ) -> None:
        self.options = options
        self._surroundings = surroundings
        self._say = say
        self._lock: ServerLock | None = None
        self._embedded: EmbeddedServer | None = None
        self._client: Client | None = None
        self._service: tuple[str, OpenService] | None = None
        self._images: BenchImages | None = None
        self._restarted = False
        self.facts: ServerFacts | None = None

    @property
    def is_open(self) -> bool:
        """Whether `open` has succeeded."""
        return self.facts is not None

    def open(self, wait_s: float = 0.0) -> ServerFacts:
        """Take the server for ourselves, start it where it is ours, and ask what it is. Does nothing when open.

        Args:
            wait_s: how long to wait for it at least; the options may say longer.

        Raises:
            ServerUnreachableError: nothing answers at the URL in time.
            ConfigurationError: the options do not fit, or the embedded server's packages are missing.
        """
        if self.facts is not None:
            return self.facts
        try:
            self._lock = ServerLock(server_name(self.options.url)).acquire(self.options.lock_wait_s, self._say)
            if self._surroundings is not None:
                self._surroundings.begin()
            self._client = self.options.client(self._start())
            info = wait_until_up(self._client, max(wait_s, self.options.wait_s))
            facts = server_facts(info, self._client.display_url)
            self._images = load_images(self.options)
            self.facts = facts
        except BaseException:
            self.close()
            raise
        return self.facts

    def _start(self) -> str:
        if not self.options.is_embedded:
            return self.options.url
        from pytest_ddperf.embedded import process  # noqa: PLC0415 - an optional extra

        data_dir = self.options.data_dir or bench_images.ensure_bench_images()
        self._embedded = process.start(threads=self.options.threads, data_dir=Path(data_dir))
        return self._embedded.url

    def is_up(self) -> bool:
        """Whether the open server answers: one quick question."""
        return self._answers(PROBE_TIMEOUT_S) is None

    def _answers(self, timeout_s: float) -> ServerError | None:
        """None where the open server answers; else why it does not."""
        try:
            self.client.info(timeout_s=timeout_s)
        except ServerError as error:
            return error
        return None

    def wait_for_return(
        self,
        wait_s: float,
        *,
        hopeless: bool = False,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> Info:
        """Wait for the open server, which does not answer any more; then close it: everything is made anew.

        An embedded server is not waited for: it is started again by the next `open`, once.

        Args:
            wait_s: how long, seconds, shown to the person who waits.
            hopeless: whether it has been waited for in vain: it is asked once, and has less time to answer.
            now: a steady clock, seconds.
            sleep: takes seconds.

        Returns:
            What it says of itself now; nothing of an embedded one.

        Raises:
            ServerGoneError: it does not come back, or is an embedded one that died twice.
        """
        if self.options.is_embedded:
            return self._restart()
        if not self.is_open:  # another server had its turn since
            return Info()
        error = self._answers(_HOPELESS_TIMEOUT_S if hopeless else PROBE_TIMEOUT_S)
        if error is not None:
            self._wait_for(error, wait_s, now, sleep)
        info = self.client.latest_info or Info()
        self.close()
        return info

    def _wait_for(
        self, error: ServerError, wait_s: float, now: Callable[[], float], sleep: Callable[[float], None]
    ) -> None:
        if wait_s <= 0:
            raise ServerGoneError(str(error)) from error
        server = self.client.display_url
        self._say(f"ddperf: {server} does not answer any more; waiting up to {wait_s:g} s for it to come back")
        began_s = now()
        try:
            wait_until_up(self.client, wait_s, now=now, sleep=sleep)
        except ServerError as still:
            self._say(f"ddperf: {server} did not come back within {wait_s:g} s")
            raise ServerGoneError(str(still)) from still
        self._say(f"ddperf: {server} is back after {now() - began_s:.0f} s")

    def _restart(self) -> Info:
        if self._restarted:
            raise ServerGoneError("The embedded server died twice; it is started again once")
        self._restarted = True
        tail = self._embedded.log_tail if self._embedded is not None else ""
        self._say(f"ddperf: the embedded server died and is started again. The end of its log: {tail or 'nothing'}")
        self._service = None  # it died with it
        self.close()
        return Info()

    def refresh_facts(self) -> str:
        """Take over what the open server last said of itself.

        Returns:
            How its version changed, in words; "" where it did not.
        """
        if self.facts is None or self._client is None or self._client.latest_info is None:
            return ""
        info, old = self._client.latest_info, self.facts
        if (info.version, info.commit) == (old.version, old.commit):
            return ""
        self.facts = server_facts(info, old.url)
        return f"the server's version changed in the middle of the run, from {_version(old)} to {_version(self.facts)}"

    def forget_service(self) -> None:
        """The service that was made or found last is not there any more: the next one is asked for anew."""
        self._service = None

    @property
    def client(self) -> Client:
        """The client of the open server."""
        if self._client is None:
            raise ServerUnreachableError("The server is not open.")
        return self._client

    @property
    def images(self) -> BenchImages:
        """The bench images of the open server."""
        if self._images is None:
            raise ServerUnreachableError("The server is not open.")
        return self._images

    def service_for(self, model: Network) -> OpenService:
        """The service of a model: the one that is there, or one created from the repository.

        The service created for the model before is deleted first: a TK1 has 2 GiB.

        Raises:
            ServiceNotFoundError: it is neither there nor can it be created.
            ServerError: the server refused.
        """
        if self._service is not None and self._service[0] == model.id:
            return self._service[1]
        self.release_service()
        name = self.options.service.replace("{model}", model.id).lower()
        try:
            service = self._existing(self.client.service(name))
        except ServiceNotFoundError:
            service = self._create(name, model)
        self._service = (model.id, service)
        return service

    def _existing(self, info: ServiceInfo) -> OpenService:
        gpu = self.options.gpu if info.gpu is None else info.gpu
        return OpenService(info.name, info.mllib, False, None, info.width, info.height, gpu, info.datatype or "fp32")

    def _create(self, name: str, model: Network) -> OpenService:
        repository = self.options.repository or ("{model}" if self.options.is_embedded else None)
        if repository is None:
            raise ServiceNotFoundError(
                f"There is no service for {model.id}, and it cannot be created: no model folder is known. Create it, "
                "name it with --ddperf-service=TEMPLATE, or name the folder on the server with "
                "--ddperf-repository=DIR/{model}.",
                url=self.client.display_url,
                service=name,
            )
        width, height = model.width or DEFAULT_SIDE, model.height or DEFAULT_SIDE
        mllib = "onnxruntime" if self.options.is_embedded else self.options.mllib
        body = protocol.service_body(
            mllib=mllib,
            repository=repository.replace("{model}", model.id),
            width=width,
            height=height,
            gpu=self.options.gpu,
            gpuid=self.options.gpuid,
            datatype=self.options.datatype,
        )
        try:
            create_ms = self.client.create_service(name, body, timeout_s=self.options.cold_start_timeout_s)
        except ServiceExistsError:
            return self._existing(self.client.service(name))
        return OpenService(name, mllib, True, create_ms, width, height, self.options.gpu, self.options.datatype)

    def batch(self, service: OpenService, batch_size: int) -> Batch:
        """A batch of a service, ready to be predicted again and again.

        Raises:
            ConfigurationError: there are fewer images than the batch is large.
        """
        data, uris = self.images.batch(batch_size)
        body = protocol.predict_body(
            service.name,
            data,
            width=service.width,
            height=service.height,
            gpu=service.gpu,
            gpuid=self.options.gpuid,
            output={"best": 1},
        )
        check = functools.partial(
            protocol.check_predictions, expected_uris=uris, url=self.client.display_url, service=service.name
        )
        return Batch(ServiceEndpoint(self.client, service.name, body), check)

    def release_service(self) -> None:
        """Delete the service that we created last; one that was there stays. A server that is gone has none left."""
        if self._service is None:
            return
        service, self._service = self._service[1], None
        if not service.created:
            return
        try:
            self.client.delete_service(service.name)
        except ServiceNotFoundError:
            return  # the server was restarted
        except ServerError as error:
            self._say(f"ddperf: the service {service.name} could not be deleted: {error}")

    def close(self) -> None:
        """Give everything back: our service, the connection, the embedded server, the lock. May be called twice."""
        try:
            if self._client is not None:
                self.release_service()
                self._client.close()
        finally:
            self._client = None
            self.facts = None
            embedded, self._embedded = self._embedded, None
            if embedded is not None:
                embedded.stop()
            try:
                if self._surroundings is not None:
                    self._surroundings.end()
            finally:
                lock, self._lock = self._lock, None
                if lock is not None:
                    lock.release()


def _version(facts: ServerFacts) -> str:
    return f"{facts.version} (commit {facts.commit[:8]})"


def load_images(options: ServerOptions) -> BenchImages:
    """The bench images that these options name; the generated ones by default.

    Raises:
        ConfigurationError: the folder's images are not known, or the list cannot be read.
    """
    return batches.load_images(options.data_dir, options.bench_files, same_machine=options.is_embedded)


def require_embedded() -> None:
    """Find out whether the embedded server can run here.

    Raises:
        ConfigurationError: its packages are not installed.
    """
    from pytest_ddperf.embedded import process  # noqa: PLC0415 - an optional extra

    process.require_extra()


def serve(*, port: int, data_dir: Path | None, options: Sequence[str]) -> int:
    """Run the embedded server in this process until it is told to end.

    Args:
        port: 0 for a free one.
        data_dir: images by path come from below it; None for the bench images.
        options: further arguments of `python -m pytest_ddperf.embedded`.

    Returns:
        The exit status.

    Raises:
        ConfigurationError: its packages are not installed.
    """
    from pytest_ddperf.embedded import process  # noqa: PLC0415 - an optional extra

    process.require_extra()
    folder = data_dir or bench_images.ensure_bench_images()
    from pytest_ddperf.embedded.__main__ import main  # noqa: PLC0415 - an optional extra

    return main(["--port", str(port), "--data-dir", str(folder), *options])


@dataclass(frozen=True, slots=True)
class NetworkCost:
    """What one image costs, counted in the graph that the embedded server runs.

    Args:
        giga_flops_text: giga multiply-adds, as the report prints them.
        million_params_text: millions of parameters, as the report prints them.
        true_multiply_adds: multiply-adds with those of the depthwise layers, which the report leaves out.
        parameters: the count.
    """

    giga_flops_text: str
    million_params_text: str
    true_multiply_adds: int
    parameters: int


def network_costs() -> dict[str, NetworkCost]:
    """The costs of the 13 networks, by id.

    Raises:
        ConfigurationError: the embedded server's packages are not installed.
    """
    from pytest_ddperf.embedded import process  # noqa: PLC0415 - an optional extra

    process.require_extra()
    from pytest_ddperf.embedded.cost import cost  # noqa: PLC0415 - an optional extra
    from pytest_ddperf.embedded.networks import NETWORK_IDS, build  # noqa: PLC0415 - an optional extra

    counted = {name: cost(build(name).model) for name in NETWORK_IDS}
    return {
        name: NetworkCost(one.giga_flops_text, one.million_params_text, one.true_multiply_adds, one.parameters)
        for name, one in counted.items()
    }
