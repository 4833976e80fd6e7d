"""The pages of docs/ against the code: their examples are run, in order, each page in a project of its own.

How a page says what is to be seen stands in `page_examples`. Boards are named as in the pages; behind a proxy they are
servers as fast as the published tables say. `local` is the embedded server.
"""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml
from every_row import every_row
from page_examples import Example, examples, missing_lines

if TYPE_CHECKING:
    from page_reader import Rack, Reader

ROOT = Path(__file__).parents[2]
PAGES = {page.name: examples(page) for page in sorted((ROOT / "docs").glob("*.md"))}
RUN = [name for name, found in PAGES.items() if any(one.commands and "not run" not in one.notes for one in found)]
NOT_RUN_AT_MOST = 10
"""Blocks of commands that are not run: those that need a board's ssh, a service elsewhere, or never end."""


def expected_status(example: Example, command: str) -> int | None:
    """What the last command of a block exits with; None where it may be any."""
    said = example.notes.get("exit", "0") if command == example.commands[-1] else "0"
    return None if said == "any" else int(said)


@pytest.mark.slow
@pytest.mark.usefixtures("placeholder_figures")
@pytest.mark.parametrize("page", RUN)
def test_the_examples_of_a_page_do_what_it_says(page: str, reader: Reader, rack: Rack) -> None:
    for example in PAGES[page]:
        where = f"docs/{page}, line {example.line}"
        if "board" in example.notes:
            rack.slow(example.notes["board"])
        if "file" in example.notes:
            reader.write(example.notes["file"], example.text)
        if "commit" in example.notes:
            reader.commit()
        if "not run" in example.notes:
            continue
        if "cell" in example.notes:
            reader.run_cell(example.text)
        if example.commands:
            reader.printed = ""
        for command in example.commands:
            reader.type(command)
            expected = expected_status(example, command)
            assert expected in {None, reader.status}, f"{where}: {command}\n{reader.printed}"
        if example.printed is not None:
            assert missing_lines(example.printed, reader.printed) == [], (
                f"{where} shows other lines than\n{reader.printed}"
            )


def test_few_blocks_of_commands_are_not_run_and_each_says_why() -> None:
    left_out = [one for found in PAGES.values() for one in found if "not run" in one.notes]
    assert all(one.notes["not run"] for one in left_out)
    assert len(left_out) <= NOT_RUN_AT_MOST


@every_row("page, example", [(page, one) for page, found in PAGES.items() for one in found])
def test_a_block_is_of_a_language_that_is_checked_and_is_written_in_it(page: str, example: Example) -> None:
    match example.language:
        case "toml":
            assert tomllib.loads(example.text)
        case "json":
            assert [json.loads(line) for line in example.text.splitlines()]
        case "yaml":
            assert yaml.safe_load(example.text)
        case "python":
            compile(example.text, page, "exec")
            ways = {"file", "cell", "not run"}
            assert ways & set(example.notes), (
                "a test that a command below runs, a notebook's cell, or why it is not run"
            )
        case _:
            assert example.language in {"sh", "console", "ini", "text", "{toctree}"}
