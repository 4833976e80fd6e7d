"""What docs/ tells people to type and to write: every option, command and key of it exists."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from every_row import every_row
from faults import FAULTS
from page_examples import anchors, examples, words

from pytest_ddperf.cli.main import _parser
from pytest_ddperf.config.options import OPTIONS
from pytest_ddperf.config.platform_toml import read_platforms
from pytest_ddperf.core.platform import PLATFORM_KEYS

if TYPE_CHECKING:
    import pytest

PAGES = sorted((Path(__file__).resolve().parents[2] / "docs").rglob("*.md"))


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


def commands(program: str) -> list[list[str]]:
    typed = [words(command) for page in PAGES for example in examples(page) for command in example.commands]
    return [command for command in typed if command[:1] == [program] and command[1:] != ["--version"]]


def test_there_are_pages_with_commands() -> None:
    assert commands("ddperf")
    assert commands("pytest")


@every_row("page", PAGES)
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8"))
    for name, _, anchor in (link.partition("#") for link in links if not link.startswith("https://")):
        target = page.parent / name if name else page
        assert target.is_file()
        assert not anchor or anchor in anchors(target), f"{name}#{anchor}"


def test_every_page_stands_in_the_tree() -> None:
    (index,) = [page for page in PAGES if page.name == "index.md"]
    trees = re.findall(
        r"^```\{toctree\}\n(.*?)^```$", index.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL
    )
    listed = [line for tree in trees for line in tree.splitlines() if line and not line.startswith(":")]
    assert sorted([*listed, "index"]) == sorted(page.stem for page in PAGES)


@every_row("page", PAGES)
def test_every_option_that_a_page_names_is_one(page: Path) -> None:
    named = set(re.findall(r"--ddperf-[a-z-]+", page.read_text(encoding="utf-8")))
    assert named <= {option.flag for option in OPTIONS}


@every_row("command", commands("ddperf"))
def test_every_ddperf_command_is_understood(command: list[str]) -> None:
    assert _parser().parse_args(command[1:]).run


@every_row("command", commands("pytest"))
def test_every_pytest_command_is_understood(command: list[str], pytestconfig: pytest.Config) -> None:
    known, unknown = pytestconfig._parser.parse_known_and_unknown_args(command[1:])
    assert unknown == []
    for option in OPTIONS:
        value = getattr(known, option.key)
        if value is not None:
            option.type.parse(value if isinstance(value, str) else ",".join(value))


@every_row("page", PAGES)
def test_every_platform_file_that_a_page_shows_is_one(page: Path, tmp_path: Path) -> None:
    platforms = [block for block in blocks(page, "toml") if "[platforms" in block]
    for number, block in enumerate(platforms):
        path = tmp_path / f"{number}.toml"
        path.write_text(block, encoding="utf-8")
        assert read_platforms(path)


def test_every_key_that_the_page_on_boards_explains_is_one() -> None:
    (page,) = [page for page in PAGES if page.name == "boards.md"]
    table = page.read_text(encoding="utf-8").partition("| key | meaning |")[2].partition("\n\n")[0]
    explained = {
        key for row in table.splitlines() for key in re.findall(r"`(\w+)`", row.split("|")[1] if "|" in row else "")
    }
    assert explained
    assert explained <= set(PLATFORM_KEYS)


def test_the_table_of_faults_is_the_one_that_the_tests_run_over() -> None:
    (page,) = [page for page in PAGES if page.name == "faults.md"]
    table = re.findall(
        r"^\| (?!fault \|)(.*) \| (.*) \| (.*) \|$", page.read_text(encoding="utf-8"), flags=re.MULTILINE
    )
    assert table == [(fault.name, fault.verdict, fault.said) for fault in FAULTS]
