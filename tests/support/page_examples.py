"""Examples in pages of the documentation, which tests run in the order in which a reader meets them.

A page is Markdown. Its fenced blocks are examples; comments just above a block describe it:

    <!-- file: ddperf.toml -->       the block is that file of the project, written before what follows is run
    <!-- exit: 1 -->                 the exit status of the block's last command; 0 by default
    <!-- prints -->                  the block is what the commands before it print: its lines, in this order; `...`
                                     means omitted lines
    <!-- board: slow squeezenet_v1.1-b8 1.3 -->   from here on tk1 takes 1.3 times as long for that cell
    <!-- commit -->                  from here on the project is at a new commit
    <!-- cell -->                    the page is a notebook and the block is one of its cells: later cells can use its
                                     definitions, and the value of its last expression is printed
    <!-- not run: why -->            the block is not run

`sh` blocks contain commands; each block must be run or state why not. `console` blocks contain commands after `$ ` and
their output. `page_reader` types them.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_BLOCK = re.compile(
    r"(?P<notes>(?:^[ ]*<!-- (?!table:|end of table).*? -->\n)*)"
    r"^(?P<indent>[ ]*)```(?P<language>[\w{}-]*)\n(?P<text>.*?)^[ ]*```$",
    flags=re.MULTILINE | re.DOTALL,
)
_NOTE = re.compile(r"<!-- (?P<name>file|exit|prints|board|commit|cell|not run)(?:: (?P<value>.*?))? -->")


@dataclass(frozen=True, slots=True)
class Example:
    """A fenced block of a page.

    Args:
        line: where it begins, from 1.
        language: the language after the fence.
        text: its contents.
        notes: the comments above it, by name.
    """

    line: int
    language: str
    text: str
    notes: dict[str, str]

    @property
    def commands(self) -> tuple[str, ...]:
        """Return its commands, if any, with continuation lines joined."""
        if self.language == "sh":
            lines = self.text.replace("\\\n", " ").splitlines()
        elif self.language == "console":
            lines = [line.removeprefix("$ ") for line in self.text.splitlines() if line.startswith("$ ")]
        else:
            lines = []
        return tuple(line for line in lines if line.strip() and not line.startswith("#"))

    @property
    def printed(self) -> str | None:
        """Return the output that it states for its commands; None if it states none."""
        if self.language == "console":
            return "\n".join(line for line in self.text.splitlines() if not line.startswith("$ "))
        return self.text if "prints" in self.notes else None


def examples(page: Path) -> list[Example]:
    """Return the fenced blocks of a page, in order."""
    text = page.read_text(encoding="utf-8")
    found = []
    for block in _BLOCK.finditer(text):
        notes = {note["name"]: note["value"] or "" for note in _NOTE.finditer(block["notes"])}
        content = re.sub(f"^{block['indent']}", "", block["text"], flags=re.MULTILINE)
        found.append(Example(text[: block.start("language")].count("\n") + 1, block["language"], content, notes))
    return found


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub and Sphinx create them."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.*)$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def missing_lines(expected: str, printed: str) -> list[str]:
    """Return the expected lines that are not in `printed` in this order; blanks at the ends of lines are ignored."""
    rest = [line.rstrip() for line in printed.splitlines()]
    missing = []
    for line in (line.rstrip() for line in expected.splitlines()):
        if line in {"", "..."}:
            continue
        if line in rest:
            rest = rest[rest.index(line) + 1 :]
        else:
            missing.append(line)
    return missing


def words(command: str) -> list[str]:
    """Return a command's words without comments."""
    return shlex.split(command, comments=True)
