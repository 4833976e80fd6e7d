"""From a character for each column to the text: connectionist temporal classification (CTC), read greedily."""

from __future__ import annotations

import string
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

ALPHABET = string.digits + string.ascii_lowercase
"""The characters, in the order of the classes; the blank is left out."""


def decode_ctc(probabilities: NDArray[np.float32], blank: int = 0) -> tuple[str, float]:
    """The text, and how probable its path is.

    A character that is the best of several columns in a row stands once; blanks part two of the same.

    Args:
        probabilities: [columns, classes].
        blank: the class that stands for no character.
    """
    path = probabilities.argmax(axis=1)
    changes = np.concatenate([[True], path[1:] != path[:-1]])
    characters = [int(one) for one in path[changes] if one != blank]
    text = "".join(ALPHABET[one - (one > blank)] for one in characters)
    probable = float(np.exp(np.log(np.maximum(probabilities.max(axis=1), np.finfo(np.float32).tiny)).sum()))
    return text, probable
