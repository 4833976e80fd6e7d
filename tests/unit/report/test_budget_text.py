"""Budgets in every report."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from messages import assert_names
from results_made import measured, results

from pytest_ddperf.core.budgets import BudgetCheck, Standing
from pytest_ddperf.core.records import CellKey, CellRecord, Creep, Outcome
from pytest_ddperf.report import budget_text, csv_json, github, html, junit, markdown, phrases, terminal
from pytest_ddperf.report.bencher import render_bmf
from pytest_ddperf.report.benchmark_json import build_judged_info
from pytest_ddperf.report.comment import render_comment, summarise

if TYPE_CHECKING:
    from pytest_ddperf.report.phrases import Line

NO_FOLDER = Path("figures")

WITHIN = BudgetCheck("min_fps", 25.0, 50.0, 48.0, 52.0, Standing.WITHIN)
OVER = BudgetCheck("max_ms", 40.0, 50.0, 48.0, 52.0, Standing.OVER)
UNDECIDED = BudgetCheck("max_ms", 40.0, 40.4, 39.0, 41.0, Standing.UNDECIDED)

FAST = replace(measured("resnet50", 1), budgets=(WITHIN,))
SLOW = replace(
    measured("vgg16", 1, outcome=Outcome.OVER_BUDGET, reason="tk1-vgg16-b1 is over its budget: max_ms = 40: ..."),
    detail="over its budget: max_ms = 40: ...",
    budgets=(OVER, WITHIN),
)
NEAR = replace(measured("vgg19", 1), budgets=(UNDECIDED,))
FREE = measured("googlenet", 1)
REGRESSED = replace(measured("vgg16", 1, now_ms=130.0, outcome=Outcome.REGRESSED), budgets=(OVER,))


def texts(lines: list[Line]) -> list[str]:
    return ["".join(text for text, _ in line) for line in lines]


def test_the_cells_over_their_budgets_are_counted_among_those_with_one() -> None:
    assert phrases.count_over_budget([FAST, SLOW, FREE]) == "1 of 2 over budget"
    assert phrases.count_over_budget([FAST, NEAR]) == "0 of 2 over budget, 1 undecided"
    assert phrases.count_over_budget([FREE]) == ""
    assert phrases.format_totals(results(FAST, SLOW, FREE)) == "3 cells: 1 over_budget, 2 ok; 1 of 2 over budget"
    assert texts([terminal.format_totals([FAST, SLOW])]) == ["2 cells: 1 ok, 1 over_budget; 1 of 2 over budget"]


def test_a_cell_shows_its_tightest_limit() -> None:
    assert budget_text.format_budget(SLOW) == "max_ms = 40: 25.0 % beyond"
    assert budget_text.format_budget(FAST) == "min_fps = 25: 50.0 % within"
    assert budget_text.format_budget(NEAR) == "max_ms = 40: 1.0 % beyond (undecided)"
    assert budget_text.format_budget(FREE) == ""


def test_every_limit_has_a_line_with_the_least_headroom_first() -> None:
    head, *rows = texts(budget_text.budget_lines([FAST, SLOW, NEAR, FREE]))
    assert head.split() == list(budget_text.COLUMNS)
    assert [row.split()[0] for row in rows] == ["tk1-vgg16-b1", "tk1-vgg19-b1", "tk1-resnet50-b1", "tk1-vgg16-b1"]
    assert_names(rows[0], "max_ms = 40", "50.0", "48.0 to 52.0", "-25.0 %", "over")
    assert budget_text.budget_lines([FREE]) == []


def test_a_run_names_the_least_headroom_and_stored_runs_list_all() -> None:
    run = results(FAST, SLOW, FREE)
    assert "least headroom: tk1-resnet50-b1, min_fps = 25: 50.0 % within" in texts(
        terminal.run_lines(run, width=100, recorded=True)
    )
    listed = texts(terminal.run_lines(run, width=100, recorded=True, budgets=True))
    assert any(line.split()[:1] == ["tk1-resnet50-b1"] and "+50.0 %" in line for line in listed)
    assert not any("least headroom" in line for line in listed)


def test_a_cell_over_its_budget_has_a_mark_in_the_table_and_its_reason_below() -> None:
    lines = texts(terminal.run_lines(results(SLOW), width=100, recorded=True))
    assert any("# over budget" in line for line in lines)
    assert "over_budget tk1-vgg16-b1: over its budget: max_ms = 40: ..." in lines


def test_a_regressed_cell_says_that_it_is_over_its_budget_too() -> None:
    assert_names(terminal.failure_text(REGRESSED), "130 ms/img", "+30.0 %", "over its budget", "max_ms = 40")


def test_each_of_several_cells_with_one_cause_says_that_it_is_over_its_budget() -> None:
    shifted = replace(REGRESSED, cause="the platform shifted", platform_shifted=True)
    other = replace(shifted, key=CellKey("tk1", "vgg19", 1), budgets=(WITHIN,))
    text = "\n".join(texts(terminal.format_failures([shifted, other], 200)))
    assert_names(text, "in 2 cells", "tk1-vgg16-b1 is over its budget: max_ms = 40")
    assert text.count("over its budget") == 1


def test_each_of_several_cells_that_crept_says_that_it_is_over_its_budget() -> None:
    creep = Creep(since="2026-03-01T02:00:00+00:00", nights=14, change=0.1)
    crept = replace(REGRESSED, creep=creep, cause="")
    text = "\n".join(texts(terminal.format_failures([crept, replace(crept, key=CellKey("tk1", "vgg19", 1))], 200)))
    assert text.count("over its budget: max_ms = 40") == 2


def test_a_single_cell_with_a_cause_says_once_that_it_is_over_its_budget() -> None:
    shifted = replace(REGRESSED, cause="the platform shifted", platform_shifted=True)
    text = "\n".join(texts(terminal.run_lines(results(shifted), width=200, recorded=True)))
    assert text.count("over its budget") == 1


def test_a_cell_over_one_of_its_limits_is_not_the_one_with_the_least_headroom() -> None:
    over = replace(SLOW, budgets=(OVER, replace(WITHIN, value=26.0)))
    assert texts(budget_text.headroom_lines([over, FAST], 200)) == [
        "least headroom: tk1-resnet50-b1, min_fps = 25: 50.0 % within"
    ]
    assert budget_text.headroom_lines([over], 200) == []


def test_the_csv_has_the_tightest_limit_and_the_json_every_one() -> None:
    rows = list(csv.DictReader(csv_json.render_csv(results(FAST, SLOW, FREE)).splitlines()))
    assert [(one["budget"], one["headroom"], one["budget_decided"]) for one in rows] == [
        ("min_fps = 25", "0.5", "within"),
        ("max_ms = 40", "-0.25", "over"),
        ("", "", ""),
    ]
    cells = json.loads(csv_json.render_json(results(SLOW, FREE), ()))["cells"]
    assert [[one["key"] for one in cell["budgets"]] for cell in cells] == [["max_ms", "min_fps"], []]


def test_the_markdown_report_and_the_page_list_every_limit() -> None:
    run = results(FAST, SLOW, FREE)
    text = markdown.render_text(run, markdown.Figures((), NO_FOLDER)).replace("\\_", "_")
    page = html.render_page(run, ())
    for shown in (text, page):
        assert_names(shown, "1 of 2 over budget", "min_fps = 25", "max_ms = 40", "48.0 to 52.0", "-25.0 %")
    assert "over budget" not in html.render_page(results(FREE), ()).partition("<script")[0]
    assert "#### Budgets" not in markdown.render_text(results(FREE), markdown.Figures((), NO_FOLDER))


def test_the_summary_and_the_comment_have_a_column_of_budgets_only_if_there_are_any() -> None:
    run = results(FAST, SLOW, FREE)
    for text in (github.render_summary(run, github.Ending(1)), render_comment(run)):
        assert_names(
            text, "| budget |", "1 of 2 over budget", "max_ms = 40: 25.0 % beyond", "min_fps = 25: 50.0 % within"
        )
        tables = [line for line in text.splitlines() if line.startswith("|")]
        assert {line.count("|") for line in tables if "---" in line} <= {10, 11}
    for text in (github.render_summary(results(FREE), github.Ending(0)), render_comment(results(FREE))):
        assert "budget" not in text


def test_the_comment_counts_budgets_in_its_sentence() -> None:
    assert summarise(results(FAST, SLOW)) == "**1 of 2 cells failed**: 1 over_budget; 1 of 2 over budget."
    assert summarise(results(FAST)) == "**No regression in 1 cell**: 1 ok; 0 of 1 over budget."


def test_without_baselines_the_budgets_are_what_is_compared() -> None:
    new = replace(measured("vgg16", 1, outcome=Outcome.NEW, baseline_ms=None), budgets=(WITHIN,))
    assert summarise(results(new)) == "**No regression in 1 cell**: 1 new; 0 of 1 over budget."


def test_the_word_for_a_run_is_over_budget_unless_a_cell_is_regressed() -> None:
    assert github.summarise_verdict(results(FAST, SLOW), github.Ending(1)) == "over_budget"
    assert github.summarise_verdict(results(SLOW, REGRESSED), github.Ending(1)) == "regressed"


def test_the_properties_of_a_test_have_its_limits_and_its_headroom() -> None:
    record = CellRecord(CellKey("tk1", "vgg16", 1), "a::b", Outcome.OVER_BUDGET, budgets=(OVER, WITHIN))
    found = dict(junit.list_properties(record))
    assert {key: found[key] for key in found if "budget" in key or "headroom" in key} == {
        "budget": "over",
        "budget_max_ms": "40",
        "budget_min_fps": "25",
        "headroom_percent": "-25.00",
    }
    assert not any("budget" in key for key, _ in junit.list_properties(replace(record, budgets=(), outcome=Outcome.OK)))


def test_extra_info_has_every_limit_as_it_was_decided() -> None:
    stored = json.loads(json.dumps(build_judged_info(SLOW)))["budgets"]
    assert msgspec.convert(stored, tuple[BudgetCheck, ...]) == SLOW.budgets
    assert "budgets" not in build_judged_info(FREE)


def test_the_time_of_a_cell_over_its_budget_is_valid_for_services_that_track_it() -> None:
    assert "tk1-vgg16-b1" in json.loads(render_bmf(results(SLOW)))


def test_beside_the_verdict_is_the_figure_that_was_compared_with_the_limit() -> None:
    record = CellRecord(
        SLOW.key, "a::b", Outcome.OVER_BUDGET, now_ms=44.0, change=0.01, tolerance=0.1, budgets=(OVER, WITHIN)
    )
    assert terminal.format_verdict(record) == "50.0 ms/img over_budget (max_ms = 40, 25.0 % beyond)"
    (line,) = github.render_commands(results(SLOW), github.Ending(1))
    assert_names(line, "tk1-vgg16-b1 over_budget max_ms = 40", "25.0 %25 beyond")
    assert "baseline" not in line
