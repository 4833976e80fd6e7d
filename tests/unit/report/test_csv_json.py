from __future__ import annotations

import csv
import io
import json
import math
from dataclasses import replace
from typing import TYPE_CHECKING

import pandas as pd
import pytest
from every_row import every_row
from hypothesis import given
from hypothesis import strategies as st
from load_made import loaded, result
from report_examples import measured, published, trend

from pytest_ddperf.core.records import CellKey, Outcome
from pytest_ddperf.report import csv_json

if TYPE_CHECKING:
    from pytest_ddperf.core.results import Results


def frame(results: Results) -> pd.DataFrame:
    return pd.read_csv(io.StringIO(csv_json.render_csv(results)), dtype={"commit": str, "server_commit": str})


def with_text(text: str) -> Results:
    """A measured cell whose reason is that text."""
    results = measured()
    return replace(results, cells=(replace(results.cells[0], reason=text),))


def test_the_csv_has_one_row_a_cell_under_the_documented_header() -> None:
    results = published()
    found = frame(results)
    assert list(found.columns) == list(csv_json.COLUMNS)
    keys = found[["platform", "model", "batch_size"]].to_numpy().tolist()
    assert keys == [[cell.key.platform, cell.key.model, cell.key.batch_size] for cell in results.cells]
    assert all(column.meaning for column in csv_json.COLUMNS.values())


def test_published_values_come_back_as_they_were() -> None:
    results = published()
    found = frame(results)
    expected = [math.nan if cell.baseline_ms is None else cell.baseline_ms for cell in results.cells]
    assert found["baseline_ms"].equals(pd.Series(expected))
    assert found["unavailable"].tolist() == [cell.unavailable for cell in results.cells]
    assert found["unavailable"].sum() > 194


def test_types_are_those_that_a_program_expects() -> None:
    found = frame(measured())
    assert found["batch_size"].dtype.kind == "i"
    assert [found[name].dtype.kind for name in ("now_ms", "change", "tolerance", "resolution")] == ["f"] * 4
    assert found["unavailable"].dtype.kind == "b"
    assert pd.to_datetime(found["started"].dropna()).dt.tz is not None


def test_measured_values_have_full_precision() -> None:
    results = measured()
    cell = replace(results.cells[0], now_ms=0.1 + 0.2, change=-1 / 3, tolerance=1e-17)
    # pandas before 3 reads the last digit of a float wrongly
    row = next(csv.DictReader(io.StringIO(csv_json.render_csv(replace(results, cells=(cell,))))))
    assert [float(row[name]) for name in ("now_ms", "change", "tolerance")] == [0.1 + 0.2, -1 / 3, 1e-17]
    assert float(row["images_per_second"]) == 1000 / (0.1 + 0.2)


def test_a_cell_of_an_earlier_run_names_that_run_and_its_notes() -> None:
    results = measured()
    judged = next(cell for cell in results.cells if cell.outcome)
    older = replace(results.runs["tk1"], run="older", started="2026-10-01T02:00:00+00:00")
    cell = replace(judged, earlier=older, notes=("the table is of caffe", "measured by an earlier run"))
    (row,) = frame(replace(results, cells=(cell,))).to_dict("records")
    assert (row["run"], row["started"]) == ("older", "2026-10-01T02:00:00+00:00")
    assert row["notes"] == "the table is of caffe; measured by an earlier run"


def test_a_cell_that_the_run_does_not_have_names_no_run() -> None:
    found = frame(measured())
    without = found[found["outcome"].isna()]
    assert len(without) > 0
    assert without[["run", "started", "commit", "server_url", "now_ms", "fails"]].isna().all(axis=None)
    assert found[found["outcome"].notna()]["run"].notna().all()


@every_row("text", ["=cmd|' /C calc'!A0", "+1+1", "-2+3", "@SUM(A1)", '\t=1+1"', "\r=1"])
def test_a_text_that_a_spreadsheet_would_run_is_kept_from_it(text: str) -> None:
    (row,) = list(csv.DictReader(io.StringIO(csv_json.render_csv(with_text(text)))))
    assert row["reason"] == f"'{text.strip()}"


def test_a_negative_change_stays_a_number() -> None:
    results = measured()
    cell = replace(results.cells[0], change=-0.25)
    assert frame(replace(results, cells=(cell,)))["change"].tolist() == [-0.25]


def test_a_text_of_several_lines_stays_on_its_row() -> None:
    text = csv_json.render_csv(with_text('one\ntwo "three",\r\nfour\x00\u2028five'))
    assert len(text.splitlines()) == 2
    (row,) = list(csv.DictReader(io.StringIO(text)))
    assert row["reason"] == 'one two "three", four five'


@given(st.text())
def test_any_text_leaves_the_row_whole(text: str) -> None:
    (row,) = list(csv.DictReader(io.StringIO(csv_json.render_csv(with_text(text)))))
    assert list(row) == list(csv_json.COLUMNS)
    assert not row["reason"].startswith(("=", "+", "-", "@"))


def test_the_json_holds_the_run_its_totals_and_every_cell() -> None:
    results = measured()
    document = json.loads(csv_json.render_json(results, [trend()]))
    assert document["format"] == csv_json.FORMAT
    assert document["totals"] == {"regressed": 1, "error": 1, "unstable": 1, "new": 1, "improved": 1, "ok": 2}
    assert document["not_measured"] == 3
    assert document["warnings"] == list(results.warnings)
    assert document["runs"]["tk1"]["server"]["url"] == results.runs["tk1"].servers["tk1"].url
    assert len(document["cells"]) == len(results.cells)
    assert set(document["cells"][0]) == {*csv_json.COLUMNS, "since", "budgets", "samples_ms"}


def test_the_networks_of_the_json_have_both_accuracies() -> None:
    networks = json.loads(csv_json.render_json(published(), []))["networks"]
    found = networks["densenet201"]
    assert (found["top1_accuracy_percent"], found["top5_accuracy_percent"]) == (77.3, 93.64)
    assert networks["resnet50"]["top5_accuracy_percent"] is None


def test_the_cells_of_the_json_come_back_as_they_were() -> None:
    results = measured()
    document = json.loads(csv_json.render_json(results, []))
    for cell, found in zip(results.cells, document["cells"], strict=True):
        assert CellKey(found["platform"], found["model"], found["batch_size"], found["scenario"]) == cell.key
        assert (found["now_ms"], found["baseline_ms"]) == (cell.now_ms, cell.baseline_ms)
        assert (found["change"], found["unavailable"]) == (cell.change, cell.unavailable)
        assert found["outcome"] == (None if cell.outcome is None else str(cell.outcome))
        assert tuple(found["samples_ms"]) == cell.samples_ms
        assert (found["reason"] or "") == cell.reason


def test_the_nights_of_a_trend_come_back() -> None:
    shown = trend()
    (found,) = json.loads(csv_json.render_json(measured(), [shown]))["trends"]
    assert (found["platform"], found["model"], found["batch_size"]) == ("tk1", "squeezenet_v1.1", 8)
    assert [night["now_ms"] for night in found["nights"]] == [night.now_ms for night in shown.nights]
    assert [night["started"] for night in found["nights"]] == [night.started.isoformat() for night in shown.nights]
    assert [Outcome(night["outcome"]) for night in found["nights"]] == [night.outcome for night in shown.nights]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_number_that_json_does_not_know_is_null_and_empty(value: float) -> None:
    results = measured()
    odd = replace(results, cells=(replace(results.cells[0], change=value),))
    assert json.loads(csv_json.render_json(odd, []))["cells"][0]["change"] is None
    assert frame(odd)["change"].isna().all()


def test_a_cell_under_load_has_its_percentiles_and_what_was_answered() -> None:
    cells = tuple(result(record) for record in (loaded("c4"), loaded("r10", kept_up=False, batch_size=8)))
    (closed, opened) = csv.DictReader(io.StringIO(csv_json.render_csv(replace(measured(), cells=cells))))
    assert (closed["scenario"], closed["requests"], closed["asked_per_second"], closed["kept_up"]) == (
        "c4",
        "200",
        "",
        "",
    )
    assert float(closed["images_per_second"]) == pytest.approx(1000 / float(closed["now_ms"]))
    assert (closed["p50_ms"], closed["p50_low_ms"], closed["p50_high_ms"]) == ("51.9", "51.7", "52.2")
    assert (closed["p95_ms"], closed["p99_ms"], closed["p99_low_ms"]) == ("53.7", "", "")
    assert (opened["asked_per_second"], opened["requests_per_second"], opened["kept_up"]) == ("10.0", "5.0", "false")
    assert (opened["images_per_second"], opened["outstanding"]) == ("40.0", "23")


def test_a_plain_cell_has_none_of_these() -> None:
    (row, *_) = csv.DictReader(io.StringIO(csv_json.render_csv(measured())))
    assert {row[name] for name in csv_json.COLUMNS if name.startswith(("p5", "p9", "requests", "asked", "kept"))} == {
        ""
    }
