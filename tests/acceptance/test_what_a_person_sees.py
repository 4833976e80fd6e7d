"""What a run writes to the terminal."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from bench_project import SQUEEZENET
from messages import assert_names
from scripted_deepdetect import out_of_memory
from terminal_run import on_a_terminal

if TYPE_CHECKING:
    from bench_project import BenchProject, FinishedRun

B8 = "squeezenet_v1.1", 8


def section(result: pytest.RunResult) -> list[str]:
    """The lines of our own section."""
    lines = result.outlines
    begin = next(number for number, line in enumerate(lines) if re.fullmatch("=+ ddperf =+", line))
    after = lines[begin + 1 :]
    return after[: next((number for number, line in enumerate(after) if line.startswith("=")), len(after))]


def test_a_verbose_line_carries_the_value_and_its_change(tk1: BenchProject) -> None:
    tk1.server.slow(*B8, 0.983)
    result = tk1.run(*SQUEEZENET, "-v")
    result.stdout.fnmatch_lines(["*::test_predict[[]tk1-squeezenet_v1.1-b8[]] PASSED 52.8 ms/img -1.? % *"])


def test_a_verbose_line_of_a_regressed_cell_says_by_how_much(regressed: FinishedRun) -> None:
    result = regressed.result
    result.stdout.re_match_lines([r".*::test_predict\[tk1-squeezenet_v1.1-b8\] FAILED 69.8 ms/img \+[\d.]+ %.*"])


def test_a_verbose_line_of_a_new_cell_says_so(tk1: BenchProject) -> None:
    result = tk1.run("--ddperf-models=resnet50", "--ddperf-batch-sizes=3", "-v")
    result.stdout.fnmatch_lines(["*::test_predict[[]tk1-resnet50-b3[]] PASSED 100 ms/img new*"])


def test_other_tests_keep_their_verbose_lines(tk1: BenchProject) -> None:
    (tk1.path / "benchmarks" / "test_other.py").write_text("def test_other():\n    pass\n", encoding="utf-8")
    tk1.run(*SQUEEZENET, "-v").stdout.re_match_lines([r"benchmarks/test_other.py::test_other PASSED +\[.*"])


def test_the_table_is_in_the_report_s_layout_and_marks_regressions(tk1: BenchProject) -> None:
    tk1.server.slow(*B8, 1.3)
    tk1.server.slow("shufflenet", 1, 0.5)
    result = tk1.run("--ddperf-models=shufflenet,squeezenet_v1.1,resnet152", "--ddperf-batch-sizes=1,8")
    lines = section(result)
    head = next(number for number, line in enumerate(lines) if line.startswith("batch"))
    assert lines[head].split() == ["batch", "resnet152", "squeezenet_v1.1", "shufflenet"]
    assert re.fullmatch(r" +1 +400 \+0\.0% +90\.7 \+0\.0% +41\.\d -\d\d\.\d%\*", lines[head + 1])
    assert re.fullmatch(r" +8 +x +69\.8 \+\d\d\.\d%! +52\.1 \+0\.0%", lines[head + 2])
    assert lines[head + 3].strip() == "! regressed, * improved"


def test_one_blank_line_follows_the_table(unchanged: FinishedRun) -> None:
    lines = section(unchanged.result)
    assert [line for line in lines if not line] == [""]


def test_the_failures_are_listed_with_their_numbers(regressed: FinishedRun) -> None:
    result = regressed.result
    result.stdout.re_match_lines([r"regressed tk1-squeezenet_v1\.1-b8: 69\.8 ms/img, baseline 53\.\d, \+\d\d\.\d %"])


def test_the_totals_count_each_verdict(tk1: BenchProject) -> None:
    tk1.server.slow(*B8, 1.3)
    tk1.server.fault = lambda prediction: out_of_memory() if prediction.service == "resnet50" else None
    result = tk1.run("--ddperf-models=squeezenet_v1.1,resnet50,vgg16", "--ddperf-batch-sizes=1,8")
    result.stdout.re_match_lines([r"6 cells: 1 ok, 1 regressed, 3 unavailable, 1 (error|oom)"])


def test_the_end_says_where_the_files_are(tk1: BenchProject) -> None:
    result = tk1.run(*SQUEEZENET, "--ddperf-update-baselines")
    result.stdout.fnmatch_lines(
        [f"history: {tk1.path}/.ddperf/*.jsonl", f"baseline: {tk1.path}/baselines/tk1.json (2 cells recorded)"]
    )


def test_new_cells_say_how_to_record_a_baseline(tk1: BenchProject) -> None:
    result = tk1.run("--ddperf-models=resnet50", "--ddperf-batch-sizes=3")
    assert_names(result, "1 cell has no baseline", "add --ddperf-update-baselines")


def test_nothing_is_wider_than_80_columns_but_paths(tk1: BenchProject) -> None:
    tk1.server.slow(*B8, 1.3)
    tk1.server.fault = lambda prediction: out_of_memory() if prediction.service == "resnet50" else None
    lines = section(tk1.run("--ddperf-run-unavailable", "--ddperf-batch-sizes=1,8"))
    assert [line for line in lines if len(line) > 80 and not line.startswith("history: ")] == []


def test_a_narrow_terminal_gets_a_narrow_table(tk1: BenchProject, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    lines = section(tk1.run("--ddperf-batch-sizes=1"))
    assert [line for line in lines if len(line) > 40 and not line.startswith("history: ")] == []


def test_the_output_is_plain_ascii(regressed: FinishedRun) -> None:
    assert str(regressed.result.stdout).isascii()


def test_quiet_runs_still_show_the_table(tk1: BenchProject) -> None:
    assert any(line.startswith("batch") for line in section(tk1.run(*SQUEEZENET, "-q")))


def test_a_run_without_cells_shows_nothing_of_ours(tk1: BenchProject) -> None:
    (tk1.path / "test_other.py").write_text("def test_other():\n    pass\n", encoding="utf-8")
    result = tk1.bare("test_other.py")
    result.stdout.no_re_match_line("=+ ddperf =+")
    assert not (tk1.path / ".ddperf").exists()


def test_no_live_line_where_the_output_is_no_terminal(unchanged: FinishedRun) -> None:
    assert "pass 1/5" not in str(unchanged.result.stdout)
    assert "\x1b" not in str(unchanged.result.stdout)


def screen(written: str) -> list[str]:
    """What a terminal shows in the end, without colours: a carriage return, a new line, up, to a column, erase."""
    lines, row, column = [""], 0, 0
    for part in re.findall(r"\r|\n|\x1b\[[0-9;]*[A-Za-z]|[^\r\n\x1b]+", written):
        if part == "\r":
            column = 0
        elif part == "\n":
            row += 1
            lines += [""] * (row + 1 - len(lines))
        elif part == "\x1b[1A":
            row -= 1
        elif part == "\x1b[K":
            lines[row] = lines[row][:column]
        elif part.startswith("\x1b["):
            column = int(part[2:-1]) - 1 if part.endswith("G") else column
        else:
            lines[row] = lines[row][:column].ljust(column) + part + lines[row][column + len(part) :]
            column += len(part)
    return lines


def test_a_live_line_on_a_terminal_says_model_batch_pass_and_time_left(tk1: BenchProject) -> None:
    tk1.server._delay_s = 0.25
    status, written = on_a_terminal(tk1, "--ddperf-models=squeezenet_v1.1", "--ddperf-batch-sizes=8", "-v")
    assert status == 0
    assert "squeezenet_v1.1 b8: warming up" in written
    assert "squeezenet_v1.1 b8: pass 1/5" in written
    assert re.search(r"squeezenet_v1\.1 b8: pass [2-5]/5, (under 1|\d+) s left", written)


@pytest.mark.parametrize("args", [["-v"], pytest.param([], marks=pytest.mark.slow)])
def test_nothing_of_the_live_line_is_left_behind(tk1: BenchProject, args: list[str]) -> None:
    tk1.server.slow(*B8, 1.3)
    _, written = on_a_terminal(tk1, *SQUEEZENET, *args)
    assert "squeezenet_v1.1 b8: pass 5/5" in written
    shown = screen(written)
    assert not [line for line in shown if "warming up" in line or "pass " in line]
    assert not [line for line in shown if "Captured" in line]
    if args:
        begun = "benchmarks/test_predict.py::test_predict[tk1-squeezenet_v1.1-"
        assert [line for line in shown if line.startswith(f"{begun}b1] PASSED 90.7 ms/img +0.0 %")]
        assert [line for line in shown if line.startswith(f"{begun}b8] FAILED 69.8 ms/img +")]
    else:
        assert [line for line in shown if re.match(r"benchmarks/test_predict.py \.F +\[100%\]", line)]


@pytest.mark.slow
def test_a_quiet_run_on_a_terminal_has_no_live_line(tk1: BenchProject) -> None:
    _, written = on_a_terminal(tk1, "--ddperf-models=squeezenet_v1.1", "--ddperf-batch-sizes=8", "-q")
    assert "pass 1/5" not in written


def test_a_run_without_a_terminal_plugin_measures_all_the_same(tk1: BenchProject) -> None:
    assert tk1.run(*SQUEEZENET, "-p", "no:terminal").ret == pytest.ExitCode.OK
    assert len(tk1.verdicts()) == 2


def test_a_run_without_capturing_measures_all_the_same(tk1: BenchProject) -> None:
    tk1.run(*SQUEEZENET, "-s").assert_outcomes(passed=2)


def test_a_run_gives_no_warnings(tk1: BenchProject) -> None:
    result = tk1.run(*SQUEEZENET, "-W", "error", "--benchmark-json=out.json", "--ddperf-update-baselines")
    result.assert_outcomes(passed=2, warnings=0)


@pytest.mark.parametrize("option", ["--setup-plan", "--setup-only"])
def test_showing_the_fixtures_measures_nothing_and_is_no_failure(tk1: BenchProject, option: str) -> None:
    assert tk1.run(*SQUEEZENET, option).ret == pytest.ExitCode.OK
    assert tk1.server.requests == []
