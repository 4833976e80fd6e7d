"""What a server is to a platform: its build, the networks it can serve and how, what would mislead, what to type."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_ddperf.config.resolve import resolve_settings
from pytest_ddperf.config.settings import GivenValue, Origin
from pytest_ddperf.core.service_parameters import AUTO, NCNN, ONNXRUNTIME, TENSORRT, TORCH, runs_on_gpu
from pytest_ddperf.deepdetect.build_flags import BACKENDS, has_cuda, ignores_precision, read_words
from pytest_ddperf.errors import ConfigurationError, DdperfError
from pytest_ddperf.servers.backends import choose_device, describe_choice, list_backends
from pytest_ddperf.servers.services import find_repository, find_service
from pytest_ddperf.text import format_table

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pytest_ddperf.config.server_options import ServerOptions
    from pytest_ddperf.core.catalog import Catalog
    from pytest_ddperf.core.networks import Network
    from pytest_ddperf.deepdetect.protocol import Info

_REPOSITORY = "--ddperf-repository=DIR/{model}"


def format_server(platform: str, catalog: Catalog, project_dir: Path, info: Info, width: int) -> list[str]:
    """Format what a server is to a platform, as indented lines of at most `width` columns.

    The command to type is not broken. `project_dir` is the folder of ddperf.toml.
    """
    try:
        given = {"platform": GivenValue((platform,), Origin.COMMAND_LINE)}
        settings = resolve_settings(given, catalog, project_dir)
        options = settings.server_options(platform)
        networks = [settings.catalog.networks[model] for model in settings.models(platform)]
        ways = describe_ways(options, networks, info)
        backends, refusal = _backends(options, None, info)
        creates = any(find_service(options, network, info) is None for network in networks)
        rows = [
            ("build", describe_build(info)),
            *([("backend", refusal or describe_backend(options, backends, info))] if refusal or creates else []),
            *[("networks", f"{way}: {', '.join(models)}") for way, models in ways.items()],
            *[("misleading", text) for text in describe_pitfalls(options, backends, networks, info)],
        ]
        command = build_command(platform, options, ways, backends, refusal)
    except DdperfError as error:
        rows, command = [("settings", str(error))], ""
    lines = format_table([(f"{platform} {label}:", text) for label, text in rows], width - 2)
    return [f"  {line}" for line in lines] + ([f"  to measure it: {command}"] if command else [])


def describe_build(info: Info) -> str:
    """Describe the backends of a server, and whether it was built for a GPU."""
    built = info.backends
    backends = f"built with {', '.join(built)}" if built else "its build flags show no backend"
    versions = read_words(info.deps_version)
    device = {
        True: f"for a GPU, CUDA {versions.get('CUDA_VERSION')}",
        False: "for the CPU (CUDA_VERSION is empty)",
        None: "for CPU or GPU: not reported",
    }[has_cuda(info.deps_version)]
    tensorrt = versions.get("TENSORRT_VERSION")
    commit = f", commit {info.commit[:12]}" if info.commit not in {"", "unknown"} else ""
    return f"{backends}; {device}{f', TensorRT {tensorrt}' if tensorrt else ''}{commit}"


def describe_backend(options: ServerOptions, backends: Sequence[str], info: Info) -> str:
    """Describe the backend of the services that a run would create: the first of these that the server has."""
    if not backends:
        return f"no service can be created: the server has none of {', '.join(BACKENDS)}"
    if len(backends) > 1 and not info.backends:
        return f"the first of {', '.join(backends)} that the server accepts"
    choice = describe_choice(options, backends[0], info)
    return choice or f"{backends[0]}, {'the platform' if options.parameters.mllib == AUTO else 'the setting'}'s"


def describe_ways(options: ServerOptions, networks: Sequence[Network], info: Info) -> dict[str, list[str]]:
    """Group the platform's networks by the way in which the server can serve them; those it cannot come last."""
    ways: dict[str, list[str]] = {}
    missing: dict[str, list[str]] = {}
    for network in networks:
        way, is_served = _way(options, network, info)
        (ways if is_served else missing).setdefault(way, []).append(network.id)
    return ways | {f"not served ({why})": models for why, models in missing.items()}


def _way(options: ServerOptions, network: Network, info: Info) -> tuple[str, bool]:
    service = find_service(options, network, info)
    if service is not None:
        return f"existing services ({service.mllib or 'unknown backend'})", True
    own = options.of(network.id)
    repository = find_repository(own, network)
    if repository is None:
        return "no service, and no model folder is known", False
    backends, _ = _backends(own, network, info)
    if not backends:
        return "no service, and no backend to create one", False
    folder = repository if network.is_own else options.repository
    template = ", else from its template" if backends[0] == TORCH and network.template else ""
    return f"created with {backends[0]} from the folder {folder}, if it has the network's files{template}", True


def _backends(options: ServerOptions, network: Network | None, info: Info) -> tuple[list[str], str]:
    """Return the backends with which services would be created, or why there are none."""
    try:
        return list_backends(options, network, info), ""
    except ConfigurationError as error:
        return [], str(error).rstrip(".")


def describe_pitfalls(
    options: ServerOptions, backends: Sequence[str], networks: Sequence[Network], info: Info
) -> list[str]:
    """Describe what of the settings, and of the existing services, would mislead."""
    found: list[str] = []
    if backends and (text := _describe_datatype(backends[0], options.parameters.datatype, info)):
        found.append(text)
    if backends and options.parameters.gpu and not runs_on_gpu(backends[0], choose_device(options, info)):
        found.append("the platform's services run on a GPU, those created on this server run on its CPU")
    for network in networks:
        service = find_service(options, network, info)
        if service is None:
            continue
        fixed = service.max_batch_size if service.mllib.lower() in {TENSORRT, ONNXRUNTIME} else None
        texts = (
            _describe_datatype(service.mllib.lower(), service.datatype, info),
            network.describe_other(service.model_stats.params),
            f"it was made for batches of {fixed}; if its network has a fixed batch, fewer images take as long"
            if fixed
            else "",
        )
        found += [f"service {service.name}: {text}" for text in texts if text]
    return list(dict.fromkeys(found))


def _describe_datatype(backend: str, datatype: str, info: Info) -> str:
    if backend == TENSORRT and datatype in {"fp16", "int8"} and ignores_precision(info.deps_version):
        return (
            f"datatype {datatype} changes nothing: from TensorRT 10.12 on, the server builds every engine in its "
            "default precision"
        )
    if backend == NCNN and datatype not in {"", "fp32", "fp16"}:
        return f"datatype {datatype} means fp16 with NCNN"
    return ""


def build_command(
    platform: str, options: ServerOptions, ways: dict[str, list[str]], backends: Sequence[str], refusal: str
) -> str:
    """Build the command that measures the platform as far as the server can serve it; "" if there is none."""
    served = [model for way, models in ways.items() if not way.startswith("not served") for model in models]
    every = [model for models in ways.values() for model in models]
    words = ["pytest", "benchmarks", f"--platform={platform}"]
    if refusal:
        words.append("--ddperf-mllib=auto")
        served = served or (every if options.repository else [])
    if not served:
        if options.repository is not None or not backends:
            return ""
        words.append(_REPOSITORY)
    elif len(served) < len(every):
        words.append(f"--ddperf-models={','.join(served)}")
    return " ".join(words)
