"""Decodes values that a server returned: with a type those that are needed, with `find` those that are optional."""

from __future__ import annotations

import re
from typing import Annotated, TypeVar

import msgspec

from pytest_ddperf.errors import AnswerError

T = TypeVar("T")

_MOST = 1e300
"""Bound of any number; NaN and the infinities are outside."""

_BOUND = re.compile(r"`float` (?:>= -|<= )1e\+300")

Real = Annotated[float, msgspec.Meta(ge=-_MOST, le=_MOST)]
"""A finite number."""

Amount = Annotated[float, msgspec.Meta(ge=0, le=_MOST)]
"""A finite number of 0 or more."""

Whole = Annotated[float, msgspec.Meta(ge=0, le=_MOST, multiple_of=1)]
"""A whole number of 0 or more, which some servers write as a float."""

Pixels = Annotated[float, msgspec.Meta(ge=1, le=_MOST, multiple_of=1)]
"""A whole number of 1 or more."""


def decode_answer(answer: object, kind: type[T], *, url: str = "", service: str = "") -> T:
    """Convert a decoded answer to a type. Unknown keys are ignored; texts and bools are not numbers.

    Raises:
        AnswerError: the answer does not have that type; the message names the place (`$.body.predictions[0].uri`).
    """
    try:
        return msgspec.convert(answer, kind)
    except (msgspec.ValidationError, OverflowError, UnicodeError) as error:  # half of a surrogate pair
        message = _BOUND.sub("a finite number", str(error))
        raise AnswerError(
            f"The answer does not have DeepDetect's format: {message}.", url=url, service=service
        ) from None


def find(value: object, kind: type[T], *keys: str) -> T | None:
    """Return the value below nested keys; None if it is absent or of another type, as a bool is for int."""
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, kind) and type(value) is kind else None
