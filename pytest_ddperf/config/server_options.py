"""How a platform's server is reached and used, and the images that it is sent."""

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
    """What may hold for one network alone: as in `ServerOptions`."""

    mllib: str
    mllib_named: bool
    gpu: bool
    gpuid: int
    datatype: str
    knobs: ServiceParameters

    def by_name(self) -> dict[str, Any]:
        """Its values under the names that they have in `ServerOptions`."""
        return {one.name: getattr(self, one.name) for one in fields(self)}


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
        knobs: how services are created and images prepared.
        threads: of the embedded server; None: one a core.
        mllib_named: whether the command line or the environment names `mllib`, so that it holds for every network.
        model_dirs: folders of the user's own networks here, for the embedded server.
        datatype: of services to create.
        cold_start_timeout_s: how long to wait for a service to be created, and for its first prediction.
        ca_path: certificates to trust, PEM; None: the usual ones.
        authorization: the header's value where the URL holds no credentials; None for none.
        prepared_first: whether a command of the user's runs before the server is asked: it may be down until then.
        lock_wait_s: how long to wait for another run that measures the same server.
        recovery_timeout_s: how long to wait for a server that vanished in the middle.
        by_model: what holds for single networks in the place of the above, by their ids.
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
        """The options as they hold for one network."""
        own = self.by_model.get(model)
        return self if own is None else replace(self, **own.by_name())

    @property
    def is_embedded(self) -> bool:
        """Whether the server is the embedded one."""
        return self.url == EMBEDDED
