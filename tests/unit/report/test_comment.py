"""The comment on a pull request, as GitHub's Markdown shows it."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from messages import assert_names
from results_made import RUN, measured, not_measured, results

from pytest_ddperf.core.networks import NETWORK_IDS
from pytest_ddperf.core.records import FAILING, CellKey, Outcome
from pytest_ddperf.core.results import Result
from pytest_ddperf.report.comment import LIMIT, render_comment, summarise

REGRESSED = measured("squeezenet_v1.1", 8, now_ms=130.0, outcome=Outcome.REGRESSED, reason="+30.0 % after 3 rounds")
UNSTABLE = measured("vgg16", 1, outcome=Outcome.UNSTABLE, reason="too noisy")
OK = measured("resnet50", 4)
IMPROVED = measured("resnet50", 2, now_ms=50.0, outcome=Outcome.IMPROVED)
NEW = measured("resnet50", 3, outcome=Outcome.NEW, baseline_ms=None)
BROKEN = not_measured("vgg19", reason="the server answered 500")
ABSENT = not_measured("vgg16", outcome=Outcome.UNAVAILABLE)

HOSTILE = st.text(st.one_of(st.characters(), st.sampled_from("<|\\`*_[]@#\n\r-!>&$\x1b\ud800")), max_size=60)


def many(count: int, outcome: Outcome = Outcome.OK, reason: str = "within the tolerance") -> list[Result]:
    names = [(model, size) for size in range(1, count + 1) for model in NETWORK_IDS]
    return [measured(model, size, outcome=outcome, reason=reason) for model, size in names[:count]]


def tables(text: str) -> list[list[list[str]]]:
    """The rows of each table as a browser shows them: the first one is open, the other one is collapsed."""
    html = MarkdownIt("commonmark").enable("table").render(text)
    return [
        [re.findall(r"<td.*?>(.*?)</td>", row) for row in re.findall(r"<tr>(.*?)</tr>", body, flags=re.DOTALL)]
        for body in re.findall(r"<tbody>(.*?)</tbody>", html, flags=re.DOTALL)
    ]


def shown(text: str) -> int:
    return sum(map(len, tables(text)))


def omitted(text: str) -> int:
    return sum(map(int, re.findall(r"^\*\*(\d+) rows? (?:is|are) omitted", text, flags=re.MULTILINE)))


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        ([OK, IMPROVED], "**No regression in 2 cells**: 1 ok, 1 improved."),
        ([OK, NEW], "**No regression in 2 cells**: 1 ok, 1 new."),
        ([OK, ABSENT], "**No regression in 2 cells**: 1 ok, 1 unavailable."),
        ([OK, UNSTABLE], "**1 of 2 cells is too noisy to judge**, none failed: 1 ok, 1 unstable."),
        ([NEW, ABSENT], "**Nothing to compare with**: 1 new, 1 unavailable."),
        ([ABSENT], "**Nothing was measured**: 1 unavailable."),
        ([], "**Nothing was measured**."),
        ([OK, BROKEN], "**1 of 2 cells failed**: 1 error."),
        ([BROKEN], "**1 of 1 cell failed**: 1 error."),
        ([OK, measured(outcome=Outcome.REMEASURE)], "**1 of 2 cells failed**: 1 remeasure."),
        (
            [OK, REGRESSED, replace(REGRESSED, key=CellKey("tk1", "vgg16", 2), change=0.1), BROKEN],
            r"**3 of 4 cells failed**: 2 regressed, 1 error; the largest change is +30.0 % (tk1-squeezenet\_v1.1-b8).",
        ),
    ],
)  # fmt: skip
def test_the_verdict_is_one_sentence(cells: list[Result], said: str) -> None:
    assert summarise(results(*cells)) == said
    assert f"\n{said}\n" in render_comment(results(*cells))


def test_a_platform_that_is_slower_as_a_whole_comes_before_the_table_that_refers_to_it() -> None:
    slow = replace(REGRESSED, change=0.3, suite_shift=0.3, platform_shifted=True, cause="the platform shifted")
    cells = [replace(slow, key=CellKey("tk1", model, 8)) for model in NETWORK_IDS]
    text = render_comment(results(*cells))
    assert {row[-1] for row in tables(text)[0]} == {"see above"}
    assert_names(text.partition("\n|")[0], "tk1 as a whole is 30.0 % slower", f"{len(cells)} of {len(cells)} cells")


def test_hundreds_of_platforms_that_are_slower_as_a_whole_leave_room_for_cells() -> None:
    slow = replace(REGRESSED, change=0.3, suite_shift=0.3, platform_shifted=True, cause="the platform shifted")
    cells = [replace(slow, key=CellKey(f"board-{number}", "vgg16", 1)) for number in range(500)]
    text = render_comment(results(*cells))
    assert len(text.encode()) <= LIMIT
    assert shown(text) > 0
    assert shown(text) + omitted(text) == len(cells)


@pytest.mark.parametrize("outcome", sorted(FAILING))
def test_every_failing_verdict_is_counted_as_one(outcome: Outcome) -> None:
    assert summarise(results(OK, measured(outcome=outcome))).startswith("**1 of 2 cells failed**")


def test_baseline_cells_that_were_not_measured_and_an_interruption_are_in_the_sentence() -> None:
    said = summarise(results(OK, run=replace(RUN, complete=False), missing=3))
    assert said == "**No regression in 1 cell**: 1 ok; 3 baseline cells not measured; the run was interrupted."


def test_cells_that_need_a_look_are_open_and_the_others_collapsed() -> None:
    text = render_comment(results(OK, IMPROVED, REGRESSED, UNSTABLE, BROKEN))
    look, rest = tables(text)
    assert [(row[1], row[7], row[8]) for row in look] == [
        ("squeezenet_v1.1", "<strong>regressed</strong>", "+30.0 % after 3 rounds"),
        ("vgg19", "<strong>error</strong>", "the server answered 500"),
        ("vgg16", "unstable", "too noisy"),
    ]
    assert [(row[1], row[2], row[7]) for row in rest] == [("resnet50", "2", "improved"), ("resnet50", "4", "ok")]
    before, _, after = text.partition("<details>\n<summary>2 cells more: 1 ok, 1 improved</summary>\n\n")
    assert len(tables(before)) == len(tables(after)) == 1
    assert after.endswith("\n\n</details>\n")


def test_without_a_cell_that_needs_a_look_the_only_table_is_collapsed() -> None:
    text = render_comment(results(OK))
    before, _, after = text.partition("<details>\n<summary>1 cell: 1 ok</summary>\n\n")
    assert tables(before) == []
    assert len(tables(after)) == 1


def test_without_other_cells_run_and_server_are_collapsed() -> None:
    text = render_comment(results(REGRESSED))
    before, _, after = text.partition("<details>\n<summary>Run and server</summary>\n\n")
    assert len(tables(before)) == 1
    assert tables(after) == []
    assert "commit 0123abcd" in after
    assert re.search(r"#### Servers\n\n- tk1, .*version v0.28.0", after)


def test_notes_and_warnings_are_collapsed() -> None:
    text = render_comment(results(replace(OK, notes=("the table is of caffe",)), warnings=["night.jsonl: broken"]))
    after = text.partition("<details>")[2]
    assert "- tk1-resnet50-b4: the table is of caffe." in after
    assert "- night.jsonl: broken" in after


def test_cells_without_a_verdict_are_not_in_it() -> None:
    text = render_comment(results(OK, Result(CellKey("tk1", "vgg19", 1), baseline_ms=3.0)))
    assert shown(text) == 1


def test_the_first_line_is_a_hidden_marker_of_the_platforms() -> None:
    one = render_comment(results(OK)).splitlines()[0]
    assert one == "<!-- pytest-ddperf: tk1 -->"
    other = measured(platform="tx1")
    assert render_comment(results(OK, other)).splitlines()[0] == "<!-- pytest-ddperf: tk1,tx1 -->"
    assert render_comment(results(REGRESSED, run=replace(RUN, run="later"))).splitlines()[0] == one


def test_a_marker_of_very_many_platforms_stays_one_short_line() -> None:
    cells = [measured(platform=f"board-{number}") for number in range(500)]
    marker = render_comment(replace(results(), runs={cell.key.platform: RUN for cell in cells})).splitlines()[0]
    assert re.fullmatch(r"<!-- pytest-ddperf: [a-z0-9._,-]+ -->", marker)
    assert len(marker) < 250


@pytest.mark.parametrize(
    "cells",
    [
        many(5_000),
        many(5_000, Outcome.REGRESSED, "ü<|" * 130),
        [*many(90, Outcome.REGRESSED, "slower " * 50), *many(5_000)],
        [replace(cell, cause="no service") for cell in many(5_000, Outcome.ERROR)],
        [replace(cell, cause=f"{cell.key} " * 400) for cell in many(300, Outcome.ERROR) * 2],
        [replace(cell, notes=(f"note {cell.key}",)) for cell in many(3_000)],
    ],
    ids=["ok", "regressed", "both", "one cause", "many causes", "notes"],
)
def test_it_never_has_more_than_60000_characters_and_counts_what_is_omitted(cells: list[Result]) -> None:
    text = render_comment(results(*cells, warnings=[f"night{number}: {'broken ' * 200}" for number in range(100)]))
    assert len(text) <= len(text.encode()) <= LIMIT == 60_000
    assert shown(text) + omitted(text) == len(cells)
    assert omitted(text) > 0
    assert text.endswith("\n</details>\n")
    assert len(text) > LIMIT / 2


def test_the_cells_that_need_a_look_are_shown_before_the_others() -> None:
    cells = [*many(2000), *many(100, Outcome.REGRESSED)]
    look, rest = tables(render_comment(results(*cells)))
    assert len(look) == 100
    assert 0 < len(rest) < 2000


@settings(max_examples=30)
@given(st.integers(0, 300), st.integers(0, 300))
def test_nothing_is_lost_without_being_counted(green: int, red: int) -> None:
    text = render_comment(results(*many(green), *many(red, Outcome.REGRESSED, "r" * 400)))
    assert len(text) <= LIMIT
    assert shown(text) + omitted(text) == green + red


def test_names_of_great_length_do_not_make_it_longer() -> None:
    text = render_comment(results(replace(REGRESSED, key=CellKey("tk1", "m" * 100_000, 1)), OK))
    assert len(text) <= LIMIT
    assert (shown(text), omitted(text)) == (0, 2)


def test_a_shared_cause_is_written_once() -> None:
    cells = [replace(not_measured("vgg19", size), cause="no service") for size in (1, 2)]
    text = render_comment(results(*cells, OK))
    assert text.count("no service") == 1
    assert [row[8] for row in tables(text)[0]] == ["see above"] * 2


@given(HOSTILE)
def test_text_of_a_server_stays_text(text: str) -> None:
    run = replace(RUN, run=text, commit=text)
    cell = replace(REGRESSED, key=CellKey("tk1", text, 1), reason=text, notes=(text,), cause=text)
    source = render_comment(results(cell, replace(cell, key=CellKey("tk1", text, 2)), OK, run=run, warnings=[text]))
    source.encode()
    parsed = MarkdownIt("commonmark").enable("table").parse(source)
    kinds = {child.type for token in parsed for child in token.children or ()}
    assert kinds <= {"text", "text_special", "softbreak", "strong_open", "strong_close"}
    html = "".join(token.content for token in parsed if token.type == "html_block")
    assert sorted(re.findall(r"<\S+", html)) == sorted(["<!--", "<details>", "<summary>1", "</summary>", "</details>"])
