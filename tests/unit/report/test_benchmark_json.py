from __future__ import annotations

import inspect
import json
import statistics
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from every_row import every_row
from load_made import loaded
from messages import assert_names
from recording import paired

from pytest_ddperf.baselines.recordings import compute_stats
from pytest_ddperf.core.budgets import BudgetCheck, Standing
from pytest_ddperf.core.records import (
    Baseline,
    CellKey,
    CellRecord,
    Clock,
    Conditions,
    Creep,
    Measurement,
    Night,
    Outcome,
    Pass,
    Round,
    ServerFacts,
    Since,
)
from pytest_ddperf.errors import BaselineFileError
from pytest_ddperf.plugin import benchmark_bridge
from pytest_ddperf.report import benchmark_json
from pytest_ddperf.report.benchmark_cells import read_cells

KEY = CellKey("tk1", "resnet50", 2)
NODEID = "benchmarks/test_predict.py::test_predict[tk1-resnet50-b2]"
MEASUREMENT = Measurement(
    KEY,
    Conditions(Clock.PREDICT, "caffe", gpu=True),
    (
        Round(0.0, (Pass(9.0, 8.0, 8.4, 2.0), Pass(9.0, 8.0, 8.8, 2.0))),
        Round(1.0, (Pass(9.0, 8.0, 8.6),)),
    ),
)
RECORD = CellRecord(
    KEY,
    NODEID,
    Outcome.OK,
    now_ms=4.3,
    change=0.075,
    tolerance=0.1,
    baseline=Baseline("report", 4.0, "tk1.csv, line 3"),
    measurement=MEASUREMENT,
    server=ServerFacts("http://h:1", version="v0.28.0"),
)
NOTHING = CellRecord(CellKey("tk1", "vgg16", 1), "x::y", Outcome.ERROR, reason="no answer")


class Config(SimpleNamespace):
    """As much of pytest's as the module asks for."""


def config(*args: str, **session: Any) -> Any:  # noqa: ANN401 - stands for pytest's Config
    return Config(_benchmarksession=SimpleNamespace(**session), invocation_params=SimpleNamespace(args=tuple(args)))


def test_durations_are_seconds_per_image_of_the_gated_clock_all_rounds() -> None:
    assert benchmark_json.per_image_s(RECORD) == pytest.approx([0.0042, 0.0044, 0.0043])
    assert benchmark_json.per_image_s(NOTHING) == []


def test_the_statistics_are_those_of_pytest_benchmark() -> None:
    data = [0.0042, 0.0044, 0.0043]
    stats = compute_stats(data)
    assert stats["data"] == data
    assert stats["mean"] == pytest.approx(statistics.fmean(data))
    assert stats["median"] == pytest.approx(0.0043)
    assert (stats["rounds"], stats["iterations"]) == (3, 1)
    assert {"min", "max", "stddev", "iqr", "q1", "q3", "outliers", "ops", "total"} <= set(stats)


def test_extra_info_tells_all_of_a_measured_cell() -> None:
    info = benchmark_json.build_extra_info(RECORD)
    assert info["images_per_second"] == pytest.approx(1000 / 4.3)
    assert info["clocks_ms_per_image"] == {
        "predict": [pytest.approx([4.2, 4.4]), pytest.approx([4.3])],
        "head": [[4.0, 4.0], [4.0]],
        "client": [[4.5, 4.5], [4.5]],
    }
    assert info["transform_ms_per_image"] == [[1.0, 1.0], [None]]
    assert info["server"]["version"] == "v0.28.0"
    assert (info["baseline_ms_per_image"], info["baseline_source"]) == (4.0, "tk1.csv, line 3")


def test_extra_info_has_what_decided_and_the_rounds_apart() -> None:
    creep = Creep("2026-11-03T02:00:00+00:00", 14, 0.086)
    record = replace(RECORD, limit=0.12, baseline_ms=4.25, shift_removed=0.04, platform_shifted=True, creep=creep)
    info = benchmark_json.build_extra_info(record)
    assert (info["limit"], info["baseline_ms_per_image"], info["shift_removed"]) == (0.12, 4.25, 0.04)
    assert info["platform_shifted"] is True
    assert info["creep"]["nights"] == 14
    assert [one["passes"] for one in info["rounds"]] == [2, 1]


def test_what_decided_is_read_back_from_the_json_of_a_run(tmp_path: Path) -> None:
    creep = Creep("2026-11-03T02:00:00+00:00", 14, 0.086)
    record = replace(RECORD, limit=0.12, baseline_ms=4.25, shift_removed=0.04, platform_shifted=True, creep=creep)
    benchmark = benchmark_json.build_benchmark(
        record.key, record.nodeid, benchmark_json.per_image_s(record), benchmark_json.build_extra_info(record)
    )
    path = tmp_path / "run.json"
    path.write_text(json.dumps(benchmark_json.build_document([benchmark], {}, commit={}, started="")))
    ((cell, _),) = read_cells(path)
    assert (cell.limit, cell.baseline_ms, cell.shift_removed) == (0.12, 4.25, 0.04)
    assert (cell.platform_shifted, cell.creep) == (True, creep)


def test_a_json_file_with_a_limit_that_cannot_be_is_refused_by_its_name(tmp_path: Path) -> None:
    record = replace(RECORD, budgets=(BudgetCheck("min_fps", 25.0, 30.0, 29.0, 31.0, Standing.WITHIN),))
    info = benchmark_json.build_extra_info(record)
    info["budgets"][0]["limit"] = 0
    benchmark = benchmark_json.build_benchmark(KEY, NODEID, benchmark_json.per_image_s(record), info)
    path = tmp_path / "run.json"
    path.write_text(json.dumps(benchmark_json.build_document([benchmark], {}, commit={}, started="")))
    with pytest.raises(BaselineFileError) as caught:
        read_cells(path)
    assert_names(caught, path, "limit", "min_fps", "above 0")


def test_the_estimate_from_pairs_is_read_back_from_the_json_of_a_run(tmp_path: Path) -> None:
    record = paired(change=0.02, interval=(-0.01, 0.05))
    benchmark = benchmark_json.build_benchmark(
        record.key, record.nodeid, benchmark_json.per_image_s(record), benchmark_json.build_extra_info(record)
    )
    path = tmp_path / "run.json"
    path.write_text(json.dumps(benchmark_json.build_document([benchmark], {}, commit={}, started="")))
    ((cell, _),) = read_cells(path)
    assert (cell.interval, cell.pairs, cell.seed) == ((-0.01, 0.05), 8, 7)
    assert (cell.baseline_kind, cell.reference) == ("against", "http://old:8080 (v0.27)")


def test_an_invalid_cell_without_a_pair_names_its_reference() -> None:
    record = paired(interval=None, outcome=Outcome.INVALID)
    assert record.measurement is not None
    info = benchmark_json.build_extra_info(replace(record, measurement=replace(record.measurement, rounds=())))
    assert (info["against"]["pairs"], info["against"]["server"]["url"]) == (0, "http://old:8080")


def test_since_when_a_cell_is_slower_is_read_back_from_the_json_of_a_run(tmp_path: Path) -> None:
    since = Since(Night("2026-11-03T02:00:00+00:00", "b"), Night("2026-11-02T02:00:00+00:00", "a", is_dirty=True))
    record = replace(RECORD, since=since)
    benchmark = benchmark_json.build_benchmark(
        record.key, record.nodeid, benchmark_json.per_image_s(record), benchmark_json.build_extra_info(record)
    )
    path = tmp_path / "run.json"
    path.write_text(json.dumps(benchmark_json.build_document([benchmark], {}, commit={}, started="")))
    ((cell, _),) = read_cells(path)
    assert cell.since == since


def test_extra_info_of_a_cell_that_was_not_measured_has_its_verdict_and_reason() -> None:
    info = benchmark_json.build_extra_info(NOTHING)
    assert (info["verdict"], info["reason"], info["ms_per_image"]) == ("error", "no answer", None)
    assert "conditions" not in info
    assert "server" not in info


def test_machine_info_holds_the_server_of_each_platform_under_a_key_of_our_own() -> None:
    facts = ServerFacts("http://h:1", version="v0.28.0")
    info = benchmark_json.build_machine_info({"tx1": ("TX1", "tensorrt", facts), "tk1": ("Jetson TK1", "caffe", facts)})
    assert list(info) == ["ddperf"]
    platforms = info["ddperf"]["platforms"]
    assert list(platforms) == ["tk1", "tx1"]
    tk1 = platforms["tk1"]
    assert [tk1[key] for key in ("title", "backend", "url", "version")] == [
        "Jetson TK1",
        "caffe",
        "http://h:1",
        "v0.28.0",
    ]


HERE = {"node": "gateway", "python_version": "3.11.7"}
A_CELL: dict[str, Any] = {"extra_info": {"platform": "tk1", "model": "resnet50", "batch_size": 1}}
A_PLAIN_ONE: dict[str, Any] = {"extra_info": {}}


@pytest.mark.parametrize(
    ("stored", "benchmarks", "expected"),
    [
        ({"node": "gateway", "python_version": "3.8.0"}, [A_PLAIN_ONE], HERE),
        ({"node": "old", "ddperf": {"platforms": {}}}, [A_CELL, A_PLAIN_ONE], HERE | {"ddperf": {"platforms": {}}}),
        ({"node": "old", "ddperf": {"platforms": {}}}, [A_CELL], {"node": "old", "ddperf": {"platforms": {}}}),
        ({"node": "tk1", "system": "DeepDetect"}, [A_CELL], {"node": "tk1", "system": "DeepDetect"}),
        ({"node": "tk1", "system": "DeepDetect"}, [A_CELL, A_PLAIN_ONE], {"node": "tk1", "system": "DeepDetect"}),
    ],
    ids=["plain", "both", "cells", "cells-of-0.1.0", "both-of-0.1.0"],
)
def test_machine_info_is_compared_where_it_says_something_of_a_benchmark(
    stored: dict[str, Any], benchmarks: list[dict[str, Any]], expected: dict[str, Any]
) -> None:
    document = {"machine_info": stored, "benchmarks": benchmarks}
    assert benchmark_json.comparable_machine_info(HERE | {"ddperf": {"of": "now"}}, document) == expected


def test_the_private_names_of_pytest_benchmark_are_as_we_use_them(pytester: pytest.Pytester) -> None:
    inner: Any = pytester.parseconfigure()
    session = inner._benchmarksession
    assert session.benchmarks == []
    assert session.groups is None
    finish = inspect.getsource(type(session).finish)
    assert "self.handle_saving()" in finish
    assert "self.groups = " in finish
    assert "self.benchmarks" in inspect.getsource(type(session).handle_saving)


def test_cells_become_benchmarks_of_its_session(pytester: pytest.Pytester) -> None:
    inner: Any = pytester.parseconfigure()
    benchmark_bridge.add_benchmarks(inner, [RECORD, NOTHING])
    (added,) = inner._benchmarksession.benchmarks
    stored = added.as_dict(include_data=True)
    assert (stored["fullname"], stored["name"]) == (NODEID, "test_predict[tk1-resnet50-b2]")
    assert stored["group"] == "ddperf tk1"
    assert stored["stats"]["data"] == pytest.approx([0.0042, 0.0044, 0.0043])
    assert stored["extra_info"]["verdict"] == "ok"


def test_without_pytest_benchmark_nothing_is_added_or_hidden() -> None:
    bare = SimpleNamespace(invocation_params=SimpleNamespace(args=()))
    benchmark_bridge.add_benchmarks(bare, [RECORD])
    benchmark_bridge.hide_table(bare)


def groups() -> list[tuple[str, list[dict[str, Any]]]]:
    return [("", [A_CELL, A_PLAIN_ONE]), ("ddperf tk1", [A_CELL])]


def test_our_cells_leave_its_table() -> None:
    inner = config(groups=groups())
    benchmark_bridge.hide_table(inner)
    assert inner._benchmarksession.groups == [("", [A_PLAIN_ONE])]


@every_row("option", benchmark_bridge.SHOWING_OPTIONS)
def test_our_cells_stay_in_a_table_that_was_asked_for(option: str) -> None:
    inner = config(f"{option}=x", groups=groups())
    benchmark_bridge.hide_table(inner)
    assert inner._benchmarksession.groups == groups()


def test_no_groups_are_no_harm() -> None:
    inner = config(groups=None)
    benchmark_bridge.hide_table(inner)
    assert inner._benchmarksession.groups is None


def test_measuring_options_are_found_however_they_are_written() -> None:
    args = (Path("benchmarks"), "--benchmark-min-rounds=3", "--benchmark-timer", "time.time", "--benchmark-json=x")
    given = benchmark_json.list_given(benchmark_json.MEASURING_OPTIONS, args)
    assert given == ["--benchmark-min-rounds", "--benchmark-timer"]


def test_the_options_that_are_named_exist(pytester: pytest.Pytester) -> None:
    text = str(pytester.runpytest_inprocess("--help").stdout)
    named = benchmark_json.MEASURING_OPTIONS + benchmark_bridge.SHOWING_OPTIONS
    assert [name for name in named if name not in text] == []


def test_the_mark_of_benchmark_only_is_known() -> None:
    from pytest_benchmark import plugin  # noqa: PLC0415 - here alone

    reason = "Skipping non-benchmark (--benchmark-only active)."
    assert reason in inspect.getsource(plugin)


def test_a_cell_under_load_tells_its_requests() -> None:
    info = benchmark_json.build_extra_info(loaded("r10", batch_size=8, kept_up=False))
    assert (info["scenario"], info["images_per_second"]) == ("r10", 40.0)
    load = info["load"]
    assert (load["requests"], load["kept_up"], load["asked_per_second"]) == (200, False, 10.0)
    assert load["percentiles"][0] == {"percent": 50, "value_ms": 51.9, "low_ms": 51.7, "high_ms": 52.2}
    assert [len(one["latencies_ms"]) for one in info["load_passes"]] == [40] * 5
    assert info["conditions"]["requests"] == 40


def test_a_plain_cell_tells_none() -> None:
    under_load = loaded("c4")
    plain = replace(under_load, key=replace(under_load.key, scenario=""), measurement=None)
    assert not {"load", "load_passes"} & set(benchmark_json.build_extra_info(plain))
