"""How a cell ends, and what pytest makes of it."""

from __future__ import annotations

import csv
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import nightly
import pytest
from bench_project import SQUEEZENET, BenchProject, TableServer
from messages import assert_names
from scripted_deepdetect import internal_error

from pytest_ddperf.cli import main
from pytest_ddperf.core.networks import NETWORK_IDS
from pytest_ddperf.history.run_file import list_runs
from pytest_ddperf.history.writer import HistoryWriter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench_project import FinishedRun
    from scripted_deepdetect import Prediction

    from pytest_ddperf.core.records import Round

B8 = "squeezenet_v1.1", 8
TEST_B8 = "'benchmarks/test_predict.py::test_predict[[]tk1-squeezenet_v1.1-b8]'"
RESNET152 = ("--ddperf-models=resnet152", "--ddperf-batch-sizes=2,4")
"""Two cells of the TK1 table: 477 ms per image at batch size 2, `x` at 4."""


def test_an_unchanged_cell_is_ok_and_passes(unchanged: FinishedRun) -> None:
    assert unchanged.result.ret == pytest.ExitCode.OK
    unchanged.result.assert_outcomes(passed=2)
    assert set(unchanged.project.verdicts().values()) == {"ok"}


def test_a_cell_30_percent_slower_is_regressed_and_fails_in_its_call_phase(regressed: FinishedRun) -> None:
    assert regressed.result.ret == pytest.ExitCode.TESTS_FAILED
    regressed.result.assert_outcomes(passed=1, failed=1)
    assert regressed.project.verdicts() == {"tk1-squeezenet_v1.1-b1": "ok", "tk1-squeezenet_v1.1-b8": "regressed"}


def test_the_message_of_a_regressed_cell_is_enough_to_act_on(regressed: FinishedRun) -> None:
    url = regressed.project.server.url
    regressed.result.stdout.fnmatch_lines(
        [
            "squeezenet_v1.1, batch size 8, on tk1 regressed: 69.8 ms per image now, baseline 53.* ms*, +*.* %*",
            "Baseline: reference values of 2019 on Caffe: report, TK1 table (mean of 5 passes *); *, line 5.",
            "Passes, ms per image by the server's predict time: 69.8 69.8 69.8 69.8 69.8*",
            f"To measure it again: pytest {TEST_B8} --platform=tk1 --ddperf-url={url}",
            "If the change is intended: --ddperf-update-baselines=all.",
        ]
    )


def test_the_figure_of_a_regressed_cell_is_beside_its_limit_wherever_it_is_shown(regressed: FinishedRun) -> None:
    project, result = regressed.project, regressed.result
    rows = csv.DictReader((project.path / "out" / "r.csv").read_text(encoding="utf-8").splitlines())
    (cell,) = [one for one in rows if one["outcome"] == "regressed"]
    change, limit = float(cell["change"]) * 100, float(cell["limit"]) * 100
    assert change > limit >= 10
    said = " ".join(result.outlines)
    assert f"FAILED 69.8 ms/img +{change:.1f} % (limit +{limit:.1f} %, resolution" in said
    assert_names(
        said, f"regressed tk1-squeezenet_v1.1-b8: 69.8 ms/img, baseline 53.7, +{change:.1f} % (limit +{limit:.1f} %)"
    )
    assert_names(said, f"+{change:.1f} % (tolerance 10 %, limit +{limit:.1f} %)")
    properties = {one.get("name"): one.get("value") for one in ET.parse(project.path / "junit.xml").iter("property")}  # noqa: S314 - our own file
    assert properties["limit_percent"] == f"{limit:.2f}"
    record = next(one for one in project.records() if one.key.batch_size == 8)
    assert (record.change, record.limit) == (float(cell["change"]), float(cell["limit"]))


PLATFORM = ("--ddperf-models=squeezenet_v1.1,googlenet,resnet50", "--ddperf-batch-sizes=1,2,4,8")


def slow_platform(tk1: BenchProject, factor: float) -> None:
    for model in ("squeezenet_v1.1", "googlenet", "resnet50"):
        for size in (1, 2, 4, 8):
            tk1.server.slow(model, size, factor)


def test_a_platform_that_is_slower_as_a_whole_is_stated_first_and_each_cell_still_fails(tk1: BenchProject) -> None:
    slow_platform(tk1, 1.3)
    result = tk1.run(*PLATFORM)
    lines = result.outlines
    shift = next(place for place, line in enumerate(lines) if line.startswith("tk1 as a whole is "))
    table = next(place for place, line in enumerate(lines) if line.startswith("tk1: "))
    assert shift < table
    failed = sum(verdict == "regressed" for verdict in tk1.verdicts().values())
    assert failed >= 8
    result.assert_outcomes(failed=failed, skipped=1)
    assert sum(line.startswith("regressed ") for line in lines[table:]) == 1


def test_to_measure_a_cell_again_that_the_platform_has_not_by_itself_its_size_is_named(tk1: BenchProject) -> None:
    tk1.server.slow("squeezenet_v1.1", 3, 1.0)
    cell = ("--ddperf-models=squeezenet_v1.1", "--ddperf-batch-sizes=3")
    tk1.run(*cell, "--ddperf-update-baselines")
    tk1.server.slow("squeezenet_v1.1", 3, 1.3)
    result = tk1.run(*cell)
    result.stdout.fnmatch_lines([f"To measure it again: * --ddperf-url={tk1.server.url} --ddperf-batch-sizes=3"])


@pytest.mark.parametrize("filters", [(), ("-Werror",), ("-Wignore",)], ids=" ".join)
def test_an_unstable_cell_passes_with_a_warning_whatever_the_user_makes_of_warnings(
    tk1: BenchProject, filters: tuple[str, ...]
) -> None:
    steady, of_rounds = tk1.server.latency_ms, [1.4, 1.4, 1.02, 1.4, 1.4, 1.4]
    factors = iter([factor for factor in of_rounds for _ in range(6)])  # a warm-up and five passes
    tk1.server.latency_ms = lambda service, batch_size: steady(service, batch_size) * next(factors)
    result = tk1.run("--ddperf-models=squeezenet_v1.1", "--ddperf-batch-sizes=8", *filters)
    assert set(tk1.verdicts().values()) == {"unstable"}
    result.assert_outcomes(passed=1, warnings=0 if "-Wignore" in filters else 1)
    assert result.ret == pytest.ExitCode.OK


def test_a_cell_that_is_an_error_says_so_once(tk1: BenchProject) -> None:
    result = tk1.run(
        "--ddperf-models=squeezenet_v1.1", "--ddperf-batch-sizes=1", "--ddperf-service=gone_{model}", "-rN"
    )
    result.assert_outcomes(failed=1)
    result.stdout.no_fnmatch_line("*During handling of the above exception*")
    result.stdout.no_fnmatch_line("*direct cause*")
    assert sum("There is no service for squeezenet_v1.1" in line for line in result.outlines) == 2  # and in the totals


def test_a_failure_shows_no_lines_of_this_package(regressed: FinishedRun) -> None:
    regressed.result.stdout.no_re_match_line(r".*pytest_ddperf/.*\.py")
    regressed.result.stdout.no_fnmatch_line("*Traceback*")


def test_a_cell_twice_as_fast_is_improved_and_passes(tk1: BenchProject) -> None:
    tk1.server.slow(*B8, 0.5)
    tk1.run(*SQUEEZENET).assert_outcomes(passed=2)
    assert tk1.verdicts()["tk1-squeezenet_v1.1-b8"] == "improved"


def test_a_cell_without_a_baseline_is_new_and_passes(tk1: BenchProject) -> None:
    result = tk1.run("--ddperf-models=mobilenet_v2", "--ddperf-batch-sizes=1", "--ddperf-service=resnet50")
    result.assert_outcomes(passed=1)
    assert tk1.verdicts() == {"tk1-mobilenet_v2-b1": "new"}


def test_a_new_cell_fails_where_a_baseline_is_required(tk1: BenchProject) -> None:
    result = tk1.run("--ddperf-models=resnet50", "--ddperf-batch-sizes=2,3", "--ddperf-require-baseline")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["tk1-resnet50-b3 has no baseline *--ddperf-update-baselines.*"])


def test_a_cell_that_the_baseline_marks_x_is_skipped_with_its_reason(tk1: BenchProject) -> None:
    result = tk1.run(*RESNET152, "-rs", "--junitxml=junit.xml")
    result.assert_outcomes(passed=1, skipped=1)
    suite = ET.parse(tk1.path / "junit.xml").getroot()[0]  # noqa: S314 - written by this run
    assert (suite.get("tests"), suite.get("skipped"), suite.get("failures")) == ("2", "1", "0")
    result.stdout.fnmatch_lines(["SKIPPED*the baseline of tk1 marks the cell x*--ddperf-run-unavailable*"])
    assert [one.batch for one in tk1.server.predictions] == [2] * 6


def test_an_unavailable_cell_runs_on_request(tk1: BenchProject) -> None:
    result = tk1.run(*RESNET152, "--ddperf-run-unavailable")
    result.assert_outcomes(passed=2)
    assert tk1.verdicts() == {"tk1-resnet152-b2": "ok", "tk1-resnet152-b4": "new"}


def test_a_cell_whose_service_is_missing_is_an_error_and_the_others_run(tk1: BenchProject) -> None:
    with TableServer("tk1", services=[name for name in NETWORK_IDS if name != "googlenet"]) as server:
        tk1.server = server
        result = tk1.run("--ddperf-models=googlenet,shufflenet", "--ddperf-batch-sizes=1")
    result.assert_outcomes(passed=1, failed=1)
    assert tk1.verdicts() == {"tk1-googlenet-b1": "error", "tk1-shufflenet-b1": "ok"}
    result.stdout.fnmatch_lines(["*There is no service for googlenet*--ddperf-repository*"])


def test_one_whose_model_folder_is_not_there_may_be_skipped(tk1: BenchProject) -> None:
    with TableServer("tk1", services=["googlenet"], accepts=lambda _: False) as server:
        tk1.server = server
        args = ("--ddperf-models=googlenet,shufflenet", "--ddperf-batch-sizes=1", "--ddperf-repository=/opt/{model}")
        tk1.run(*args).assert_outcomes(passed=1, failed=1)
        assert set(tk1.verdicts().values()) == {"ok", "error"}
        tk1.run(*args, "--ddperf-missing-service=skip").assert_outcomes(passed=1, skipped=1)


def test_a_missing_service_may_be_skipped(tk1: BenchProject) -> None:
    with TableServer("tk1", services=["shufflenet"]) as server:
        tk1.server = server
        args = ("--ddperf-models=googlenet,shufflenet", "--ddperf-batch-sizes=1", "--ddperf-missing-service=skip")
        result = tk1.run(*args, "-rs")
    result.assert_outcomes(passed=1, skipped=1)
    result.stdout.fnmatch_lines(
        [
            "SKIPPED*test_predict.py*There is no service for googlenet*",
        ]
    )
    result.stdout.fnmatch_lines(["2 cells: 1 ok, 1 unavailable"])


def test_a_service_that_is_missing_is_created_from_the_repository_and_deleted_again(tk1: BenchProject) -> None:
    with TableServer("tk1", services=[]) as server:
        tk1.server = server
        args = ("--ddperf-models=googlenet,shufflenet", "--ddperf-batch-sizes=1,2")
        tk1.run(*args, "--ddperf-repository=/srv/models/{model}").assert_outcomes(passed=4)
        assert server.services == []
        puts = [one.path for one in server.asked("PUT") + server.asked("POST", "/services")]
        assert puts == ["/services/googlenet", "/services/shufflenet"]


def test_a_server_that_answers_500_gives_an_error_and_the_others_run(tk1: BenchProject) -> None:
    tk1.server.fault = lambda prediction: internal_error() if prediction.batch == 1 else None
    result = tk1.run(*SQUEEZENET)
    result.assert_outcomes(passed=1, failed=1)
    assert tk1.verdicts()["tk1-squeezenet_v1.1-b8"] == "ok"
    assert tk1.verdicts()["tk1-squeezenet_v1.1-b1"] == "error"
    result.stdout.fnmatch_lines(["*HTTP 500*dd_msg: src/caffe/net.cpp:41*"])


def test_the_message_of_an_error_names_server_and_service(tk1: BenchProject) -> None:
    tk1.server.fault = lambda _: internal_error()
    result = tk1.run(*SQUEEZENET)
    result.stdout.fnmatch_lines([f"*server {tk1.server.url}, service squeezenet_v1.1*"])


def one_missing(_: Prediction, answered: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return answered[1:]


def another_uri(_: Prediction, answered: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**answered[0], "uri": "/srv/bench/other.jpg"}, *answered[1:]]


def one_twice(_: Prediction, answered: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [answered[0], *answered[:-1]]


def not_finite(_: Prediction, answered: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**one, "classes": [{"prob": float("nan"), "cat": "a", "last": True}]} for one in answered]


@pytest.mark.parametrize("lie", [one_missing, another_uri, one_twice, not_finite])
def test_wrong_predictions_are_an_error(tk1: BenchProject, lie: Any) -> None:  # noqa: ANN401 - one of the above
    tk1.server.wrong = lambda prediction, answered: lie(prediction, answered) if prediction.batch == 8 else answered
    result = tk1.run(*SQUEEZENET)
    result.assert_outcomes(passed=1, failed=1)
    assert tk1.verdicts() == {"tk1-squeezenet_v1.1-b1": "ok", "tk1-squeezenet_v1.1-b8": "error"}


def test_a_cell_during_which_somebody_else_used_the_server_is_invalid(tk1: BenchProject) -> None:
    def intrude(prediction: Prediction, answered: list[dict[str, Any]]) -> list[dict[str, Any]]:
        if prediction.batch == 8:
            tk1.server.use_elsewhere("resnet50")
        return answered

    tk1.server.wrong = intrude
    result = tk1.run(*SQUEEZENET)
    result.assert_outcomes(passed=1, failed=1)
    assert tk1.verdicts()["tk1-squeezenet_v1.1-b8"] == "invalid"
    result.stdout.fnmatch_lines(["*is invalid, not slower: somebody else used the server*"])


def test_a_clock_that_tells_no_time_is_an_error(tk1: BenchProject) -> None:
    with TableServer("tk1", totals="none", head_ms=lambda _: None) as server:
        tk1.server = server
        result = tk1.run(*SQUEEZENET)
        result.assert_outcomes(failed=2)
        assert set(tk1.verdicts().values()) == {"error"}


def test_a_time_of_0_ms_is_an_error_and_no_crash(tk1: BenchProject) -> None:
    with TableServer("tk1", totals="none", head_ms=lambda _: 0.0) as server:
        tk1.server = server
        result = tk1.run(*SQUEEZENET)
        result.assert_outcomes(failed=2)
        result.stdout.no_fnmatch_line("*ValueError*")
        assert set(tk1.verdicts().values()) == {"error"}


def test_an_older_server_without_totals_is_gated_by_head_time(tk1: BenchProject) -> None:
    with TableServer("gtx1080ti", totals="none", in_real_time=True) as server:
        tk1.server, tk1.platform = server, "gtx1080ti"
        server.slow(*B8, 1.3)
        tk1.run(*SQUEEZENET).assert_outcomes(passed=1, failed=1)
    measured = [record.measurement for record in tk1.records()]
    assert [one.conditions.clock.value for one in measured if one] == ["head", "head"]


def test_the_client_s_clock_is_gated_only_where_it_is_asked_for(tk1: BenchProject) -> None:
    for options, clock in (((), "predict"), (("--ddperf-timer=client",), "client")):
        tk1.run(*SQUEEZENET, *options)
        assert {one.measurement and one.measurement.conditions.clock for one in tk1.records()} == {clock}


def test_every_cell_makes_the_passes_that_were_asked_for(tk1: BenchProject) -> None:
    tk1.run(*SQUEEZENET, "--ddperf-npasses=7", "--ddperf-warmup=2").assert_outcomes(passed=2)
    assert [one.batch for one in tk1.server.predictions] == [1] * 9 + [8] * 9


def test_the_tolerance_decides(tk1: BenchProject) -> None:
    tk1.server.slow(*B8, 1.3)
    tk1.run(*SQUEEZENET, "--ddperf-tolerance=60%").assert_outcomes(passed=2)


def test_junit_xml_tells_the_verdicts(tk1: BenchProject) -> None:
    tk1.server.slow(*B8, 1.3)
    tk1.server.fault = lambda prediction: internal_error() if prediction.service == "vgg16" else None
    args = ("--ddperf-models=squeezenet_v1.1,vgg16,resnet152", "--ddperf-batch-sizes=1,8", "--ddperf-run-unavailable")
    tk1.run(*args, "-k", "squeezenet or vgg16 and b1", "--junitxml=junit.xml")
    suite = ET.parse(tk1.path / "junit.xml").getroot()[0]  # noqa: S314 - written by this run
    assert {name: suite.get(name) for name in ("tests", "failures", "errors", "skipped")} == {
        "tests": "3",
        "failures": "2",
        "errors": "0",
        "skipped": "0",
    }
    failed = {case.get("name"): case.find("failure") for case in suite if case.find("failure") is not None}
    message = failed["test_predict[tk1-squeezenet_v1.1-b8]"]
    assert message is not None
    assert_names(message.text, "squeezenet_v1.1", "batch size 8", "tk1", "regressed")


def test_a_run_that_measured_nothing_exits_5(tk1: BenchProject) -> None:
    result = tk1.run("--ddperf-models=vgg16")
    result.assert_outcomes(skipped=8)
    assert result.ret == pytest.ExitCode.NO_TESTS_COLLECTED


def test_a_run_whose_services_were_all_missing_exits_5(tk1: BenchProject) -> None:
    with TableServer("tk1", services=[]) as server:
        tk1.server = server
        result = tk1.run(*SQUEEZENET, "--ddperf-missing-service=skip")
    result.assert_outcomes(skipped=2)
    assert result.ret == pytest.ExitCode.NO_TESTS_COLLECTED


def test_a_run_of_other_tests_and_no_measured_cell_keeps_its_exit_status(tk1: BenchProject) -> None:
    (tk1.path / "benchmarks" / "test_other.py").write_text("def test_other():\n    pass\n", encoding="utf-8")
    assert tk1.run("--ddperf-models=vgg16").ret == pytest.ExitCode.OK


def test_cells_of_the_baseline_that_a_whole_run_did_not_reach_are_counted(tk1: BenchProject) -> None:
    tk1.server.fault = lambda asked: internal_error() if asked.batch == 2 else None
    result = tk1.run("-x")
    result.stdout.fnmatch_lines(["2 cells: 1 ok, 1 error, 43 baseline cells not measured"])


def test_a_part_that_stops_early_says_how_far_it_came(tk1: BenchProject) -> None:
    tk1.server.fault = lambda asked: internal_error() if asked.batch == 2 else None
    result = tk1.run("-x", "--ddperf-models=googlenet,vgg16", "--ddperf-batch-sizes=1,2,4")  # vgg16 is marked x
    result.stdout.fnmatch_lines(["2 cells: 1 ok, 1 error, 1 of 3 cells not measured"])


def test_a_run_that_stops_before_its_first_cell_says_so(tk1: BenchProject) -> None:
    (tk1.path / "test_first.py").write_text("def test_it():\n    assert 0\n", encoding="utf-8")
    result = tk1.bare("test_first.py", "benchmarks", *tk1.where, *SQUEEZENET, "-x")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["2 of 2 cells not measured"])


def test_a_part_that_was_asked_for_is_whole(tk1: BenchProject) -> None:
    tk1.run("-k", "squeezenet_v1.1 and b8").stdout.fnmatch_lines(["1 cell: 1 ok"])


def write_nights(tk1: BenchProject, factors: Sequence[float], commit: str) -> None:
    """Replace the history, which is a single night, by nights on which its cells took these multiples of their time."""
    (run,) = tk1.histories()
    folder = tk1.path / ".ddperf"
    for path in list_runs(folder):
        path.unlink()
    for night, factor in enumerate(factors):
        name = f"20261101T{night:06}.000Z-00000000"
        header = replace(run.header, run=name, started=nightly.moment(night), facts={"commit": {"id": commit}})
        with HistoryWriter(folder, header) as writer:
            for record in run.records:
                assert record.measurement is not None
                rounds = [scaled(one, factor * (1 + 0.002 * (night % 3))) for one in record.measurement.rounds]
                writer.append(replace(record, measurement=replace(record.measurement, rounds=tuple(rounds))))
            writer.close(0, whole=True)


def scaled(one: Round, factor: float) -> Round:
    passes = [replace(each, predict_ms=(each.predict_ms or 0.0) * factor) for each in one.passes]
    return replace(one, passes=tuple(passes))


def test_a_cell_that_crept_says_since_when_in_terminal_message_and_files(tk1: BenchProject) -> None:
    tk1.run(*SQUEEZENET, "--ddperf-accept")
    write_nights(tk1, [1 + 0.006 * max(0, night - 19) for night in range(34)], "0123456789abcdef")
    result = tk1.run(*SQUEEZENET, "--junitxml=junit.xml", "--ddperf-report=cells.csv")
    result.assert_outcomes(failed=2)
    record = tk1.records()[-1]
    assert record.creep is not None
    since = f"slower since the night of {record.creep.since[:10]} (commit 0123456789ab)"
    said = " ".join(" ".join(result.outlines).split())
    assert f"regressed in 2 cells, night by night: tk1-squeezenet_v1.1-b1: {since}" in said
    assert f"Slower{since[6:]}" in said
    assert_names(said, "57.3 ms per image in the latest nights", "53.8 ms per image before the rise", "+6.6 %")
    cells = list(csv.DictReader((tk1.path / "cells.csv").read_text().splitlines()))
    crept = [one for one in cells if one["outcome"] == "regressed"]
    assert [one["slower_since"] for one in crept] == [record.creep.since] * 2
    assert all(float(one["change"]) > float(one["limit"]) for one in crept)
    assert f'name="slower_since" value="{record.creep.since}"' in (tk1.path / "junit.xml").read_text()


def date_nights(tk1: BenchProject, *commits: str) -> None:
    """Replace the runs of the history by the same runs on consecutive nights, at these commits."""
    runs = tk1.histories()
    folder = tk1.path / ".ddperf"
    for path in list_runs(folder):
        path.unlink()
    for night, (run, commit) in enumerate(zip(runs, commits, strict=True)):
        name = f"20261101T{night:06}.000Z-00000000"
        header = replace(run.header, run=name, started=nightly.moment(night), facts={"commit": {"id": commit}})
        with HistoryWriter(folder, header) as writer:
            for record in run.records:
                writer.append(record)
            writer.close(run.exit_status or 0, whole=run.whole)


@pytest.mark.slow
def test_a_regressed_cell_says_since_which_night_and_commits_in_every_output(
    tk1: BenchProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    tk1.run(*SQUEEZENET)
    tk1.server.slow(*B8, 1.3)
    tk1.run(*SQUEEZENET)
    date_nights(tk1, "a" * 40, "b" * 40)
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tk1.path / "summary.md"))
    monkeypatch.setenv("GITHUB_OUTPUT", str(tk1.path / "outputs"))
    names = ("report.html", "report.md", "cells.json", "cells.csv", "comment:comment.md")
    result = tk1.run(*SQUEEZENET, *(f"--ddperf-report={name}" for name in names), "--junitxml=junit.xml")

    said = (
        "slower since the night of Monday 2026-11-02, aaaaaaaaaaaa..bbbbbbbbbbbb (last good night: Sunday 2026-11-01)"
    )
    printed = " ".join(" ".join(result.outlines).split())
    assert printed.count(said) == 3  # the message of the test, the list of failed cells, GitHub's annotation
    shown = {name: (tk1.path / name.removeprefix("comment:")).read_text() for name in (*names, "summary.md")}
    assert [name for name, text in shown.items() if not names_since(text, said)] == []
    since = {
        "night": {"started": nightly.moment(1), "commit": "b" * 40, "is_dirty": False},
        "good": {"started": nightly.moment(0), "commit": "a" * 40, "is_dirty": False},
        "server": "",
    }
    assert [cell["since"] for cell in tk1.json("cells.json")["cells"] if cell["fails"]] == [since]
    assert f'name="slower_since" value="{nightly.moment(1)}"' in (tk1.path / "junit.xml").read_text()

    assert main.main(["report", "-o", "again.json", "-o", "again.md", "--platform=tk1"]) == 0
    assert [cell["since"] for cell in tk1.json("again.json")["cells"] if cell["fails"]] == [since]
    assert names_since((tk1.path / "again.md").read_text(), said)


def names_since(text: str, said: str) -> bool:
    """Whether a text has these words, apart from the backslashes of Markdown; JSON has the same words in `reason`."""
    return said in text.replace("\\", "")


@pytest.mark.parametrize(
    "args",
    [(), ("-n", "1"), ("--ddperf-baseline=report",)],
    ids=["in this process", "in a worker", "compared with the table only"],
)
def test_a_cell_that_is_slower_tonight_for_the_first_time_names_this_run(
    tk1: BenchProject, args: tuple[str, ...]
) -> None:
    tk1.run(*SQUEEZENET)
    date_nights(tk1, "a" * 40)
    tk1.server.slow(*B8, 1.3)
    tk1.run(*SQUEEZENET, *args)
    (since,) = [record.since for record in tk1.records() if record.since is not None]
    assert since.night.started == tk1.histories()[-1].header.started
    assert since.good is not None
    assert since.good.commit == "a" * 40
