"""Reading of text files written by users: UTF-8 with or without a byte-order mark, any line ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_ddperf.errors import FileContentError

if TYPE_CHECKING:
    from pathlib import Path


def read_text(path: Path, expected: str) -> str:
    """Read a text file, without its byte-order mark.

    Args:
        path: the file.
        expected: the expected content, for the message.

    Raises:
        FileContentError: the file cannot be read or is not UTF-8 text; the message names the file and the line.
    """
    try:
        content = path.read_bytes()
    except (OSError, ValueError) as error:  # ValueError: the path contains a NUL
        why = getattr(error, "strerror", None) or error
        raise FileContentError(path, None, f"it cannot be read ({why})", expected) from error
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise FileContentError(path, line, "bytes that are not UTF-8 text", expected) from error


def read_names(path: Path, expected: str) -> list[str]:
    """Read a list of names, one per line; blank lines are ignored, and so are spaces around a name.

    Raises:
        FileContentError: as for `read_text`.
    """
    return [line.strip() for line in read_text(path, expected).splitlines() if line.strip()]
