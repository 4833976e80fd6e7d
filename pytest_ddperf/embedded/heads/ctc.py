"""Greedy decoding of connectionist temporal classification (CTC): from class probabilities per column to text."""

from __future__ import annotations

import string
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

ALPHABET = string.digits + string.ascii_lowercase
"""The characters in the order of the classes, without the blank."""


def decode_ctc(probabilities: NDArray[np.float32], blank: int = 0) -> tuple[str, float]:
    """Return the text of probabilities [columns, classes], and the probability of its path (the best classes).

    A character that is the most probable in consecutive columns counts once. A blank separates two equal characters.
    """
    path = probabilities.argmax(axis=1)
    changes = np.concatenate([[True], path[1:] != path[:-1]])
    characters = [int(one) for one in path[changes] if one != blank]
    text = "".join(ALPHABET[one - (one > blank)] for one in characters)
    probable = float(np.exp(np.log(np.maximum(probabilities.max(axis=1), np.finfo(np.float32).tiny)).sum()))
    return text, probable
