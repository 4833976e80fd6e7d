"""Sequences of characters, read from a class for each column."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from pytest_ddperf.embedded.heads.ctc import ALPHABET, decode_ctc

if TYPE_CHECKING:
    from numpy.typing import NDArray


def columns(text: str, *, sure: float = 1.0, blank: int = 0) -> NDArray[np.float32]:
    """A path of characters, `-` for the blank, each with that probability."""
    classes = len(ALPHABET) + 1
    rows = np.full((len(text), classes), (1 - sure) / (classes - 1), np.float32)
    for row, character in enumerate(text):
        place = blank if character == "-" else ALPHABET.index(character)
        rows[row, place if character == "-" else place + (place >= blank)] = sure
    return rows


@pytest.mark.parametrize(
    ("path", "text"),
    [("cat", "cat"), ("--cc-aa-t-", "cat"), ("bb-oo--o-kk", "book"), ("----", ""), ("00-0", "00"), ("zz9", "z9")],
)
def test_a_character_in_several_columns_stands_once_and_blanks_part_two_of_the_same(path: str, text: str) -> None:
    assert decode_ctc(columns(path))[0] == text


@pytest.mark.parametrize("blank", [0, 5, 36])
def test_the_blank_may_be_any_class(blank: int) -> None:
    assert decode_ctc(columns("--cc-aa-t-9", blank=blank), blank)[0] == "cat9"


def test_the_probability_is_that_of_the_path() -> None:
    assert decode_ctc(columns("cat"))[1] == pytest.approx(1.0)
    assert decode_ctc(columns("cat", sure=0.5))[1] == pytest.approx(0.125)
