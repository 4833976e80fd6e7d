"""Files below one folder, and no others: wherever links and `..` lead, and whatever is swapped meanwhile.

A name is resolved, links and all, and compared with the folder. Then what it resolved to, which has no link left, is
opened component by component without following any: one that was put there since fails the opening.
"""

from __future__ import annotations

import os
import stat
from contextlib import ExitStack
from pathlib import Path
from typing import Final

_LONGEST_PATH: Final = 4096
"""Linux's PATH_MAX: what is longer is no path, and the system would refuse to look for it."""

_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # a pipe must not be waited for


def resolve_below(root: Path, name: str) -> Path | None:
    """The file or folder of that name, links followed; None where there is none, or none below `root`.

    Args:
        root: resolved itself.
        name: from `root` on, or absolute.
    """
    if not name or len(name) > _LONGEST_PATH or "\0" in name:
        return None
    try:
        path = Path(os.path.realpath(root / name))
        return path if path.is_relative_to(root) and path.exists() else None
    except (OSError, ValueError):  # longer than the file system has names, or no name in its encoding
        return None


def read_below(root: Path, path: Path, most_bytes: int) -> bytes:
    """The bytes of a file.

    Args:
        root: resolved itself.
        path: as `resolve_below` gives it.
        most_bytes: a larger file is not read.

    Raises:
        OSError: it is no regular file, too large, not to be read, or not the one any more that was resolved.
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
            raise OSError(f"no regular file of at most {most_bytes} bytes")
        content = bytearray()
        while chunk := os.read(file, min(most_bytes, found.st_size + 1)):
            content += chunk
            if len(content) > most_bytes:  # it grows
                raise OSError(f"more than {most_bytes} bytes")
        return bytes(content)
