"""Text from a server is text: in GitHub's Markdown, and on a line of its own."""

from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from pytest_ddperf.report.markdown_escape import (
    clip,
    escape_inline,
    escape_list_item,
)
from pytest_ddperf.text import REPLACEMENT, remove_control_characters

MARKDOWN = MarkdownIt("commonmark").enable(["table", "strikethrough"])
NASTY = st.text(st.one_of(st.characters(), st.sampled_from("\\|`*_[]()<>&#!~$:@-+=.1\n\r\t\0\x1b\x7f\u202e\ud800")))


def shown(text: str) -> str:
    """What a person may read of a text: white space as single spaces, no control characters."""
    plain = " ".join(text.split())
    return "".join(REPLACEMENT if unicodedata.category(char) in {"Cc", "Cf", "Cs"} else char for char in plain)


def texts_of(source: str) -> tuple[set[str], str]:
    """The kinds of tokens that a Markdown source has inside its cells or items, and their text."""
    inner = [child for token in MARKDOWN.parse(source) if token.type == "inline" for child in token.children or ()]
    return {token.type for token in inner}, "".join(token.content for token in inner)


@given(NASTY)
@example("a | b \\| c")
@example("`code` **bold** [link](http://x) <img src=x onerror=1> &amp; ~~x~~")
@example("\\")
@example("\x1b[31mred\x1b[0m")
def test_in_a_table_every_character_stands_for_itself(text: str) -> None:
    source = f"| a | b | c |\n|---|---|---|\n| 1 | {escape_inline(text)} | 3 |\n"
    cells = re.findall(r"<td>(.*?)</td>", MARKDOWN.render(source), flags=re.DOTALL)
    assert len(cells) == 3
    kinds, found = texts_of(source)
    assert kinds <= {"text", "text_special"}
    assert found == f"abc1{shown(text)}3"


@given(NASTY)
@example("- a list")
@example("12. a list")
@example("+ a")
@example("# heading")
@example("===")
def test_an_item_of_a_list_is_one_item_of_text(text: str) -> None:
    source = f"- {escape_list_item(text)}\n"
    kinds, found = texts_of(source)
    blocks = [token.type for token in MARKDOWN.parse(source)]
    assert found == shown(text)
    assert kinds <= {"text", "text_special"}
    assert blocks.count("list_item_open") == 1
    assert set(blocks) <= {"bullet_list_open", "list_item_open", "paragraph_open", "inline", "paragraph_close",
                           "list_item_close", "bullet_list_close"}  # fmt: skip


@pytest.mark.parametrize("text", ["http://evil.example", "www.evil.example", "WWW.evil.example", "a@evil.example"])
def test_an_address_does_not_become_a_link(text: str) -> None:
    assert not re.search(r"(?<!\\)://|\bwww\.|(?<!\\)@", escape_inline(text), flags=re.IGNORECASE)


@given(NASTY)
def test_printable_text_has_no_control_character_but_line_feeds(text: str) -> None:
    left = {unicodedata.category(char) for char in remove_control_characters(text).replace("\n", "")}
    assert not left & {"Cc", "Cf", "Cs"}
    remove_control_characters(text).encode()  # no lone surrogate is left


def test_line_ends_are_kept_as_line_feeds() -> None:
    assert remove_control_characters("a\r\nb\rc\nd") == "a\nb\nc\nd"


def test_what_is_too_long_is_cut_and_says_so() -> None:
    assert clip("abcdef", 6) == "abcdef"
    assert clip("abcdefg", 6) == "abc..."
