"""Where dd_bench's requests mislead on today's backends, and the pytest command that measures the same service."""

from __future__ import annotations

import shlex
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

from pytest_ddperf.core.catalog import build_bare_catalog
from pytest_ddperf.core.service_parameters import NCNN, PARAMETERS, TENSORRT, TORCH, format_option
from pytest_ddperf.core.tasks import Task
from pytest_ddperf.dd_bench.files import find_list
from pytest_ddperf.dd_bench.options import BenchOptions
from pytest_ddperf.deepdetect.url import format_display_url
from pytest_ddperf.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pytest_ddperf.deepdetect.protocol import ServiceInfo


def describe_pitfalls(options: BenchOptions, service: ServiceInfo) -> str:
    """Return a warning on one line: why the times of a run mislead, and the pytest command to use instead.

    It is "" if nothing is known to mislead.
    """
    title, list_pitfalls = _BACKENDS.get(service.mllib.lower(), ("", None))  # TensorRT has several spellings
    if list_pitfalls is None or not (found := list_pitfalls(options, service)):
        return ""
    return (
        f"warning: dd_bench's requests mislead on {title}: {'; '.join(found)}. Use instead: "
        f"{build_pytest_command(options, service.mllib)} (docs/dd-bench.md)"
    )


def _list_torch_pitfalls(options: BenchOptions, service: ServiceInfo) -> list[str]:
    found = []
    if options.max_batch_size > 1:
        found.append("a batch of N images runs as N batches of one, because no prediction sends test_batch_size")
    if service.datatype not in {"", "fp32"}:
        found.append(f"predictions run in fp32, not {service.datatype}, because no prediction sends datatype")
    if options.task is Task.CLASSIFICATION:
        found.append("each prediction returns all classes, which adds to its time, because it does not send best")
    if service.gpu is not None and service.gpu is not options.parameters.gpu:
        found.append(f"predictions run on the {'GPU' if service.gpu else 'CPU'}, for which the service was created")
    if options.parameters.gpuid and not options.create:
        found.append("--gpuid has no effect, because it is read only when a service is created")
    return found


def _list_tensorrt_pitfalls(options: BenchOptions, service: ServiceInfo) -> list[str]:
    found = []
    if options.max_batch_size > 1:
        found.append("a model that was exported with a fixed batch size runs every batch size as that one")
    if options.parameters.recreate and options.max_batch_size > 1:
        found.append("--recreate fails if the model folder contains an engine for another batch size")
    if service.datatype in {"fp16", "int8"}:
        found.append(f"a server with TensorRT 10.12 or newer ignores {service.datatype}")
    if service.datatype == "int8":
        found.append("int8 is not calibrated")
    if service.datatype not in {"", "fp32", "fp16", "int32", "int8"}:
        found.append(f"the server does not know {service.datatype} and runs fp32")
    if not options.create:
        found.append(f"predictions run on GPU {options.parameters.gpuid} (--gpuid), not on the service's")
    return found


def _list_ncnn_pitfalls(_: BenchOptions, service: ServiceInfo) -> list[str]:
    known = service.datatype in {"", "fp32", "fp16"}
    return [] if known else [f"{service.datatype} runs as fp16, like everything but fp32"]


_BACKENDS: Final[Mapping[str, tuple[str, Callable[[BenchOptions, ServiceInfo], list[str]]]]] = {
    TORCH: ("Torch", _list_torch_pitfalls),
    TENSORRT: ("TensorRT", _list_tensorrt_pitfalls),
    NCNN: ("NCNN", _list_ncnn_pitfalls),
}
"""Title and pitfalls of each backend on which dd_bench's requests may mislead."""


def build_pytest_command(options: BenchOptions, backend: str = "") -> str:
    """Build the pytest command that measures the same service; its platform is left to the user.

    Options that the backend ignores are omitted; it is "" if it is not known.
    """
    words = [
        "pytest", "benchmarks", "--platform=PLATFORM", f"--ddperf-url={format_display_url(options.url)}",
        f"--ddperf-service={options.service}", f"--ddperf-models={_find_network(options)}",
        f"--ddperf-data-dir={options.data_dir}", f"--ddperf-max-batch-size={options.max_batch_size}",
        "--ddperf-batch-schedule=dd_bench",
    ]  # fmt: skip
    if (listed := find_list(options)) is not None:
        words.append(f"--ddperf-bench-files={listed}")
    if options.create:
        words += [f"--ddperf-repository={options.create}", f"--ddperf-mllib={options.parameters.mllib}"]
    defaults, given = BenchOptions(), options.parameters.restrict_to(backend)
    same = [(name, getattr(given, name), getattr(defaults.parameters, name)) for name in PARAMETERS]
    same += [("npasses", options.npasses, defaults.npasses), ("timer", options.timer, defaults.timer)]
    for name, value, default in same:
        if value != default and name != "mllib":  # which is named beside the repository
            words.append(format_option(name, value))
    if options.timeout_s != defaults.timeout_s:
        words.append(f"--ddperf-timeout={options.timeout_s:g}")
    if options.auto_kill:
        words.append("--ddperf-delete-services")
    for file, suffix in ((options.csv_output, ".csv"), (options.json_output, ".json")):
        if file:
            words.append(f"--ddperf-report={file.removesuffix(suffix)}{suffix}")
    return shlex.join(words)


def _find_network(options: BenchOptions) -> str:
    """Return the network that the model folder or the service is named after; `NETWORK` if there is none."""
    catalog = build_bare_catalog()
    for name in (PurePosixPath(options.create or "").name, options.service):
        try:
            return catalog.model(name).id
        except ConfigurationError:
            continue
    return "NETWORK"
