"""Results where a team looks: the comment on a pull request and the site, from `pytest` and `ddperf report`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from bench_project import SQUEEZENET, TableServer
from scripted_deepdetect import internal_error
from workers import plain_and_xdist

from pytest_ddperf.cli import main

if TYPE_CHECKING:
    import pytest
    from bench_project import BenchProject

B8 = "squeezenet_v1.1", 8
COMMENT = "--ddperf-report=comment:out/comment.md"


def comment(project: BenchProject) -> str:
    return (project.path / "out" / "comment.md").read_text(encoding="utf-8")


def verdict(text: str) -> str:
    """The sentence after the marker and the heading."""
    marker, heading, _, sentence, *_ = text.splitlines()
    assert (marker, heading) == ("<!-- pytest-ddperf: tk1 -->", "### Inference speed")
    return sentence


def rows(text: str) -> list[tuple[str, str]]:
    """Batch size and verdict of each row."""
    found = re.findall(r"^\| tk1 \| (.*) \|$", text, flags=re.MULTILINE)
    return [(row.split(" | ")[1], row.split(" | ")[6]) for row in found]


@plain_and_xdist
def test_the_comment_of_a_run_shows_what_regressed_and_collapses_the_rest(
    tk1: BenchProject, how: tuple[str, ...]
) -> None:
    tk1.server.slow(*B8, 1.3)
    result = tk1.run(*SQUEEZENET, COMMENT, *how)
    result.assert_outcomes(passed=1, failed=1)
    assert str(tk1.path / "out" / "comment.md") in result.outlines
    (change,) = {f"{(record.change or 0) * 100:+.1f} %" for record in tk1.records() if record.key.batch_size == 8}
    assert verdict(comment(tk1)) == (
        f"**1 of 2 cells failed**: 1 regressed; the largest change is {change} (tk1-squeezenet\\_v1.1-b8)."
    )
    shown, collapsed = comment(tk1).split("<details>\n<summary>1 cell more: 1 ok</summary>")
    assert rows(shown) == [("8", "**regressed**")]
    assert rows(collapsed) == [("1", "ok")]
    assert tk1.histories()[-1].header.run in collapsed


def test_an_unchanged_run_needs_no_look(tk1: BenchProject) -> None:
    tk1.run(*SQUEEZENET, COMMENT)
    assert verdict(comment(tk1)) == "**No regression in 2 cells**: 2 ok."
    assert rows(comment(tk1).partition("<details>")[0]) == []


def test_a_cell_that_could_not_be_measured_is_in_the_comment_with_its_reason(tk1: BenchProject) -> None:
    tk1.server.fault = lambda asked: internal_error() if asked.batch == 8 else None
    tk1.run(*SQUEEZENET, COMMENT)
    assert verdict(comment(tk1)) == "**1 of 2 cells failed**: 1 error."
    assert "HTTP 500" in comment(tk1).partition("<details>")[0]


def test_the_comment_of_a_stored_run_is_that_of_the_run(tk1: BenchProject, monkeypatch: pytest.MonkeyPatch) -> None:
    tk1.server.slow(*B8, 1.3)
    tk1.run(*SQUEEZENET, COMMENT)
    monkeypatch.chdir(tk1.path)
    assert main.main(["report", "-o", "comment:again.md", "--platform=tk1"]) == 0
    again = (tk1.path / "again.md").read_text(encoding="utf-8")
    assert verdict(again) == verdict(comment(tk1))
    assert rows(again) == rows(comment(tk1))


def test_the_site_of_the_nights_has_a_tile_and_a_page_per_platform(
    tk1: BenchProject, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tk1.path)
    with TableServer("tx1") as other:
        urls = f"--ddperf-url=tk1={tk1.server.url},tx1={other.url}"
        tk1.bare("benchmarks", "--platform=tk1,tx1", urls, *SQUEEZENET, "--ddperf-accept")
    tk1.server.slow(*B8, 1.3)
    tk1.run(*SQUEEZENET, "--ddperf-accept")
    capsys.readouterr()
    assert main.main(["report", "--site=site"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "pages written: 3, unchanged: 0"
    tiles = (tk1.path / "site" / "index.html").read_text(encoding="utf-8").split("<article ")[1:]
    by_platform = {re.findall(r'id="(\w+)"', tile)[0]: tile for tile in tiles}
    assert "Red on 1 of 2 nights, at most 1 cell" in by_platform["tk1"]
    assert "None red in 1 night<" in by_platform["tx1"]
    assert [tile.startswith('class="red"') for tile in by_platform.values()].count(True) == 1
    page = (tk1.path / "site" / "platforms" / "tk1.html").read_text(encoding="utf-8")
    assert "<title>2 cells: 1 regressed, 1 ok - tk1 - DeepDetect performance</title>" in page
