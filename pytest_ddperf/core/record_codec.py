"""Conversion of records to builtins and JSON, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from pytest_ddperf.core.records import T


def to_json(record: object) -> bytes:
    """Encode a record as one line of JSON."""
    return msgspec.json.encode(record)


def from_json(text: bytes | str, kind: type[T]) -> T:
    """Decode a record encoded by `to_json`.

    Raises:
        ValueError: the text does not decode to a `kind`; the message names the place (`$.rounds[0].passes`).
    """
    try:
        return msgspec.json.decode(text, type=kind)
    except msgspec.MsgspecError as error:
        raise ValueError(str(error)) from error


def to_builtins(record: object) -> Any:  # noqa: ANN401 - builtins of any shape
    """Convert a record to dicts, lists, strings and numbers, the types that execnet and JSON accept."""
    return msgspec.to_builtins(record)


def from_builtins(values: object, kind: type[T]) -> T:
    """Convert the result of `to_builtins` back to a record.

    Raises:
        ValueError: the values do not convert to a `kind`; the message names the place (`$.rounds[0].passes`).
    """
    try:
        return msgspec.convert(values, kind)
    except msgspec.ValidationError as error:
        raise ValueError(str(error)) from error
