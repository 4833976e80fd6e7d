"""What GitHub Actions receives, read back by GitHub's published rules."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from messages import assert_names
from results_made import SERVER, measured, not_measured, results

from pytest_ddperf.core.networks import NETWORK_IDS
from pytest_ddperf.core.records import AGAINST, FAILING, Creep, Outcome
from pytest_ddperf.core.results import RunFacts
from pytest_ddperf.report import github
from pytest_ddperf.report.github import Ending
from pytest_ddperf.text import remove_control_characters

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_ddperf.core.results import Result

MIB = 1 << 20
PASSED, FAILED, INTERRUPTED, USAGE, NOTHING = Ending(0), Ending(1), Ending(2), Ending(4), Ending(5)
REGRESSED = measured("squeezenet_v1.1", 8, now_ms=130.0, outcome=Outcome.REGRESSED, reason="+30.0 % after 3 rounds")
OK = measured("resnet50", 4)
NEW = measured("resnet50", 3, outcome=Outcome.NEW, baseline_ms=None, reason="nothing to compare with")
HOSTILE = st.text(st.one_of(st.characters(), st.sampled_from("%:,=\n\r<|\\\x1b\ud800")), max_size=60)


def many(count: int, outcome: Outcome = Outcome.OK, reason: str = "within the tolerance") -> list[Result]:
    """That many cells."""
    names = [(model, size) for size in range(1, count + 1) for model in NETWORK_IDS]
    return [measured(model, size, outcome=outcome, reason=reason) for model, size in names[:count]]


def rows(summary: str) -> list[list[str]]:
    """The cells of the first table's body, as a browser shows them."""
    html = MarkdownIt("commonmark").enable("table").render(summary)
    body = re.search(r"<tbody>(.*?)</tbody>", html, flags=re.DOTALL)
    found = re.findall(r"<tr>(.*?)</tr>", body[1] if body else "", flags=re.DOTALL)
    return [[re.sub(r"</?strong>", "", one) for one in re.findall(r"<td.*?>(.*?)</td>", row)] for row in found]


def command(line: str) -> tuple[str, dict[str, str], str]:
    """A workflow command as the runner reads it: from the start of its line, percent signs last."""
    assert line.startswith("::")
    assert not re.search(r"[\r\n]", line)
    reported, _, data = line[2:].partition("::")
    name, _, properties = reported.partition(" ")

    def plain(text: str, codes: tuple[str, ...]) -> str:
        for code in codes:
            text = text.replace(f"%{code}", chr(int(code, 16)))
        return text.replace("%25", "%")

    pairs = [pair.split("=", 1) for pair in properties.split(",")]
    return name, {key: plain(value, ("0D", "0A", "3A", "2C")) for key, value in pairs}, plain(data, ("0D", "0A"))


def outputs(text: str) -> dict[str, str]:
    """A file of outputs as the runner reads it."""
    lines = iter(text.removesuffix("\n").split("\n"))
    found = {}
    for line in lines:
        equals, heredoc = line.find("="), line.find("<<")
        if equals >= 0 and (heredoc < 0 or equals < heredoc):
            name, _, value = line.partition("=")
        else:
            name, _, end = line.partition("<<")
            assert name
            assert end
            value = "\n".join(iter(lambda: next(lines), end))
        found[name] = value
    return found


class TestVerdict:
    @pytest.mark.parametrize(
        ("cells", "ending", "word"),
        [
            ((OK, measured(outcome=Outcome.IMPROVED)), PASSED, "ok"),
            ((OK, NEW), PASSED, "new"),
            ((OK, NEW, measured(outcome=Outcome.UNSTABLE)), PASSED, "unstable"),
            ((OK, not_measured("vgg16", outcome=Outcome.UNAVAILABLE)), PASSED, "ok"),
            ((OK, not_measured("vgg16"), measured(outcome=Outcome.UNSTABLE)), FAILED, "failed"),
            ((REGRESSED, not_measured("vgg16"), OK), FAILED, "regressed"),
            ((REGRESSED, OK), PASSED, "regressed"),
        ],
    )  # fmt: skip
    def test_the_reddest_cell_gives_it(self, cells: tuple[Result, ...], ending: Ending, word: str) -> None:
        assert github.summarise_verdict(results(*cells), ending) == word

    @pytest.mark.parametrize("ending", [FAILED, INTERRUPTED, USAGE])
    def test_it_is_not_green_where_pytest_is_not(self, ending: Ending) -> None:
        assert github.summarise_verdict(results(OK), ending) == "failed"

    @pytest.mark.parametrize("ending", [PASSED, NOTHING])
    def test_nothing_measured_is_not_green(self, ending: Ending) -> None:
        assert (
            github.summarise_verdict(results(not_measured("vgg16", outcome=Outcome.UNAVAILABLE)), ending) == "nothing"
        )
        assert github.summarise_verdict(results(), ending) == "nothing"

    def test_a_cell_without_a_final_verdict_is_not_green(self) -> None:
        assert github.summarise_verdict(results(OK, measured(outcome=Outcome.REMEASURE)), PASSED) == "failed"

    def test_a_cell_without_a_baseline_fails_where_one_is_required(self) -> None:
        assert github.summarise_verdict(results(OK, NEW), Ending(1, new_fails=True)) == "failed"


class TestSummary:
    def test_each_cell_has_a_row_those_that_fail_first_worst_first(self) -> None:
        worse = measured("vgg16", 1, now_ms=150.0, outcome=Outcome.REGRESSED)
        broken = not_measured("vgg19", reason="the server answered 500")
        text = github.render_summary(results(OK, broken, REGRESSED, worse), FAILED)
        assert rows(text) == [
            ["tk1", "vgg16", "1", "150", "100", "+50.0 %", "5.0 %", "regressed", "within the tolerance"],
            ["tk1", "squeezenet_v1.1", "8", "130", "100", "+30.0 %", "5.0 %", "regressed", "+30.0 % after 3 rounds"],
            ["tk1", "vgg19", "8", "", "100", "", "", "error", "the server answered 500"],
            ["tk1", "resnet50", "4", "110", "100", "+10.0 %", "5.0 %", "ok", "within the tolerance"],
        ]

    def test_it_tells_the_totals_the_run_and_what_was_not_measured(self) -> None:
        text = github.render_summary(results(OK, REGRESSED, not_measured("vgg16"), missing=3), FAILED)
        assert text.startswith("### Inference speed: regressed\n")
        assert "**3 cells**, 2 measured: 1 ok, 1 regressed, 1 error." in text
        assert "3 baseline cells not measured." in text
        assert "commit 0123abcd" in text

    def test_it_tells_how_measurements_and_baselines_are_unlike(self) -> None:
        cells = [replace(cell, notes=("the table is of caffe",)) for cell in (OK, REGRESSED)]
        text = github.render_summary(results(*cells), PASSED)
        assert "#### Notes\n\n- tk1, 2 cells: the table is of caffe.\n" in text

    def test_it_tells_the_servers_and_the_warnings(self) -> None:
        text = github.render_summary(results(OK, warnings=["night.jsonl, line 3: broken"]), PASSED)
        assert re.search(r"#### Servers\n\n- tk1, .*http\\://tk1.lan:8080, version v0.28.0, commit ab3b96ae", text)
        assert re.search(r"#### Warnings\n\n- night.jsonl, line 3: broken", text)

    def test_an_interrupted_run_says_so(self) -> None:
        assert "The run was interrupted." in github.render_summary(results(OK), INTERRUPTED)

    def test_a_run_that_failed_for_another_reason_says_so(self) -> None:
        assert "No cell failed, but pytest did" in github.render_summary(results(OK), FAILED)
        assert "No cell failed" not in github.render_summary(results(REGRESSED), FAILED)

    @pytest.mark.slow
    def test_ten_thousand_cells_stay_under_a_mebibyte_and_the_green_ones_are_left_out(self) -> None:
        red = many(500, Outcome.REGRESSED, "slower " * 10)
        text = github.render_summary(results(*many(9500, reason="fine " * 20), *red), FAILED)
        assert len(text.encode()) < MIB
        shown = [row[7] for row in rows(text)]
        assert shown == ["regressed"] * 500 + ["ok"] * (len(shown) - 500)
        assert f"**{10_000 - len(shown)} rows are omitted** ({10_000 - len(shown)} ok)" in text
        assert len(shown) > 5000
        assert "#### Servers" in text

    def test_ten_thousand_regressions_are_cut_and_counted(self) -> None:
        text = github.render_summary(results(*many(10_000, Outcome.REGRESSED, "ü" * 390)), FAILED)
        assert len(text.encode()) < MIB
        assert f"**{10_000 - len(rows(text))} rows are omitted**" in text

    def test_thousands_of_warnings_leave_the_cells_their_room(self) -> None:
        warnings = [f"night{number}.jsonl: {'broken ' * 200}" for number in range(3000)]
        text = github.render_summary(results(REGRESSED, *many(1000), warnings=warnings), FAILED)
        assert len(text.encode()) < MIB
        assert len(rows(text)) == 1001
        reported = len(re.findall(r"^- night", text, flags=re.MULTILINE))
        assert 0 < reported < 3000
        assert f"- and {3000 - reported} more\n" in text

    @given(room=st.integers(-10, 4000), green=st.integers(0, 12), red=st.integers(0, 5))
    @example(room=0, green=0, red=0)
    def test_it_never_takes_more_than_its_room(self, room: int, green: int, red: int) -> None:
        cells = results(*many(green), *many(red, Outcome.REGRESSED), warnings=["w" * 50] * 9)
        text = github.render_summary(cells, FAILED, room)
        assert len(text.encode()) <= max(room, 0)
        shown = [row[7] for row in rows(text)]
        assert shown == (["regressed"] * red + ["ok"] * green)[: len(shown)]
        if text:
            left = re.findall(r"^\*\*(\d+) rows? (?:is|are) omitted", text, flags=re.MULTILINE)
            assert sum(map(int, left)) == red + green - len(shown)

    @given(HOSTILE)
    def test_what_a_server_says_stays_text(self, text: str) -> None:
        run = RunFacts("r", "s", text, servers={"tk1": type(SERVER)(text, text, text, text, text)})
        cells = results(measured(reason=text), run=run, warnings=[text])
        source = github.render_summary(cells, PASSED)
        source.encode()
        kinds = {child.type for token in MarkdownIt("commonmark").enable("table").parse(source)
                 for child in token.children or ()}  # fmt: skip
        assert kinds <= {"text", "text_special", "softbreak", "strong_open", "strong_close"}
        assert [len(row) for row in rows(source)] == [9]

    def test_a_reason_that_is_too_long_is_cut(self) -> None:
        text = github.render_summary(results(measured(outcome=Outcome.REGRESSED, reason="long " * 1000)), FAILED)
        assert len(rows(text)[0][8]) <= 400
        assert rows(text)[0][8].endswith("...")

    def test_cells_that_share_a_cause_are_a_paragraph_with_a_list_that_their_rows_refer_to(self) -> None:
        shared = [replace(not_measured("vgg19", size), cause="no service") for size in (1, 2)]
        text = github.render_summary(results(*shared, replace(not_measured("vgg16"), cause="cut off"), OK), FAILED)
        assert text.count("no service") == 1
        assert "**error** in 2 cells: no service" in text
        assert "tk1-vgg19-b1, tk1-vgg19-b2" in text
        reasons = {(row[1], row[2]): row[8] for row in rows(text)}
        assert reasons["vgg19", "1"] == reasons["vgg19", "2"] == "see above"
        assert reasons["vgg16", "8"] == "no answer"

    def test_a_paragraph_that_does_not_fit_leaves_its_cells_their_reasons(self) -> None:
        shared = [replace(not_measured("vgg19", size), cause="x" * 900) for size in (1, 2)]
        assert [row[8] for row in rows(github.render_summary(results(*shared), FAILED, 4000))] == ["no answer"] * 2

    def test_a_list_of_cells_has_an_end(self) -> None:
        shared = [replace(one, cause="no service") for one in many(1500, Outcome.ERROR)]
        text = github.render_summary(results(*shared), FAILED)
        assert " and 500 more\n" in text
        assert len(text.encode()) < MIB

    @pytest.mark.parametrize(
        ("ending", "said"),
        [
            (Ending(2, not_run=(6, 8)), "6 of 8 cells not measured."),
            (Ending(1, not_run=(6, 8)), "3 baseline cells not measured."),
        ],
    )
    def test_it_tells_how_many_cells_the_run_ended_before(self, ending: Ending, said: str) -> None:
        text = github.render_summary(results(OK, missing=3), ending)
        assert [line for line in text.splitlines() if "not measured." in line] == [said]


class TestCommands:
    def test_a_regressed_cell_is_an_error_with_its_numbers(self) -> None:
        (line,) = github.render_commands(results(OK, REGRESSED), FAILED)
        name, properties, message = command(line)
        assert (name, properties) == ("error", {"title": "tk1-squeezenet_v1.1-b8 regressed +30.0 %"})
        assert message.splitlines() == [
            "130 ms per image now, baseline 100 ms per image, +30.0 %: +30.0 % after 3 rounds",
            "Baseline: report, TK1 table",
        ]

    def test_a_cell_that_could_not_be_measured_is_an_error_with_its_reason(self) -> None:
        (line,) = github.render_commands(
            results(OK, not_measured("vgg16", reason="100 %, no: answer\r\nat all")), FAILED
        )
        assert command(line) == ("error", {"title": "tk1-vgg16-b8 error"}, "100 %, no: answer\nat all")

    @pytest.mark.parametrize("outcome", sorted(set(Outcome) - FAILING - {Outcome.REMEASURE}))
    def test_a_cell_that_passes_is_none(self, outcome: Outcome) -> None:
        assert github.render_commands(results(measured(outcome=outcome)), FAILED) == []

    def test_a_cell_without_a_baseline_is_one_where_one_is_required(self) -> None:
        (line,) = github.render_commands(results(NEW), Ending(1, new_fails=True))
        assert command(line)[1:] == ({"title": "tk1-resnet50-b3 new"}, "nothing to compare with")

    def test_ten_at_the_most_regressions_first_worst_first(self) -> None:
        slower = [measured("vgg16", size, now_ms=100.0 + size, outcome=Outcome.REGRESSED) for size in range(20, 28)]
        broken = [not_measured("vgg19", size) for size in range(1, 6)]
        read = [command(line) for line in github.render_commands(results(*broken, *slower), FAILED)]
        titles = [one[1]["title"] for one in read]
        assert titles[:8] == [f"tk1-vgg16-b{size} regressed +{size}.0 %" for size in range(27, 19, -1)]
        assert titles[8:] == ["tk1-vgg19-b1 error", "tk1-vgg19-b2 error"]
        assert read[-1][2].endswith("\n3 more failed; the job summary lists them.")

    def test_they_are_warnings_where_the_run_passes_all_the_same(self) -> None:
        (line,) = github.render_commands(results(REGRESSED), PASSED)
        assert command(line)[0] == "warning"

    @given(HOSTILE)
    @example("%0A::error::forged")
    @example("a\n::add-mask::b")
    def test_nothing_that_a_server_says_ends_a_command(self, text: str) -> None:
        (line,) = github.render_commands(results(not_measured("vgg16", reason=f"why: {text}")), FAILED)
        _, properties, message = command(line)
        assert list(properties) == ["title"]
        assert message == remove_control_characters(f"why: {text}")


class TestOutputs:
    def test_the_verdict_and_the_counts(self) -> None:
        read = outputs(github.render_outputs(results(OK, REGRESSED, not_measured("vgg16"), missing=4), FAILED))
        assert read == {
            **dict.fromkeys(
                (
                    "improved",
                    "new",
                    "unavailable",
                    "over_budget",
                    "oom",
                    "crashed",
                    "invalid",
                    "not_confirmed",
                    "unstable",
                ),
                "0",
            ),
            **dict.fromkeys(("ok", "regressed", "error"), "1"),
            "verdict": "regressed",
            "cells": "3",
            "measured": "2",
            "failing": "2",
            "not_measured": "4",
            "failing_cells": "tk1-squeezenet_v1.1-b8\ntk1-vgg16-b8",
        }

    def test_no_cell_that_fails_is_an_empty_list(self) -> None:
        assert outputs(github.render_outputs(results(OK), PASSED))["failing_cells"] == ""

    def test_the_list_of_cells_that_fail_has_an_end(self) -> None:
        read = outputs(github.render_outputs(results(*many(1500, Outcome.REGRESSED)), FAILED))
        assert read["failing"] == "1500"
        assert len(read["failing_cells"].splitlines()) == github.CELLS_LISTED

    @given(st.text(st.one_of(st.characters(codec="utf-8"), st.sampled_from("END_\n\r<="))))
    @example("END\nEND_")
    @example("a\nEND\rEND_")
    def test_any_value_is_read_back(self, value: str) -> None:
        assert outputs(github.render_output("name", value) + "next=1\n") == {"name": value, "next": "1"}


class TestPublish:
    @pytest.fixture
    def environ(self, tmp_path: Path) -> dict[str, str]:
        files = {"GITHUB_STEP_SUMMARY": tmp_path / "summary.md", "GITHUB_OUTPUT": tmp_path / "output"}
        for path in files.values():
            path.touch()
        return {name: str(path) for name, path in files.items()}

    def test_both_files_are_appended_to(self, environ: dict[str, str], tmp_path: Path) -> None:
        (tmp_path / "summary.md").write_text("before", encoding="utf-8")
        (tmp_path / "output").write_text("before=1\n", encoding="utf-8")
        assert github.publish(results(OK), PASSED, environ) == []
        assert (tmp_path / "summary.md").read_text(encoding="utf-8").startswith("before\n### Inference speed: ok\n")
        read = outputs((tmp_path / "output").read_text(encoding="utf-8"))
        assert (read["before"], read["verdict"]) == ("1", "ok")

    def test_what_is_in_the_summary_already_counts(self, environ: dict[str, str], tmp_path: Path) -> None:
        path = tmp_path / "summary.md"
        path.write_text("x" * (MIB - 40_000), encoding="utf-8")
        assert github.publish(results(*many(3000)), PASSED, environ) == []
        assert MIB - 40_000 < path.stat().st_size < MIB
        assert "rows are omitted" in path.read_text(encoding="utf-8")

    def test_a_summary_that_is_full_is_left_as_it_is_and_said(self, environ: dict[str, str], tmp_path: Path) -> None:
        path = tmp_path / "summary.md"
        path.write_text("x" * MIB, encoding="utf-8")
        (problem,) = github.publish(results(OK), PASSED, environ)
        assert f"{path} already contains {MIB} bytes" in problem
        assert path.stat().st_size == MIB

    @pytest.mark.parametrize("name", ["GITHUB_STEP_SUMMARY", "GITHUB_OUTPUT"])
    @pytest.mark.parametrize("where", ["", "no/such/file", "."])
    def test_a_file_that_cannot_be_written_is_said_and_the_other_one_is_written(
        self, environ: dict[str, str], tmp_path: Path, name: str, where: str
    ) -> None:
        named = str(tmp_path / where) if where else ""
        (problem,) = github.publish(results(OK), PASSED, environ | {name: named})
        assert name in problem
        assert named in problem
        (other,) = environ.keys() - {name}
        assert os.path.getsize(environ[other]) > 0  # noqa: PTH202 - a name from the environment

    def test_a_variable_that_is_not_set_is_said(self) -> None:
        problems = github.publish(results(OK), PASSED, {})
        assert [re.findall("GITHUB_[A-Z_]+", one) for one in problems] == [["GITHUB_STEP_SUMMARY"], ["GITHUB_OUTPUT"]]


def shifted(count: int) -> list[Result]:
    """So many cells that are slower because their platform is."""
    slow = many(count, Outcome.REGRESSED, "+30.0%: the platform shifted as a whole")
    return [
        replace(cell, change=0.3, suite_shift=0.3, platform_shifted=True, cause="the platform shifted") for cell in slow
    ]


class TestShiftedPlatform:
    def test_the_summary_begins_with_it(self) -> None:
        lines = github.render_summary(results(*shifted(20), OK), FAILED).splitlines()
        said = next(line for line in lines[1:] if line)
        assert_names(said, "tk1 as a whole is 30.0 % slower", "20 of 21 cells")

    def test_its_cells_are_listed_in_the_table_only(self) -> None:
        summary = github.render_summary(results(*shifted(20), OK), FAILED)
        ids = [str(cell.key) for cell in shifted(20)]
        assert not any(one in summary for one in ids)
        assert len(rows(summary)) == 21

    def test_its_rows_follow_those_of_the_other_failures(self) -> None:
        found = rows(github.render_summary(results(*shifted(20), not_measured("alexnet"), OK), FAILED))
        assert [found[0][1], found[1][7], found[-1][7]] == ["alexnet", "regressed", "ok"]

    def test_it_is_one_annotation_beside_the_other_failures(self) -> None:
        own = not_measured("alexnet")
        texts = [command(line) for line in github.render_commands(results(*shifted(20), own), FAILED)]
        assert [properties["title"] for _, properties, _ in texts] == ["tk1 shifted as a whole", "tk1-alexnet-b8 error"]


def test_cells_that_crept_are_a_list_with_since_when() -> None:
    creep = Creep("2026-11-03T02:00:00+00:00", 14, 0.086, "0123456789abcdef")
    crept = [replace(cell, creep=creep) for cell in many(3, Outcome.REGRESSED)]
    summary = github.render_summary(results(*crept, REGRESSED), FAILED)
    lines = [line for line in summary.splitlines() if line.startswith("- tk1-")]
    assert len(lines) == 3
    assert_names(lines[0], str(crept[0].key.platform), "2026-11-03", "0123456789ab", "8.6 % over 14 nights")


def test_the_annotation_of_a_cell_in_pairs_names_the_reference_not_a_baseline() -> None:
    cell = replace(REGRESSED, baseline_kind=AGAINST, baseline_source="squeezenet_v1.1 on http://old:8080 (v1)")
    (line,) = github.render_commands(results(cell), FAILED)
    text = command(line)[2]
    assert_names(text, "reference 100 ms per image", "Reference: squeezenet_v1.1 on http://old:8080")
    assert "aseline" not in text


def test_the_change_in_a_row_is_beside_its_limit() -> None:
    cell = replace(REGRESSED, limit=0.121, shift_removed=0.042)
    (row,) = rows(github.render_summary(results(cell), FAILED))
    assert row[5] == "+30.0 % (limit +12.1 %, common shift of +4.2 % removed)"


def test_both_servers_of_a_measurement_in_pairs_come_first() -> None:
    paired = replace(measured(), baseline_kind="against", baseline_source="resnet50 on http://old:8080 (v0.27)")
    summary = github.render_summary(results(paired), PASSED)
    assert summary.index("old:8080") < summary.index("1 cell")
