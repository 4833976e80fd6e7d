"""Convert cells to pytest-benchmark's benchmarks, for its tables, comparisons and JSON.

`plugin.benchmark_bridge` uses three private names of pytest-benchmark, which a contract test checks:
`config._benchmarksession`, its `benchmarks` and its `groups`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from pytest_benchmark import __version__

from pytest_ddperf.baselines.recordings import compute_stats, is_cell, list_rounds
from pytest_ddperf.core.load_summary import compute_images_per_second
from pytest_ddperf.core.records import Clock, ModelStats
from pytest_ddperf.core.results import join_cell

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pytest_ddperf.core.catalog import Catalog
    from pytest_ddperf.core.records import CellKey, CellRecord, ServerFacts
    from pytest_ddperf.core.results import Result
    from pytest_ddperf.history.run_file import Run


MACHINE_KEY = "ddperf"
"""Key of the measured servers in pytest-benchmark's machine_info."""

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
"""Options of pytest-benchmark that control measuring; they are ignored for our cells, with one warning."""


def per_image_s(record: CellRecord) -> list[float]:
    """Return seconds per image by the gated clock, one per timed pass of all rounds; empty if nothing was measured."""
    if record.measurement is None:
        return []
    return [ms / 1000 for one in record.measurement.per_image_ms() for ms in one]


def build_judged_info(cell: Result) -> dict[str, Any]:
    """Build the `extra_info` of a cell's key, its verdict and, under load, its summary of requests; builtins only."""
    load = cell.load
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
        "limit": cell.limit,
        "tolerance": cell.tolerance,
        **({"shift_removed": cell.shift_removed} if cell.shift_removed else {}),
        **({"platform_shifted": True} if cell.platform_shifted else {}),
        **({} if cell.creep is None else {"creep": msgspec.to_builtins(cell.creep)}),
        **({} if cell.since is None else {"since": msgspec.to_builtins(cell.since)}),
        **({"budgets": msgspec.to_builtins(cell.budgets)} if cell.budgets else {}),
        "baseline_ms_per_image": cell.baseline_ms,
        "baseline_source": cell.baseline_source or None,
        **({} if cell.seed is None else {"against": _describe_pairs(cell)}),
        **({} if load is None else {"load": {**msgspec.to_builtins(load), "kept_up": load.kept_up}}),
    }


def build_extra_info(record: CellRecord) -> dict[str, Any]:
    """Build the whole `extra_info` of a stored benchmark; builtins only."""
    measurement = record.measurement
    info = build_judged_info(join_cell(record.key, None, record))
    if measurement is not None:
        info["conditions"] = msgspec.to_builtins(measurement.conditions)
        if measurement.network_files:
            info["network_files"] = dict(measurement.network_files)
        if measurement.load:
            info["load_passes"] = msgspec.to_builtins(measurement.load)
        if measurement.model_stats != ModelStats():
            info["model_stats"] = msgspec.to_builtins(measurement.model_stats)
        info["cold_start"] = msgspec.to_builtins(measurement.cold_start)
        info["exclusive"] = measurement.exclusive
        info["telemetry"] = msgspec.to_builtins(measurement.telemetry)
        info["rounds"] = list_rounds(measurement)
        if measurement.against is not None:
            info["against"] |= {
                "server": msgspec.to_builtins(measurement.against.server),
                "service": measurement.against.service,
                "conditions": msgspec.to_builtins(measurement.against.conditions),
                "ms_per_image": measurement.against_per_image_ms(),
            }
        info["clocks_ms_per_image"] = {str(clock): measurement.per_image_ms(clock) for clock in Clock}
        info["transform_ms_per_image"] = [
            [None if each.transform_ms is None else each.transform_ms / record.key.batch_size for each in one.passes]
            for one in measurement.rounds
        ]
    if record.server is not None:
        info["server"] = msgspec.to_builtins(record.server)
    return info


def _describe_pairs(cell: Result) -> dict[str, Any]:
    """Build what `extra_info` contains of the estimate from pairs; builtins only."""
    return {
        "change": cell.change,
        "interval": None if cell.interval is None else list(cell.interval),
        "pairs": cell.pairs,
        "seed": cell.seed,
    }


def list_servers(records: Iterable[CellRecord], catalog: Catalog) -> dict[str, tuple[str, str, ServerFacts]]:
    """Return title, backend and server facts of each platform that was measured."""
    return {
        record.key.platform: (
            catalog.platform_title(record.key.platform),
            record.measurement.conditions.backend if record.measurement else "",
            record.server,
        )
        for record in records
        if record.server is not None
    }


def build_machine_info(platforms: Mapping[str, tuple[str, str, ServerFacts]]) -> dict[str, Any]:
    """Build our part of pytest-benchmark's machine_info: the measured servers, under `MACHINE_KEY`.

    The other keys, written by pytest-benchmark, describe the machine that ran pytest.

    Args:
        platforms: title, backend and server facts of each platform, by id.
    """
    described = {
        name: {"title": title, "backend": backend, **msgspec.to_builtins(facts)}
        for name, (title, backend, facts) in sorted(platforms.items())
    }
    return {MACHINE_KEY: {"platforms": described}}


def comparable_machine_info(machine: Mapping[str, Any], stored: Mapping[str, Any]) -> dict[str, Any]:
    """Build the machine_info that pytest-benchmark compares with that of a stored run.

    pytest-benchmark compares before anything is measured, when the facts of the servers are still unknown. They are
    treated as equal, since each cell contains its own conditions. If the stored run contains only cells, the machine
    that ran pytest does not matter, and all facts are treated as equal. Files of version 0.1.0 contain the server's
    facts instead of the machine's.

    Args:
        machine: machine_info of this machine.
        stored: the stored run, as pytest-benchmark JSON.
    """
    of_stored = dict(stored.get("machine_info") or {})
    benchmarks = stored.get("benchmarks") or []
    if of_stored.get("system") == "DeepDetect" or all(map(is_cell, benchmarks)):
        return of_stored
    others = {key: value for key, value in machine.items() if key != MACHINE_KEY}
    return others | {key: value for key, value in of_stored.items() if key == MACHINE_KEY}


def build_fields(key: CellKey, nodeid: str, info: Mapping[str, Any]) -> dict[str, Any]:
    """Build the fields of a benchmark except its options and statistics."""
    return {
        "group": f"ddperf {key.platform}",
        "name": nodeid.rsplit("::", 1)[-1],
        "fullname": nodeid,
        "params": {"platform": key.platform, "model": key.model, "batch_size": key.batch_size},
        "param": str(key),
        "extra_info": dict(info),
    }


OPTIONS = {"warmup": True, "timer": "server"}
"""Value of `options` in our benchmarks, instead of pytest-benchmark's measuring options."""


def build_benchmark(key: CellKey, nodeid: str, seconds: Sequence[float], info: Mapping[str, Any]) -> dict[str, Any]:
    """Build the entry of one cell as pytest-benchmark stores it.

    Args:
        key: the cell.
        nodeid: id of its test, by which tools identify the cell over time.
        seconds: seconds per image, one per timed pass; not empty.
        info: its `extra_info`.
    """
    return {**build_fields(key, nodeid, info), "options": OPTIONS, "stats": compute_stats(seconds)}


def build_document(
    benchmarks: Sequence[Mapping[str, Any]],
    platforms: Mapping[str, tuple[str, str, ServerFacts]],
    *,
    commit: Mapping[str, Any],
    started: str,
) -> dict[str, Any]:
    """Build the contents of a pytest-benchmark JSON file.

    Args:
        benchmarks: entries from `build_benchmark`.
        platforms: see `build_machine_info`.
        commit: facts of the tested commit; empty if unknown.
        started: start of the run, UTC in ISO 8601.
    """
    return {
        "machine_info": build_machine_info(platforms),
        "commit_info": dict(commit),
        "benchmarks": list(benchmarks),
        "datetime": started,
        "version": __version__,
    }


def build_run_document(run: Run, catalog: Catalog) -> dict[str, Any]:
    """Convert a run of the history to pytest-benchmark JSON."""
    measured = [record for record in run.records if per_image_s(record)]
    return build_document(
        [
            build_benchmark(record.key, record.nodeid, per_image_s(record), build_extra_info(record))
            for record in measured
        ],
        list_servers(measured, catalog),
        commit=run.header.facts.get("commit", {}),
        started=run.header.started,
    )


def list_given(options: Sequence[str], arguments: Iterable[object]) -> list[str]:
    """Return those of these options that are among the arguments of pytest, with or without a value."""
    given = {argument.partition("=")[0] for argument in map(str, arguments)}
    return [option for option in options if option in given]
