"""Files: reading the text files of users (UTF-8 with or without a byte-order mark, any line ends), replacing files."""

from __future__ import annotations

import errno
import os
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


def try_file(path: Path) -> None:
    """Check whether `replace_file` can write a file, which is not touched.

    Raises:
        OSError: it cannot, or the path is not that of a file, such as `/dev/null`.
    """
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "it is not a regular file")
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    with beside.open("x"):  # checking permissions is not enough: creating a file may fail for other reasons
        beside.unlink()


def replace_file(path: Path, content: bytes, *, sync: bool = False) -> None:
    """Write a file atomically: a reader sees either the old or the new contents.

    Args:
        path: the file.
        content: its new contents.
        sync: whether the contents must survive a power failure.

    Raises:
        OSError: the file cannot be written; it is unchanged.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            if sync:
                file.flush()
                os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
