"""The tables of docs/ are those of the code."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import TYPE_CHECKING

import page_tables
import pytest
from every_row import every_row

from pytest_ddperf.config.options import OPTIONS
from pytest_ddperf.core.platform import PLATFORM_KEYS
from pytest_ddperf.core.records import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable

FOLDER = Path(page_tables.__file__).parent
PAGES = sorted(FOLDER.glob("*.md"))
PACKAGE = Path(__file__).resolve().parents[2] / "pytest_ddperf"


def first_column(table: str) -> list[str]:
    return re.findall(r"^\| `([^`]*)` \|", table, flags=re.MULTILINE)


@every_row("page", PAGES)
def test_a_page_holds_the_tables_that_the_code_says(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert page_tables.filled(text) == text, "run: python docs/page_tables.py"


def test_each_table_stands_in_one_page() -> None:
    text = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    assert sorted(re.findall(r"<!-- table: ([\w-]+) -->", text)) == sorted(page_tables.TABLES)


def test_the_tables_are_complete() -> None:
    assert [name.split("=")[0].removesuffix("[") for name in first_column(page_tables.options())] == [
        option.flag for option in OPTIONS
    ]
    assert first_column(page_tables.names()) == [option.flag for option in OPTIONS]
    assert first_column(page_tables.platform_keys()) == list(PLATFORM_KEYS)
    assert set(first_column(page_tables.verdicts())) == {str(outcome) for outcome in Outcome}


@pytest.mark.parametrize(
    ("table", "meanings", "gone"),
    [
        (page_tables.model_keys, "MODEL_MEANINGS", "task"),
        (page_tables.verdicts, "VERDICT_MEANINGS", Outcome.OOM),
    ],
    ids=["model keys", "verdicts"],
)
def test_a_name_without_a_meaning_is_an_error(
    table: Callable[[], str], meanings: str, gone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(getattr(page_tables, meanings), gone)
    with pytest.raises(ValueError, match=str(gone)):
        table()


def test_a_meaning_of_nothing_is_an_error() -> None:
    with pytest.raises(ValueError, match="gone"):
        page_tables.meant({"here": "x", "gone": "y"}, ["here"])


def test_every_variable_of_the_code_is_explained() -> None:
    clocks = PACKAGE / "boards" / "clocks.py"
    source = "".join(path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py") if path != clocks)
    named = set(re.findall(r"\bDDPERF_[A-Z_]*[A-Z]\b", source)) - {"DDPERF_NAME"}  # the clocks' are their script's own
    assert "DDPERF_SSH_COMMAND" in named
    page = (FOLDER / "options.md").read_text(encoding="utf-8")
    assert named <= set(re.findall(r"`(DDPERF_[A-Z_]+)`", page))


def test_a_text_in_a_table_keeps_to_its_cell() -> None:
    action = argparse.ArgumentParser().add_argument("--x", choices=("a", "b"), help="a|b, 10 %% (%(default)s)")
    assert page_tables._value(action) == " a\\|b"
    assert page_tables._help(action) == "a\\|b, 10 % (None)"


def test_the_power_table_says_by_which_command_it_was_made() -> None:
    command, measured = page_tables._power()
    assert command.startswith("python tests/perf/gate_power.py ")
    nights = re.search(r"--nights (\d+)", command)
    quiet = [row for row in measured if row["table"] == "kinds" and row["slower"] == "0"]
    assert [row["name"] for row in quiet] == list(page_tables.KINDS)
    assert {row["nights"] for row in quiet} == {nights[1] if nights else "1000"}
