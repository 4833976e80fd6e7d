from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_ddperf.errors import BaselineFileError, DdperfError, InvalidRoundError, ServerError
from pytest_ddperf.text import LONGEST_SHOWN, REPLACEMENT, format_table, quote_server_text

EVIL = "\x1b[31m\u202e\x07\ud800\x9b"


@given(st.text(), st.integers(4, 40))
def test_what_is_reported_is_one_line_of_bounded_length_without_control_characters(text: str, most: int) -> None:
    line = quote_server_text(text, most)
    assert len(line) <= most
    assert not any(unicodedata.category(char) in {"Cc", "Cf", "Cs"} for char in line)


def test_spaces_are_kept_and_lines_joined() -> None:
    assert quote_server_text(" a  b\r\nc\td ", 40) == "a  b  c d"


@pytest.mark.parametrize(
    "error",
    [
        DdperfError(EVIL),
        BaselineFileError(f"a{EVIL}.csv", 1, EVIL, EVIL),
        ServerError(EVIL, service=EVIL, dd_msg=EVIL),
        InvalidRoundError(EVIL),
    ],
    ids=lambda error: type(error).__name__,
)
def test_no_message_holds_a_control_character(error: DdperfError) -> None:
    assert REPLACEMENT in str(error)
    assert not set(EVIL) - set("[31m") & set(str(error))
    assert not set(EVIL) - set("[31m") & set(getattr(error, "reason", ""))


def test_a_server_s_own_words_are_cut() -> None:
    assert len(str(ServerError("It failed.", dd_msg="y" * 10**6))) < LONGEST_SHOWN + 100


def test_a_word_stays_whole_where_the_others_leave_room() -> None:
    assert format_table([("some words that wrap", "http://localhost:8080")], 30) == [
        "some     http://localhost:8080",
        "words",
        "that",
        "wrap",
    ]


def test_columns_are_as_wide_as_their_widest_cell_and_aligned_on_either_side() -> None:
    rows = [("platform", "ms"), ("tk1", "53.6"), ("", "8 ")]
    assert format_table(rows, right=(1,)) == ["platform    ms", "tk1       53.6", "            8"]
