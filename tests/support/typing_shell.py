"""An interactive shell on its own terminal, with input typed key by key.

with TypingShell(["bash", "--norc", "-i"], folder) as shell:
    shell.type("ddperf sel\\t")
    shell.read_until("ddperf select ")
"""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Sequence

PROMPT = "READY> "
_PATIENCE_S = 60.0


class TypingShell:
    """The shell.

    Args:
        command: command that starts it.
        folder: its working directory.
    """

    def __init__(self, command: Sequence[str], folder: Path) -> None:
        self._ours, theirs = pty.openpty()
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        self._process = subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, "PATH": path, "PS1": PROMPT, "TERM": "dumb", "HOME": str(folder)},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        self._unread = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._ours)

    def type(self, keys: str) -> None:
        """Press these keys; a tab asks for completion."""
        os.write(self._ours, keys.encode())

    def read_until(self, awaited: str) -> str:
        """Return the terminal's output since the last read, up to and including this text.

        Raises:
            AssertionError: the text did not appear within a minute; the message contains the output.
        """
        until_s = time.monotonic() + _PATIENCE_S
        while awaited.encode() not in self._unread:
            ready, _, _ = select.select([self._ours], [], [], max(0.0, until_s - time.monotonic()))
            assert ready, f"{awaited!r} did not come; what did: {self._unread.decode(errors='replace')!r}"
            self._unread += os.read(self._ours, 65536)
        shown, found, self._unread = self._unread.partition(awaited.encode())
        return (shown + found).decode(errors="replace")
