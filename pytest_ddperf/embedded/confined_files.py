"""Access to files below one folder only, safe against links, `..` and files that are swapped in the meantime.

A name is resolved, including all links, and the result must be below the folder. The resolved path contains no links.
It is opened component by component without following links, so opening fails if a component was replaced by a link.
"""

from __future__ import annotations

import os
import stat
from contextlib import ExitStack
from pathlib import Path
from typing import Final

_LONGEST_PATH: Final = 4096
"""Linux's PATH_MAX: the system rejects longer paths."""

_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # opening a pipe must not block


def resolve_below(root: Path, name: str) -> Path | None:
    """Return the file or folder with links resolved; None if it does not exist or is not below `root`.

    `root` is already resolved; `name` is a path relative to it, or an absolute one.
    """
    if not name or len(name) > _LONGEST_PATH or "\0" in name:
        return None
    try:
        path = Path(os.path.realpath(root / name))
        return path if path.is_relative_to(root) and path.exists() else None
    except (OSError, ValueError):  # a name that is too long, or cannot be encoded for the file system
        return None


def read_below(root: Path, path: Path, most_bytes: int) -> bytes:
    """Return the content of a file whose path `resolve_below` returned.

    Raises:
        OSError: the file is not a regular file, is too large or unreadable, or a component of its path has since been
            replaced by a link.
    """
    with ExitStack() as opened:
        folder = os.open(root, _FOLDER)
        opened.callback(os.close, folder)
        parts = path.relative_to(root).parts
        for part in parts[:-1]:
            folder = os.open(part, _FOLDER, dir_fd=folder)
            opened.callback(os.close, folder)
        file = os.open(parts[-1] if parts else ".", _FILE, dir_fd=folder)
        opened.callback(os.close, file)
        found = os.fstat(file)
        if not stat.S_ISREG(found.st_mode) or found.st_size > most_bytes:
            raise OSError(f"not a regular file of at most {most_bytes} bytes")
        return os.read(file, found.st_size)  # not the most allowed: as many bytes are allocated first
