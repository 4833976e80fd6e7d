"""What `pytest --help` says of the plugin: one group, in the order of need."""

from __future__ import annotations

import re

import pytest

from pytest_ddperf.options import OPTIONS

HEADING = "DeepDetect performance regression (pytest-ddperf):"


def group(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, columns: int) -> list[str]:
    """The lines of our group."""
    monkeypatch.setenv("COLUMNS", str(columns))
    lines = pytester.runpytest_subprocess("--help").outlines
    begin = lines.index(HEADING) + 1
    return lines[begin : lines.index("", begin)]


def flags(lines: list[str]) -> list[str]:
    return [found[1] for line in lines if (found := re.match(r"  (--[\w-]+)", line))]


def test_the_options_stand_in_one_group_in_the_order_of_need(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert flags(group(pytester, monkeypatch, 80)) == [*(option.flag for option in OPTIONS), "--platform"]


def test_no_option_of_ours_stands_anywhere_else(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = pytester.runpytest_subprocess("--help").outlines
    assert len([flag for flag in flags(lines) if flag.startswith("--ddperf-")]) == len(OPTIONS)


@pytest.mark.parametrize("columns", [40, 80])
def test_the_group_fits_the_terminal(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    lines = group(pytester, monkeypatch, columns)
    assert str(lines).isascii()
    assert [line for line in lines if len(line) > columns and " " in line.strip()] == []


def test_each_ini_key_names_its_option_and_its_variable(pytester: pytest.Pytester) -> None:
    shown = " ".join(" ".join(pytester.runpytest_subprocess("--help").outlines).split())
    for option in OPTIONS:
        told = f"{option.key} (string): {option.flag} as an ini key; the environment variable is {option.variable}"
        assert told in shown
