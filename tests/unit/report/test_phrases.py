from __future__ import annotations

import csv
from dataclasses import replace

from every_row import every_row
from hypothesis import given
from hypothesis import strategies as st
from recording import paired
from report_examples import RUN, measured, published
from results_made import measured as made
from results_made import results

from pytest_ddperf.config.load_catalog import find_package_data, load_catalog
from pytest_ddperf.core.records import Outcome
from pytest_ddperf.core.results import join_cell
from pytest_ddperf.report import phrases

CATALOG = load_catalog()


@given(st.text())
def test_one_line_is_one_line_of_what_can_be_seen(text: str) -> None:
    line = phrases.join_lines(text)
    assert len(line.splitlines()) <= 1
    assert line == line.strip()
    assert not any(ord(char) < 32 or 0x7F <= ord(char) < 0xA0 or 0x202A <= ord(char) <= 0x202E for char in line)


def test_totals_count_each_verdict_those_that_need_a_look_first() -> None:
    assert list(phrases.count_verdicts(measured()))[:2] == [Outcome.REGRESSED, Outcome.ERROR]
    assert phrases.format_totals(measured()) == (
        "7 cells: 1 regressed, 1 error, 1 unstable, 1 new, 1 improved, 2 ok; 3 baseline cells not measured"
    )


def test_without_a_run_there_are_no_verdicts() -> None:
    assert phrases.count_verdicts(published()) == {}
    assert phrases.format_totals(published()) == "0 cells: no verdicts"


CAFFE = "the table is of caffe, this server runs onnxruntime"


def test_notes_of_many_cells_are_reported_once_and_that_of_one_names_it() -> None:
    results = measured()
    first, second, third, *others = results.cells
    noted = [replace(first, notes=(CAFFE,)), replace(second, notes=(CAFFE, "odd")), third]
    assert phrases.collect_notes(replace(results, cells=(*noted, *others))) == [
        f"tk1, 2 cells: {CAFFE}.",
        f"{second.key}: odd.",
    ]


def test_which_earlier_run_a_cell_is_of_is_no_note_of_its_own() -> None:
    results = measured()
    notes = (CAFFE, "measured by an earlier run, night of 2026")
    cell = replace(results.cells[0], notes=notes, earlier=RUN)
    assert phrases.collect_notes(replace(results, cells=(cell,))) == [f"{cell.key}: {CAFFE}."]


def test_a_long_reason_is_cut_and_the_notes_stay_whole() -> None:
    cell = replace(measured().cells[0], reason="x" * 50, notes=(CAFFE,))
    assert phrases.explain_verdict(cell, 20) == f"{'x' * 20} ... Note: {CAFFE}."
    assert phrases.explain_verdict(replace(cell, notes=()), 50) == "x" * 50


@every_row("platform", [name for name in CATALOG.platforms if name != "local"])
def test_a_published_value_is_printed_as_in_its_table(platform: str) -> None:
    with (find_package_data() / f"{platform}.csv").open(encoding="utf-8", newline="") as file:
        values = [cell for row in list(csv.reader(file))[1:] for cell in row[1:] if cell != "x"]
    assert values
    assert [phrases.format_published(float(cell), CATALOG.platforms[platform]) for cell in values] == values


def test_a_table_of_the_project_keeps_its_digits() -> None:
    assert phrases.format_published(3.4567, CATALOG.platforms["tx2"]) == "3.4567"


def test_both_servers_of_a_measurement_in_pairs_are_named_once() -> None:
    source = "resnet50 on http://old:8080 (v0.27)"
    paired = [replace(made(batch_size=size), baseline_kind="against", baseline_source=source) for size in (1, 8)]
    assert phrases.list_references(results(*paired)) == [
        "tk1: http://tk1.lan:8080 (v0.28.0), in pairs with the reference http://old:8080 (v0.27)"
    ]
    assert phrases.list_references(results(made())) == []


def test_a_change_measured_in_pairs_has_its_interval_and_their_number() -> None:
    assert phrases.format_decision(paired(change=0.3, interval=(0.25, 0.352))) == "+30.0 % [+25.0, +35.2] (8 pairs)"
    assert phrases.format_decision(paired(change=0.3, interval=None)) == "+30.0 % (8 pairs)"


def test_a_coarse_resolution_in_pairs_does_not_propose_a_reference() -> None:
    record = replace(paired(), resolution=0.8)
    said = phrases.describe_coarse([join_cell(record.key, None, record)])
    assert "--ddperf-max-pairs" in said
    assert "--ddperf-against" not in said
