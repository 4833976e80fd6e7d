"""Options of a platform's server: how to reach it, how to use it, and which images to send."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from pytest_ddperf.core.service_parameters import AUTO, ServiceParameters
from pytest_ddperf.deepdetect.url import EMBEDDED, THIS_HOST, format_display_url, identify_server

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pytest_ddperf.deepdetect.url import Secret


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """Options of one platform's server.

    Args:
        url: URL of the server, or `embedded`.
        data_dir: folder of the bench images as the server sees it; None: images are sent inline.
        bench_files: file that lists the images' names; None: the files in the same folder on this machine.
        wait_s: how long to wait for a server that is not up yet, seconds.
        timeout_s: how long to wait for one answer, seconds.
        repository: model folder on the server, may contain `{model}`; None: services must exist.
        service: template of service names.
        parameters: parameters of services and requests.
        threads: threads of the embedded server; None: one per core.
        model_dirs: folders of the user's own networks on this machine, for the embedded server.
        cold_start_timeout_s: how long to wait for a service to be created, and for its first prediction, seconds.
        ca_path: certificates to trust, PEM; None: the default ones.
        authorization: value of the Authorization header if the URL has no credentials; None for none.
        prepared_first: whether a user's command runs before the first request; the server may be down until then.
        lock_wait_s: how long to wait for another run that measures the same server, seconds; a nightly run is shorter.
        recovery_timeout_s: how long to wait for a server that disappeared during the run, seconds.
        by_model: parameters of single networks that replace `parameters`, by network id.
        platform_mllib: the platform's backend, preferred where `mllib` is `auto`; `auto` if the platform has none.
    """

    url: str
    data_dir: str | None = None
    bench_files: str | None = None
    wait_s: float = 0.0
    timeout_s: float = 300.0
    repository: str | None = None
    service: str = "{model}"
    parameters: ServiceParameters = field(default_factory=ServiceParameters)
    threads: int | None = None
    model_dirs: tuple[str, ...] = ()
    cold_start_timeout_s: float = 900.0
    ca_path: Path | None = None
    authorization: Secret | None = None
    prepared_first: bool = False
    lock_wait_s: float = 1800.0
    recovery_timeout_s: float = 0.0
    by_model: Mapping[str, ServiceParameters] = field(default_factory=dict, hash=False)
    platform_mllib: str = AUTO

    def of(self, model: str) -> ServerOptions:
        """Return the options for one network."""
        own = self.by_model.get(model)
        return self if own is None else replace(self, parameters=own)

    @property
    def is_embedded(self) -> bool:
        """Whether the server is the embedded one."""
        return self.url == EMBEDDED

    def is_same_server(self, other: ServerOptions) -> bool:
        """Whether both are the same server, with the same base path; two embedded servers are two processes."""
        return (
            not self.is_embedded
            and self.identity == other.identity
            and urlsplit(self.display_url).path == urlsplit(other.display_url).path
        )

    def is_same_host(self, other: ServerOptions) -> bool:
        """Whether both servers run on the same host; an embedded one runs on this host."""
        ours, theirs = (one.identity.rpartition(":")[0] or THIS_HOST for one in (self, other))
        return ours == theirs

    @property
    def display_url(self) -> str:
        """The URL of the server without its credentials."""
        return format_display_url(self.url)

    @property
    def identity(self) -> str:
        """The server's identity: options with the same one are of the same server."""
        return identify_server(self.url)
