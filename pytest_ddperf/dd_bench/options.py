"""dd_bench's options and the request bodies built from them. Pure.

The bodies are the same as dd_bench's, except that two of its defects are corrected: `scale` is sent as a float (real
servers refuse the integer 1), and `interp` is sent only if the option is given.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from pytest_ddperf.core.platform import build_batch_schedule
from pytest_ddperf.core.service_parameters import DD_BENCH_DEFAULTS, TENSORRT, ServiceParameters
from pytest_ddperf.core.tasks import Task
from pytest_ddperf.deepdetect import protocol
from pytest_ddperf.errors import ConfigurationError
from pytest_ddperf.measure.clocks import AUTO

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class BenchOptions:
    """dd_bench's options with its defaults and names, except `service`, its sname; `timer` and `timeout_s` are our own.

    Args:
        service: name of the service as given; servers store it in lower case.
        parameters: parameters of the service and its requests; all but `delete_services` are options of dd_bench.
        remote_bench_data_dir: folder of the images on the server.
        list_bench_files: file that lists the names of the images; None for `list_bench_files.txt` in the current folder
            or in the folder of the images.
        create: model folder on the server; None if the service already exists.
        auto_kill: whether the service is deleted at the end, even if it existed before the run.
        timer: the clock: predict, head, client, or auto.
        timeout_s: seconds without an answer after which a request times out.
    """

    service: str = ""
    host: str = "localhost"
    port: int = 8080
    parameters: ServiceParameters = DD_BENCH_DEFAULTS
    remote_bench_data_dir: str | None = None
    max_batch_size: int = 256
    list_bench_files: str | None = None
    npasses: int = 5
    detection: bool = False
    segmentation: bool = False
    regression: bool = False
    search: bool = False
    search_multibox: bool = False
    create: str | None = None
    auto_kill: bool = False
    csv_output: str | None = None
    json_output: str | None = None
    timer: str = AUTO
    timeout_s: float = 300.0

    @property
    def data_dir(self) -> str:
        """Folder of the images on the server, without trailing slashes; the root folder remains `/`."""
        folder = self.remote_bench_data_dir or ""
        return folder.rstrip("/") or folder[:1]

    @property
    def url(self) -> str:
        """URL of the server. An IPv6 address is put in brackets; a `host` that is a URL keeps its own port.

        A URL without a port gets `port`; an https URL keeps https's own unless `port` is not the default.
        """
        if "://" in self.host:
            try:
                parts = urlsplit(self.host)
                if parts.port is not None or (parts.scheme == "https" and self.port == BenchOptions().port):
                    return self.host
            except ValueError:  # an invalid URL is refused where it is used
                return self.host
            return parts._replace(netloc=f"{parts.netloc}:{self.port}").geturl()
        host = f"[{self.host}]" if ":" in self.host and not self.host.startswith("[") else self.host
        return f"http://{host}:{self.port}"

    @property
    def task(self) -> Task:
        """Task of the service; the options have the same precedence as in dd_bench."""
        if self.detection and self.search_multibox:
            return Task.MULTIBOX_SEARCH
        if self.detection:
            return Task.ROI_SEARCH if self.search else Task.DETECTION
        if self.segmentation:
            return Task.SEGMENTATION
        if self.regression:
            return Task.REGRESSION
        return Task.SEARCH if self.search else Task.CLASSIFICATION

    @property
    def batch_sizes(self) -> tuple[int, ...]:
        """Batch sizes to measure: 1, 2, 4, 8, 16, 32, then every 16, up to `max_batch_size`."""
        return build_batch_schedule("dd_bench", self.max_batch_size)

    @property
    def engine_batch_size(self) -> int:
        """`maxBatchSize` of a service used for all batch sizes; only TensorRT reads it."""
        return self.max_batch_size if self.parameters.mllib == TENSORRT else 1

    def service_body(self, max_batch_size: int) -> dict[str, object]:
        """Build the body of the request that creates the service from the folder `create`."""
        return protocol.build_service_body(
            self.create or "", self.parameters, max_batch_size=max_batch_size, task=self.task
        )

    def predict_body(self, data: Sequence[str]) -> dict[str, object]:
        """Build the body of the request that predicts a batch."""
        return protocol.build_predict_body(self.service, data, self.parameters, task=self.task)

    def check(self) -> list[str]:
        """Check that the options are complete and consistent, before any request is sent or any file is written.

        Returns:
            Remarks for the user, one per line.

        Raises:
            ConfigurationError: an option is missing or invalid, or options contradict each other.
        """
        if not self.service.strip():
            raise ConfigurationError("No service is named; add --sname NAME, such as --sname imageserv.")
        protocol.check_service_name(self.service)
        if not self.remote_bench_data_dir:
            raise ConfigurationError(
                "No folder of images is named; add --remote-bench-data-dir DIR, its path on the server."
            )
        asked = [f"--{name}" for name in ("detection", "segmentation", "regression") if getattr(self, name)]
        if len(asked) > 1:
            raise ConfigurationError(
                f"A service has one task, but {' and '.join(asked)} name several; keep only one of them."
            )
        if self.parameters.recreate and not self.create:
            raise ConfigurationError(
                "--recreate deletes and recreates the service, which needs its model folder. Add --create DIR, or omit "
                "--recreate."
            )
        if not math.isfinite(self.parameters.scale):
            raise ConfigurationError(
                f"--scale {self.parameters.scale} is not a valid factor; expected a finite number."
            )
        return self._remarks()

    def _remarks(self) -> list[str]:
        remarks = []
        if self.search_multibox and not self.detection:
            remarks.append("--search-multibox has no effect without --detection, as in dd_bench")
        if self.search and (self.segmentation or self.regression):
            remarks.append("--search has no effect with --segmentation or --regression, as in dd_bench")
        if self.create and not self.parameters.recreate and self.parameters.mllib == TENSORRT:
            remarks.append(
                f"one TensorRT engine, built for {self.max_batch_size} images, runs all batch sizes; --recreate "
                "builds one for each"
            )
        return remarks
