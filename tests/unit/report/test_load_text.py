from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from load_made import loaded, result

from pytest_ddperf.core.catalog import Catalog
from pytest_ddperf.core.networks import Network
from pytest_ddperf.core.records import CellKey, CellRecord, Outcome
from pytest_ddperf.report.gather import join_records
from pytest_ddperf.report.load_text import COLUMNS, load_lines, load_row

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_ddperf.core.results import Result

MODELS = ("resnet50", "squeezenet_v1.1")


def cells(records: Iterable[CellRecord]) -> tuple[Result, ...]:
    return join_records(Catalog({model: Network(model, model) for model in MODELS}, {}), records).cells


def shown(*records: CellRecord, width: int = 80) -> list[str]:
    return ["".join(text for text, _ in line) for line in load_lines(cells(records), width=width)]


def styles(*records: CellRecord) -> set[str]:
    return {style for line in load_lines(cells(records), width=80) for _, style in line if style}


def test_a_cell_has_its_throughput_and_each_percentile_that_there_is_with_its_interval() -> None:
    text = " ".join(shown(loaded("c4")))
    assert "squeezenet_v1.1 b1, 4 clients at once: 77.0 images/s new" in text
    assert "p50 51.9 (51.7 to 52.2), p90 53.5 (53.4 to 53.7), p95 53.7 (53.6 to 53.9)" in text
    assert "p99 " not in text
    assert "200 requests, too few for p99" in text


def test_enough_requests_tell_them_all() -> None:
    text = " ".join(shown(loaded("c4", count=80)))
    assert "p99 57.9 (" in text
    assert "too few" not in text


def test_it_is_said_that_this_is_queueing() -> None:
    assert "More than one client measures queueing, not the network" in " ".join(shown(loaded("c4")))


def test_a_server_that_did_not_keep_up_is_said_to() -> None:
    text = " ".join(" ".join(shown(loaded("r10", kept_up=False))).split())
    assert "squeezenet_v1.1 b1, 10 requests per second: 5 images/s new" in text
    assert "did not keep up: it answered 5 of 10 requests per second, and up to 23 waited" in text
    assert "did not keep up" not in " ".join(shown(loaded("r10")))


def test_a_change_and_a_verdict_stand_beside_the_throughput() -> None:
    assert "4 clients at once: 77.0 images/s +30.0 % regressed" in " ".join(
        shown(loaded("c4", outcome=Outcome.REGRESSED, change=0.3))
    )
    assert "squeezenet_v1.1 b1, 4 clients at once: 77.0 images/s +0.5 %" in shown(
        loaded("c4", outcome=Outcome.OK, change=0.005)
    )
    assert "red" in styles(loaded("c4", outcome=Outcome.REGRESSED, change=0.3))
    assert "red" not in styles(loaded("c4", outcome=Outcome.OK, change=0.005))


def test_a_cell_without_a_measurement_has_its_verdict_alone() -> None:
    failed = CellRecord(CellKey("tk1", "resnet50", 1, "c4"), "x::y", Outcome.ERROR, "it failed")
    assert "resnet50 b1, 4 clients at once: error" in shown(failed)
    assert load_row(result(failed)) == ["tk1-resnet50-b1-c4", "error", *[""] * (len(COLUMNS) - 2)]


def test_cells_stand_in_the_order_of_networks_batch_sizes_and_loads() -> None:
    scenarios = ["r10", "c16", "c2"]
    records = [loaded(one, model="squeezenet_v1.1") for one in scenarios]
    records += [loaded("c2", model="my_net"), loaded("c2", model="resnet50", batch_size=8)]
    heads = [line.partition(":")[0] for line in shown(*records) if "images/s" in line]
    assert heads == [
        "resnet50 b8, 2 clients at once",
        "squeezenet_v1.1 b1, 2 clients at once",
        "squeezenet_v1.1 b1, 16 clients at once",
        "squeezenet_v1.1 b1, 10 requests per second",
        "my_net b1, 2 clients at once",
    ]


def test_plain_cells_are_passed_over() -> None:
    plain = loaded("c4")
    assert shown(replace(plain, key=replace(plain.key, scenario=""))) == []


@pytest.mark.parametrize("width", [40, 80, 120])
def test_every_line_fits_the_width(width: int) -> None:
    assert max(map(len, shown(loaded("c4", count=80), loaded("r10", kept_up=False), width=width))) <= width


def test_a_report_s_row_has_a_column_for_each_percentile() -> None:
    row = dict(zip(COLUMNS, load_row(result(loaded("r10"))), strict=True))
    assert row["answered/s"] == "10.0 of 10"
    assert row["images/s"] == "10.0"
    assert row["requests"] == "200"
    assert row["p50, ms"] == "51.9 (51.7 to 52.2)"
    assert row["p99, ms"] == ""
    assert dict(zip(COLUMNS, load_row(result(loaded("c4"))), strict=True))["answered/s"] == ""
