"""Bencher Metric Format and github-action-benchmark's input, against what is published of them."""

from __future__ import annotations

import json
import statistics
from dataclasses import replace
from typing import Any

import jsonschema
import pytest
from every_row import every_row
from load_made import loaded, result
from results_made import measured, not_measured, results

from pytest_ddperf.core.records import Outcome
from pytest_ddperf.report import bencher

METRIC = {
    "type": "object",
    "properties": {name: {"type": "number"} for name in ("value", "lower_value", "upper_value")},
    "required": ["value"],
    "additionalProperties": False,
}
BMF = {
    "$schema": "http://json-schema.org/draft-07/schema",
    "type": "object",
    "propertyNames": {"minLength": 1, "maxLength": 1024},
    "additionalProperties": {
        "type": "object",
        "propertyNames": {"minLength": 1, "maxLength": 64},
        "additionalProperties": METRIC,
    },
}
"""Bencher's published schema (bencher.dev, reference, "Bencher Metric Format"), and the lengths that it states."""


def bmf(*cells: Any, **more: Any) -> dict[str, Any]:  # noqa: ANN401 - those of `results`
    read: dict[str, Any] = json.loads(bencher.render_bmf(results(*cells, **more)))
    jsonschema.validate(read, BMF)
    return read


def extracted(text: str) -> list[dict[str, Any]]:
    """What github-action-benchmark makes of a file with `tool: pytest`: a value by its name, and more for a person."""
    found = []
    for one in json.loads(text)["benchmarks"]:
        stats = one["stats"]
        scale, unit = next(
            (scale, unit)
            for least, scale, unit in ((1.0, 1, "sec"), (1e-3, 1e3, "msec"), (1e-6, 1e6, "usec"), (0.0, 1e9, "nsec"))
            if stats["mean"] >= least
        )
        found.append(
            {
                "name": one["fullname"],
                "value": stats["ops"],
                "unit": "iter/sec",
                "stddev": stats["stddev"],
                "extra": (stats["mean"] * scale, unit, stats["rounds"]),
            }
        )
    return found


def test_bmf_has_nanoseconds_per_image_and_images_per_second_with_their_range() -> None:
    read = bmf(measured("squeezenet_v1.1", 8, now_ms=50.0, samples_ms=(40.0, 50.0, 62.5)))
    assert read == {
        "tk1-squeezenet_v1.1-b8": {
            "latency": {"value": 50e6, "lower_value": 40e6, "upper_value": 62.5e6},
            "throughput": {"value": 20.0, "lower_value": 16.0, "upper_value": 25.0},
        }
    }


def test_bmf_of_a_cell_whose_passes_are_not_known_has_the_value_alone() -> None:
    assert bmf(measured(now_ms=50.0, samples_ms=()))["tk1-resnet50-b8"] == {
        "latency": {"value": 50e6},
        "throughput": {"value": 20.0},
    }


def test_the_value_lies_within_its_range() -> None:
    metric = bmf(measured(now_ms=50.0, samples_ms=(50.1, 50.2)))["tk1-resnet50-b8"]["latency"]
    assert metric == {"value": 50e6, "lower_value": 50e6, "upper_value": pytest.approx(50.2e6)}


LEFT_OUT = [
    *(Outcome.OOM, Outcome.CRASHED, Outcome.ERROR, Outcome.INVALID, Outcome.NOT_CONFIRMED),
    *(Outcome.UNAVAILABLE, Outcome.REMEASURE),
]


@every_row("outcome", LEFT_OUT)
def test_what_was_not_soundly_measured_is_in_neither_and_never_zero(outcome: Outcome) -> None:
    cells = results(measured(outcome=outcome), not_measured("vgg16", outcome=outcome))
    assert json.loads(bencher.render_bmf(cells)) == {}
    assert json.loads(bencher.render_pytest(cells))["benchmarks"] == []


@every_row("outcome", sorted(set(Outcome) - set(LEFT_OUT)))
def test_what_was_measured_is_in_both_a_regressed_cell_too(outcome: Outcome) -> None:
    cells = results(measured(outcome=outcome))
    assert list(json.loads(bencher.render_bmf(cells))) == ["tk1-resnet50-b8"]
    assert len(json.loads(bencher.render_pytest(cells))["benchmarks"]) == 1


def test_a_cell_of_the_baselines_alone_is_in_neither() -> None:
    cells = results(replace(measured(), now_ms=None, outcome=None, samples_ms=()))
    assert json.loads(bencher.render_bmf(cells)) == {}
    assert json.loads(bencher.render_pytest(cells))["benchmarks"] == []


def test_github_action_benchmark_reads_images_per_second_by_the_node_id() -> None:
    slow = measured("vgg16", 1, now_ms=1250.0, samples_ms=(1200.0, 1300.0), outcome=Outcome.REGRESSED)
    fast = measured("squeezenet_v1.1", 8, now_ms=50.0, samples_ms=(40.0, 50.0, 60.0))
    assert extracted(bencher.render_pytest(results(slow, fast))) == [
        {
            "name": "benchmarks/test_predict.py::test_predict[tk1-vgg16-b1]",
            "value": pytest.approx(0.8),
            "unit": "iter/sec",
            "stddev": pytest.approx(statistics.stdev([1.2, 1.3])),
            "extra": (pytest.approx(1.25), "sec", 2),
        },
        {
            "name": "benchmarks/test_predict.py::test_predict[tk1-squeezenet_v1.1-b8]",
            "value": pytest.approx(20.0),
            "unit": "iter/sec",
            "stddev": pytest.approx(statistics.stdev([0.04, 0.05, 0.06])),
            "extra": (pytest.approx(50.0), "msec", 3),
        },
    ]


def test_a_file_for_github_action_benchmark_says_what_was_measured_on_what() -> None:
    document = json.loads(bencher.render_pytest(results(measured(outcome=Outcome.REGRESSED))))
    server = document["machine_info"]["ddperf"]["platforms"]["tk1"]
    assert (server["url"], server["version"]) == ("http://tk1.lan:8080", "v0.28.0")
    assert document["commit_info"] == {"id": "0123abcd"}
    assert document["datetime"] == "2026-11-25T02:00:00+00:00"
    info = document["benchmarks"][0]["extra_info"]
    assert (info["verdict"], info["batch_size"], info["clock"]) == ("regressed", 8, "predict")
    assert info["server"]["version"] == "v0.28.0"


def test_a_file_for_github_action_benchmark_needs_no_run() -> None:
    document = json.loads(bencher.render_pytest(results(measured(), run=None)))
    assert (document["commit_info"], document["datetime"]) == ({}, "")
    assert document["machine_info"] == {"ddperf": {"platforms": {}}}


def test_text_that_is_no_unicode_is_written_all_the_same() -> None:
    cells = results(measured(reason="half a pair: \ud800"))
    bencher.render_pytest(cells).encode()


def test_a_cell_under_load_is_a_series_of_its_own_with_its_throughput() -> None:
    closed, opened = result(loaded("c4")), result(loaded("r10", batch_size=8))
    read = bmf(closed, opened)
    assert set(read) == {"tk1-squeezenet_v1.1-b1-c4", "tk1-squeezenet_v1.1-b8-r10"}
    assert read[str(closed.key)]["throughput"]["value"] == pytest.approx(1000 / closed.now_ms)  # type: ignore[operator]
    assert read[str(opened.key)]["throughput"] == {"value": 80.0}
    reported = json.loads(bencher.render_pytest(results(closed, opened)))["benchmarks"]
    assert [one["extra_info"]["images_per_second"] for one in reported] == [pytest.approx(1000 / closed.now_ms), 80.0]  # type: ignore[operator]
    assert reported[1]["extra_info"]["load"]["kept_up"] is True


def test_the_latency_is_what_was_measured_and_not_the_estimate_without_a_common_shift() -> None:
    cell = replace(measured(now_ms=110.0, samples_ms=(120.0, 121.0, 122.0)), shift_removed=0.1)
    assert bmf(cell)["tk1-resnet50-b8"]["latency"]["value"] == pytest.approx(121e6)
