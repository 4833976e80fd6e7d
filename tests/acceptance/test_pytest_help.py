"""What `pytest --help` shows of the plugin."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from pytest_ddperf.config.options import OPTION_GROUPS, OPTIONS, group_title

if TYPE_CHECKING:
    from collections.abc import Sequence

MEASURED = group_title("what to measure")


_SHOWN: list[str] = []


@pytest.fixture
def help_lines(pytester: pytest.Pytester) -> list[str]:
    """What one run shows, for all tests that only read it."""
    if not _SHOWN:
        _SHOWN.extend(pytester.runpytest_inprocess("--help").outlines)
    return _SHOWN


def group(lines: Sequence[str], title: str) -> list[str]:
    """The lines of a group of options."""
    begin = lines.index(f"{title}:") + 1
    return list(lines[begin : lines.index("", begin)])


def flags(lines: Sequence[str]) -> list[str]:
    return [found[1] for line in lines if (found := re.match(r"  (--[\w-]+)", line))]


@pytest.mark.parametrize("name", list(OPTION_GROUPS)[1:])
def test_each_group_shows_its_options_in_the_order_of_the_table(help_lines: list[str], name: str) -> None:
    assert flags(group(help_lines, group_title(name))) == [option.flag for option in OPTION_GROUPS[name]]


def test_the_groups_are_shown_in_the_order_of_the_table(help_lines: list[str]) -> None:
    shown = [line.removesuffix(":") for line in help_lines if line.startswith("pytest-ddperf (")]
    assert shown == [group_title(name) for name in OPTION_GROUPS]


def test_the_platform_is_the_first_option_and_its_short_form_the_second(help_lines: list[str]) -> None:
    assert flags(group(help_lines, MEASURED))[:2] == ["--ddperf-platform", "--platform"]
    assert any(line.startswith("  --platform=A[,B]") for line in help_lines)


def test_the_help_of_the_platform_names_the_short_form(help_lines: list[str]) -> None:
    shown = group(help_lines, MEASURED)
    assert "--platform" in " ".join(shown[1 : shown.index(next(line for line in shown if line.startswith("  --p")))])


def test_a_project_keeps_its_own_platform_option(pytester: pytest.Pytester) -> None:
    pytester.makeconftest("def pytest_addoption(parser): parser.addoption('--platform', help='of the project')")
    lines = pytester.runpytest_inprocess("--help").outlines
    assert flags(group(lines, "Custom options")) == ["--platform"]
    assert flags(group(lines, MEASURED)) == [option.flag for option in OPTION_GROUPS["what to measure"]]


def test_the_short_form_is_shown_last_if_pytest_cannot_insert_it(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        early="""
        import pytest

        class Group:
            def __init__(self, group):
                self.addoption = group.addoption

        @pytest.hookimpl(wrapper=True, tryfirst=True)
        def pytest_load_initial_conftests(parser):
            getgroup = parser.getgroup
            parser.getgroup = lambda *args: Group(getgroup(*args))
            return (yield)
        """
    )
    pytester.syspathinsert()
    lines = pytester.runpytest_subprocess("-p", "early", "--help").outlines
    assert flags(group(lines, MEASURED))[-1] == "--platform"


def test_no_option_of_ours_is_shown_in_another_group(help_lines: list[str]) -> None:
    assert len([flag for flag in flags(help_lines) if flag.startswith("--ddperf-")]) == len(OPTIONS)


@pytest.mark.parametrize("columns", [40, 80])
def test_the_groups_fit_the_terminal(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    lines = pytester.runpytest_inprocess("--help").outlines
    shown = [line for name in OPTION_GROUPS for line in group(lines, group_title(name))]
    assert str(shown).isascii()
    assert [line for line in shown if len(line) > columns and " " in line.strip()] == []


def test_each_ini_key_is_described_and_names_its_option_and_its_variable(help_lines: list[str]) -> None:
    shown = " ".join(" ".join(help_lines).split())
    for option in OPTIONS:
        meaning = " ".join(option.help.replace("%%", "%").split())
        begin = f"{option.key} (string): {meaning}"
        end = f"; also {option.flag}, {option.variable}"
        assert re.search(f"{re.escape(begin)}(; true or false| .separated by commas.)?{re.escape(end)}", shown), begin


def test_an_ini_key_says_how_its_values_are_written(help_lines: list[str]) -> None:
    shown = " ".join(" ".join(help_lines).split())
    assert "; true or false; also --ddperf-gpu," in shown
    assert "repeatable (separated by commas); also --ddperf-report," in shown


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("--ddperf-batchsizes=1", "--ddperf-batch-sizes"),
        ("--ddperf-tolerence", "--ddperf-tolerance"),
        ("--ddperf-update-baseline", "--ddperf-update-baselines"),
    ],
)
def test_pytest_suggests_the_option_that_was_misspelled(pytester: pytest.Pytester, typed: str, meant: str) -> None:
    result = pytester.runpytest_inprocess(typed)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"*unrecognized arguments: {typed}", f"*did you mean: {meant}"])


def test_nothing_is_suggested_for_what_is_like_no_option(pytester: pytest.Pytester) -> None:
    result = pytester.runpytest_inprocess("--ddperf-xyzzy")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.no_fnmatch_line("*did you mean*")


def test_a_project_may_have_an_option_that_is_like_one_of_ours(pytester: pytest.Pytester) -> None:
    pytester.makeconftest("def pytest_addoption(parser): parser.addoption('--ddperf-batch-size')")
    pytester.makepyfile("def test_it(): pass")
    pytester.runpytest_inprocess("--ddperf-batch-size=1").assert_outcomes(passed=1)
