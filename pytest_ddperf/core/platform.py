"""A platform: the machine and backend of a server, and what the platform files state about it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pytest_ddperf.core.networks import NETWORK_IDS, OTHER_NETWORKS, UNVERSIONED
from pytest_ddperf.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping


BATCH_SIZES_REPORT: tuple[int, ...] = (1, 2, 4, 8, 16, 32, 64, 128)
"""The batch sizes of the report's tables."""


_RUN_BY_DEFAULT = (*NETWORK_IDS, *(one.id for one in OTHER_NETWORKS if one.id != UNVERSIONED))


Command = str | tuple[str, ...]
"""A user's command: a line for the shell, or a program and its arguments."""

DATATYPES: tuple[str, ...] = ("fp32", "fp16")
"""Datatypes in which services can compute."""


@dataclass(frozen=True, slots=True)
class Platform:
    """One platform: the server's machine and backend, not the machine that runs pytest.

    Args:
        id: as in node ids and baselines.
        title: display name.
        backend: the inference backend, in words.
        mllib: DeepDetect's name of that backend, as used in service creation.
        url: default URL of the server; `embedded` for the embedded server; None for no default.
        gpu: whether services are created on the GPU.
        gpuid: which GPU.
        img_width: this and the following keys up to `delete_services` are as in
            `service_parameters.ServiceParameters`; None for the option's default.
        knobs: values for single networks, by network, under the names of these keys or `mllib`, `datatype`, `gpu`,
            `gpuid`.
        tolerance: relative, 0.1 for 10 %.
        peak_gflops: peak 10^9 floating-point operations per second, as stated in the report; None if not stated.
        cores: number of cores counted in the report (CUDA cores on NVidia's); None if not stated.
        watts: power under load; None if the report does not state it.
        price_usd: price in US dollars; None if the report does not state it.
        memory_gib: memory, GiB; None if the report does not state it.
        source: human-readable source of its published figures.
        reading_error_percent: maximum error of reading a published figure from a chart, percent of the figure.
        reading_error_ms: the same in milliseconds per image; if both are set, they add up.
        batch_sizes: the rows of its published table, or the default batch sizes, ascending.
        models: the networks of its published table, in catalogue order; the report's 13 if it has no table.
        columns: network ids of those columns of its published table whose name does not identify the network.
        report: whether it is one of the report's platforms.
        note: a remark for the user; "" for none.
        repository: model folder on the server; None for no default. May contain `{model}`.
        service: template of service names; None for no default.
        data_dir: bench images as the server sees them; None for no default.
        bench_files: file that lists their names; None for no default.
        concurrency: numbers of concurrent clients for cells under load; None for the option's default.
        rate: requests per second for cells under load; None likewise.
        load_requests: requests in a pass under load; None likewise.
        datatype: of services to create, `fp32` or `fp16`; None for the option's default.
        wait: seconds to wait for a server that is not up yet; None for the option's default.
        timeout: seconds to wait for one answer; None for the option's default.
        cold_start_timeout: seconds to wait for a service to be created, and for its first prediction; None likewise.
        ca_file: certificates to trust, PEM; None for the usual ones.
        user_env: environment variable with the server's user; None for no credentials.
        password_env: environment variable with the password; None for none.
        before: commands that run before its cells, each a shell line or a program and its arguments.
        after: commands that run after its cells, even if the run failed.
        hook_timeout: time limit of each of these commands, seconds.
        telemetry: where its sensors are read: `local`, `ssh:HOST` or `ssh://[user@]host[:port]`; None if they are not.
        cool_to_c: the temperature to wait for before its first cell, degrees Celsius; None for no wait.
        cool_wait: maximum of that wait, seconds.
        nvpmodel: the Jetson's power mode under --ddperf-tune; None leaves it unchanged.
        overridden: the keys set by the project's ddperf.toml.
        alike: the platform named by the key `like`, of which this is another board: its published table applies.
        taken_over: the keys whose values come from that platform.
    """

    id: str
    title: str
    backend: str = "unknown"
    mllib: str = "caffe"
    url: str | None = field(default=None, repr=False)  # may contain credentials
    gpu: bool = False
    gpuid: int = 0
    img_width: int | None = None
    img_height: int | None = None
    bw: bool | None = None
    rgb: bool | None = None
    scale: float | None = None
    histogram_equalization: bool | None = None
    image_interp: str | None = None
    gpu_resize: bool | None = None
    nclasses: int | None = None
    max_workspace_size: int | None = None
    dla: bool | None = None
    recreate: bool | None = None
    delete_services: bool | None = None
    knobs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, hash=False)
    tolerance: float = 0.1
    peak_gflops: float | None = None
    cores: int | None = None
    watts: float | None = None
    price_usd: float | None = None
    memory_gib: float | None = None
    source: str = ""
    reading_error_percent: float = 0.0
    reading_error_ms: float = 0.0
    batch_sizes: tuple[int, ...] = BATCH_SIZES_REPORT
    models: tuple[str, ...] = NETWORK_IDS
    columns: Mapping[str, str] = field(default_factory=dict, hash=False)
    report: bool = False
    note: str = ""
    repository: str | None = None
    service: str | None = None
    data_dir: str | None = None
    bench_files: str | None = None
    concurrency: tuple[int, ...] | None = None
    rate: tuple[float, ...] | None = None
    load_requests: int | None = None
    datatype: str | None = None
    wait: float | None = None
    timeout: float | None = None
    cold_start_timeout: float | None = None
    ca_file: str | None = None
    user_env: str | None = None
    password_env: str | None = None
    before: tuple[Command, ...] = ()
    after: tuple[Command, ...] = ()
    hook_timeout: float = 60.0
    telemetry: str | None = None
    cool_to_c: float | None = None
    cool_wait: float = 600.0
    nvpmodel: int | None = None
    overridden: frozenset[str] = frozenset()
    alike: Platform | None = field(default=None, repr=False, hash=False)
    taken_over: frozenset[str] = frozenset()

    @property
    def like(self) -> str | None:
        """Id of the platform of which this is another board; None if there is none."""
        return None if self.alike is None else self.alike.id

    @property
    def default_models(self) -> tuple[str, ...]:
        """The networks that run by default: those of its table whose identity is known."""
        return tuple(model for model in _RUN_BY_DEFAULT if model in self.models)

    def reading_error_of(self, value_ms: float) -> float:
        """Maximum reading error of the published `value_ms` (milliseconds per image), in milliseconds."""
        return value_ms * self.reading_error_percent / 100 + self.reading_error_ms


def build_batch_schedule(kind: str, maximum: int) -> tuple[int, ...]:
    """List the batch sizes up to and including `maximum`, ascending.

    Args:
        kind: `pow2`: 1, 2, 4, 8 ... as in the report; `dd_bench`: 1, 2, 4, 8, 16, 32, then every 16.
        maximum: upper limit of the batch sizes.

    Raises:
        ConfigurationError: the kind is unknown, or the maximum is below 1.
    """
    if maximum < 1:
        raise ConfigurationError(f"The largest batch size must be 1 or more, not {maximum}.")
    powers = [2**exponent for exponent in range(maximum.bit_length())]
    if kind == "pow2":
        return tuple(powers)
    if kind == "dd_bench":
        return (*(size for size in powers if size <= 32), *range(48, maximum + 1, 16))
    raise ConfigurationError(f"The batch schedule {kind!r} is not known: the valid ones are pow2 and dd_bench.")
