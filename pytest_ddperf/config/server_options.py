"""Options of a platform's server: how to reach it, how to use it, and which images to send."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

from pytest_ddperf.core.limits import LOCK_WAIT_S
from pytest_ddperf.core.service_parameters import ServiceParameters
from pytest_ddperf.deepdetect.url import EMBEDDED

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pytest_ddperf.deepdetect.url import Secret


@dataclass(frozen=True, slots=True)
class ModelOptions:
    """Options that can be set for a single network; meanings as in `ServerOptions`."""

    mllib: str
    mllib_named: bool
    gpu: bool
    gpuid: int
    datatype: str
    knobs: ServiceParameters

    def by_name(self) -> dict[str, Any]:
        """Return the values by their names in `ServerOptions`."""
        return {one.name: getattr(self, one.name) for one in fields(self)}


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
        mllib: backend of services to create.
        gpu: whether services are created on, and predict on, a GPU.
        gpuid: id of the GPU.
        knobs: parameters of service creation and image preparation.
        threads: threads of the embedded server; None: one per core.
        mllib_named: whether `mllib` was named explicitly: on the command line or in the environment for all networks,
            or in a platform file for a single one.
        model_dirs: folders of the user's own networks on this machine, for the embedded server.
        datatype: datatype of services to create.
        cold_start_timeout_s: how long to wait for a service to be created, and for its first prediction, seconds.
        ca_path: certificates to trust, PEM; None: the default ones.
        authorization: value of the Authorization header if the URL has no credentials; None for none.
        prepared_first: whether a user's command runs before the first request; the server may be down until then.
        lock_wait_s: how long to wait for another run that measures the same server, seconds.
        recovery_timeout_s: how long to wait for a server that disappeared during the run, seconds.
        by_model: options of single networks that replace the above, by network id.
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
    knobs: ServiceParameters = field(default_factory=ServiceParameters)
    threads: int | None = None
    mllib_named: bool = False
    model_dirs: tuple[str, ...] = ()
    datatype: str = "fp32"
    cold_start_timeout_s: float = 900.0
    ca_path: Path | None = None
    authorization: Secret | None = None
    prepared_first: bool = False
    lock_wait_s: float = LOCK_WAIT_S
    recovery_timeout_s: float = 0.0
    by_model: Mapping[str, ModelOptions] = field(default_factory=dict, hash=False)

    def of(self, model: str) -> ServerOptions:
        """Return the options for one network."""
        own = self.by_model.get(model)
        return self if own is None else replace(self, **own.by_name())

    @property
    def is_embedded(self) -> bool:
        """Whether the server is the embedded one."""
        return self.url == EMBEDDED
