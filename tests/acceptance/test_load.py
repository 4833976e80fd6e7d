"""Cells under load: several clients at once, and requests at a given rate; apart from plain latency everywhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bench_project import BenchProject

CELL = ("--ddperf-models=squeezenet_v1.1", "--ddperf-batch-sizes=1")


def test_load_is_measured_only_where_it_is_asked_for_beside_the_plain_cells(tk1: BenchProject) -> None:
    assert tk1.run(*CELL).ret == 0
    assert list(tk1.verdicts()) == ["tk1-squeezenet_v1.1-b1"]
    assert tk1.run(*CELL, "--ddperf-concurrency=1,4", "--ddperf-rate=200").ret == 0
    assert tk1.verdicts() == {
        "tk1-squeezenet_v1.1-b1": "ok",
        "tk1-squeezenet_v1.1-b1-c1": "new",
        "tk1-squeezenet_v1.1-b1-c4": "new",
        "tk1-squeezenet_v1.1-b1-r200": "new",
    }
