"""The only module that knows pytest-benchmark's insides: our cells become its benchmarks, and ride all its surfaces.

Three private names of it are used: `config._benchmarksession`, its `benchmarks` and its `groups`; a contract test
watches them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_ddperf.core.load_summary import compute_images_per_second, summarise_load
from pytest_ddperf.core.record_codec import to_builtins
from pytest_ddperf.core.records import CellRecord, Clock

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_ddperf.core.records import CellKey, ServerFacts
    from pytest_ddperf.core.results import Result
    from pytest_ddperf.history.run_file import Run


GROUP = "ddperf"
"""The first word of our benchmarks' group: `ddperf tk1`."""

MACHINE_KEY = "ddperf"
"""Where pytest-benchmark's machine_info holds the servers that were measured."""

MEASURING_OPTIONS = (
    "--benchmark-calibration-precision",
    "--benchmark-disable-gc",
    "--benchmark-max-time",
    "--benchmark-min-rounds",
    "--benchmark-min-time",
    "--benchmark-timer",
    "--benchmark-warmup",
    "--benchmark-warmup-iterations",
)
"""Options of pytest-benchmark that say how to measure: ignored on our cells, with one warning."""


def compute_stats(seconds: Sequence[float]) -> dict[str, Any]:
    """pytest-benchmark's statistics of these durations, `data` and `iterations` included."""
    from pytest_benchmark.stats import Stats  # noqa: PLC0415 - only with results to store

    stats = Stats()
    for one in seconds:
        stats.update(one)
    return {**stats.as_dict(), "data": list(seconds), "iterations": 1}


def per_image_s(record: CellRecord) -> list[float]:
    """Seconds per image, one per timed pass of the gated clock, all rounds; empty where nothing was measured."""
    if record.measurement is None:
        return []
    return [ms / 1000 for one in record.measurement.per_image_ms() for ms in one]


def build_judged_info(
    cell: CellRecord | Result, *, baseline_ms: float | None, baseline_source: str | None
) -> dict[str, Any]:
    """Which cell a benchmark is of, and how it was judged: builtins only; under load, what its requests tell, too."""
    load = summarise_load(cell.measurement) if isinstance(cell, CellRecord) else cell.load
    told = {} if load is None else {"load": {**to_builtins(load), "kept_up": load.kept_up}}
    return {
        "platform": cell.key.platform,
        "model": cell.key.model,
        "batch_size": cell.key.batch_size,
        "scenario": cell.key.scenario,
        "verdict": str(cell.outcome),
        "reason": cell.reason,
        "ms_per_image": cell.now_ms,
        "images_per_second": compute_images_per_second(cell.key, cell.now_ms, load),
        "change": cell.change,
        "tolerance": cell.tolerance,
        "baseline_ms_per_image": baseline_ms,
        "baseline_source": baseline_source,
        **told,
    }


def build_extra_info(record: CellRecord) -> dict[str, Any]:
    """What a stored benchmark says beside its statistics: builtins only."""
    measurement, baseline = record.measurement, record.baseline
    info = build_judged_info(
        record,
        baseline_ms=baseline.value_ms if baseline else None,
        baseline_source=baseline.source if baseline else None,
    )
    if measurement is not None:
        info["conditions"] = to_builtins(measurement.conditions)
        if measurement.network_files:
            info["network_files"] = dict(measurement.network_files)
        if measurement.load:
            info["load_passes"] = to_builtins(measurement.load)
        info["cold_start"] = to_builtins(measurement.cold_start)
        info["exclusive"] = measurement.exclusive
        info["telemetry"] = to_builtins(measurement.telemetry)
        info["clocks_ms_per_image"] = {str(clock): measurement.per_image_ms(clock) for clock in Clock}
        info["transform_ms_per_image"] = [
            [None if each.transform_ms is None else each.transform_ms / record.key.batch_size for each in one.passes]
            for one in measurement.rounds
        ]
    if record.server is not None:
        info["server"] = to_builtins(record.server)
    return info


def build_machine_info(platforms: Mapping[str, tuple[str, str, ServerFacts]]) -> dict[str, Any]:
    """Our part of pytest-benchmark's machine_info: the servers that were measured, under a key of our own.

    What pytest-benchmark writes beside it describes the machine that ran pytest.

    Args:
        platforms: by platform id, its title, its backend and what its server reports of itself.
    """
    described = {
        name: {
            "title": title,
            "backend": backend,
            "url": facts.url,
            "version": facts.version,
            "commit": facts.commit,
            "branch": facts.branch,
            "build_type": facts.build_type,
            "compile_flags": facts.compile_flags,
            "deps_version": facts.deps_version,
        }
        for name, (title, backend, facts) in sorted(platforms.items())
    }
    return {MACHINE_KEY: {"platforms": described}}


def comparable_machine_info(machine: Mapping[str, Any], stored: Mapping[str, Any]) -> dict[str, Any]:
    """This machine's facts as pytest-benchmark should compare them with those of a stored run.

    It compares before anything is measured, when the servers' facts are not known yet: ours are taken as equal, since
    the cells carry their conditions themselves. Where all that is stored is cells, the machine that ran pytest says
    nothing of them. Files of version 0.1.0 hold the server's facts in the place of the machine's.

    Args:
        machine: `build_machine_info` of this machine.
        stored: the stored run, pytest-benchmark's JSON.
    """
    of_stored = dict(stored.get("machine_info") or {})
    benchmarks = stored.get("benchmarks") or []
    if of_stored.get("system") == "DeepDetect" or all(_is_of_a_cell(one) for one in benchmarks):
        return of_stored
    others = {key: value for key, value in machine.items() if key != MACHINE_KEY}
    return others | {key: value for key, value in of_stored.items() if key == MACHINE_KEY}


def _is_of_a_cell(benchmark: Mapping[str, Any]) -> bool:
    return str(benchmark.get("group") or "").startswith(f"{GROUP} ")


def _described(key: CellKey, nodeid: str, info: Mapping[str, Any]) -> dict[str, Any]:
    """What a benchmark of ours says of itself, beside its statistics."""
    return {
        "group": f"{GROUP} {key.platform}",
        "name": nodeid.rsplit("::", 1)[-1],
        "fullname": nodeid,
        "params": {"platform": key.platform, "model": key.model, "batch_size": key.batch_size},
        "param": str(key),
        "extra_info": dict(info),
    }


OPTIONS = {"warmup": True, "timer": "server"}
"""What stands for pytest-benchmark's measuring options in our benchmarks."""


def build_benchmark(key: CellKey, nodeid: str, seconds: Sequence[float], info: Mapping[str, Any]) -> dict[str, Any]:
    """One cell as pytest-benchmark stores it.

    Args:
        key: the cell.
        nodeid: its test; whoever follows the cell over time knows it by that name.
        seconds: per image, one per timed pass; not empty.
        info: its `build_extra_info`.
    """
    return {**_described(key, nodeid, info), "options": OPTIONS, "stats": compute_stats(seconds)}


def build_document(
    benchmarks: Sequence[Mapping[str, Any]],
    platforms: Mapping[str, tuple[str, str, ServerFacts]],
    *,
    commit: Mapping[str, Any],
    started: str,
) -> dict[str, Any]:
    """A file of pytest-benchmark's.

    Args:
        benchmarks: as `benchmark` makes them.
        platforms: as `build_machine_info` takes them.
        commit: facts of the commit that was tested; empty where unknown.
        started: UTC time in ISO 8601.
    """
    return {
        "machine_info": build_machine_info(platforms),
        "commit_info": dict(commit),
        "benchmarks": list(benchmarks),
        "datetime": started,
        "version": pytest_benchmark_version(),
    }


def build_run_document(run: Run, titles: Mapping[str, str]) -> dict[str, Any]:
    """A stored run as pytest-benchmark JSON.

    Args:
        run: of the history.
        titles: of the platforms, by id.
    """
    measured = [record for record in run.records if per_image_s(record)]
    platforms = {
        record.key.platform: (
            titles.get(record.key.platform, record.key.platform),
            record.measurement.conditions.backend if record.measurement else "",
            record.server,
        )
        for record in measured
        if record.server is not None
    }
    return build_document(
        [
            build_benchmark(record.key, record.nodeid, per_image_s(record), build_extra_info(record))
            for record in measured
        ],
        platforms,
        commit=run.header.facts.get("commit", {}),
        started=run.header.started,
    )


def list_ignored_options(arguments: Sequence[str]) -> list[str]:
    """Options of pytest-benchmark among these arguments that say how to measure, which our cells do not take."""
    return [name for name in MEASURING_OPTIONS if _is_given(name, arguments)]


def _is_given(option: str, arguments: Sequence[str]) -> bool:
    return any(argument == option or argument.startswith(f"{option}=") for argument in arguments)


def read_commit_facts() -> dict[str, Any]:
    """The commit of the folder that pytest runs in, as pytest-benchmark tells it."""
    from pytest_benchmark.utils import get_commit_info  # noqa: PLC0415 - starts git

    facts: dict[str, Any] = get_commit_info()
    return facts


def pytest_benchmark_version() -> str:
    """The version that its JSON files carry."""
    from pytest_benchmark import __version__  # noqa: PLC0415 - only with results to keep

    return str(__version__)


def is_only_mark(reason: str) -> bool:
    """Whether a skip is the one that `--benchmark-only` puts on tests without a `benchmark` fixture."""
    return "--benchmark-only" in reason
