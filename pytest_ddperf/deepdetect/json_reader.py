"""Reads values from decoded JSON of unknown shape. Standard library only."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_ddperf.errors import AnswerError

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class JsonReader:
    """Reads values from an answer, or raises an `AnswerError` that names the place.

    Args:
        url: the server, without credentials, for the message.
        service: the service concerned, for the message.
    """

    url: str = ""
    service: str = ""

    def error(self, where: str, expected: str, found: object) -> AnswerError:
        """Create the error for an unexpected value at `where`."""
        return AnswerError(
            f"The answer is not DeepDetect's: {where} should be {expected}, not {_shown(found)}.",
            url=self.url,
            service=self.service,
        )

    def mapping(self, value: object, where: str) -> dict[str, object]:
        """Return an object, or raise an error."""
        if not isinstance(value, dict):
            raise self.error(where, "an object", value)
        return value

    def sequence(self, value: object, where: str) -> list[object]:
        """Return a list, or raise an error."""
        if not isinstance(value, list):
            raise self.error(where, "a list", value)
        return value

    def text(self, mapping: Mapping[str, object], key: str, where: str, default: str) -> str:
        """Return a text; the default if the key is absent."""
        value = mapping.get(key, default)
        if not isinstance(value, str):
            raise self.error(f"{where}.{key}", "a text", value)
        return value

    def real(self, value: object, where: str) -> float:
        """Return a finite number; a bool is not a number."""
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            try:
                if math.isfinite(number := float(value)):
                    return number
            except OverflowError:  # an integer of more than 308 digits
                pass
        raise self.error(where, "a finite number", value)

    def number(self, mapping: Mapping[str, object], key: str, where: str) -> float | None:
        """Return a finite number of 0 or more; None if the key is absent."""
        if key not in mapping:
            return None
        number = self.real(mapping[key], f"{where}.{key}")
        if number < 0:
            raise self.error(f"{where}.{key}", "a number of 0 or more", mapping[key])
        return number

    def count(self, mapping: Mapping[str, object], key: str, where: str) -> int | None:
        """Return a whole number of 0 or more, also if written as a float; None if the key is absent."""
        number = self.number(mapping, key, where)
        if number is not None and not number.is_integer():
            raise self.error(f"{where}.{key}", "a whole number", mapping[key])
        return None if number is None else int(number)


def as_mapping(value: object) -> dict[str, object]:
    """Return the value if it is an object, else an empty one; for optional values."""
    return value if isinstance(value, dict) else {}


def as_text(value: object) -> str:
    """Return the value if it is a text, else ""; for optional values."""
    return value if isinstance(value, str) else ""


def as_whole(value: object) -> int | None:
    """Return the value if it is a whole number, else None; for optional values."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _shown(value: object) -> str:
    """Format a value for a message, shortened if necessary."""
    if value is None:
        return "null or absent"
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, int) and abs(value) > 10**18:
        return "a number of more than 18 digits"
    shown = repr(value)
    return shown if len(shown) <= 80 else f"{shown[:77]}..."
