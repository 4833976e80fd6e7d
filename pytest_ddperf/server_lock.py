"""One client a server: a lock on this host that holds between all its pytest processes, and is gone with its holder."""

from __future__ import annotations

import contextlib
import hashlib
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import filelock

from pytest_ddperf.errors import ConfigurationError, ServerUnreachableError

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

LOCK_WAIT_S = 1800.0
"""How long a run waits by default for another one that measures the same server: a whole night's run is shorter."""

_ASKED_EVERY_S = 0.2
_FOR_ALL_USERS = 0o666
_FOLDER_FOR_ALL_USERS = 0o1777  # as that of temporary files itself: nobody deletes another one's


class ServerLock:
    """The lock of one server. The kernel frees it when the process that holds it ends, however it ends.

    A process must hold one lock at a time: two runs that measure the same two servers in opposite order would wait for
    each other otherwise.

    Args:
        name: what the server is told apart by, `server_url.server_name`.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.path = _path(name)
        # not by thread: a server that one thread took may be given back by another
        self._lock = filelock.FileLock(self.path, mode=_FOR_ALL_USERS, thread_local=False)

    def acquire_at_once(self) -> bool:
        """Take the lock if it is free; whether it is ours now.

        Raises:
            ConfigurationError: its file cannot be made or opened.
        """
        folder = self.path.parent
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with contextlib.suppress(PermissionError):  # another user's, who has made it everybody's
                folder.chmod(_FOLDER_FOR_ALL_USERS)
            self._lock.acquire(blocking=False)
        except filelock.Timeout:
            return False
        except OSError as error:
            raise ConfigurationError(
                f"The lock that keeps two runs from measuring {self.name} at once cannot be taken: {self.path}: "
                f"{error.strerror or error}; make {folder} writable for all users of this machine, or name another "
                "folder for temporary files with the variable TMPDIR, the same for all of them."
            ) from error
        return True

    def acquire(self, wait_s: float, say: Callable[[str], None]) -> Self:
        """Take the lock; where another process holds it, say so and wait for its end.

        Args:
            wait_s: for how long at most.
            say: takes a line for the person who waits.

        Raises:
            ServerUnreachableError: it was held all that time.
        """
        if self.acquire_at_once():
            return self
        say(busy_text(self, wait_s))
        try:
            self._lock.acquire(timeout=wait_s, poll_interval=_ASKED_EVERY_S)
        except filelock.Timeout:
            raise ServerUnreachableError(
                f"Another run has been measuring on {self.name} for {wait_s:g} s, and two clients at once would "
                f"measure each other; end it, or wait longer with --ddperf-lock-wait=SECONDS. Its lock is {self.path}."
            ) from None
        return self

    def release(self) -> None:
        """Give it back. May be called twice."""
        self._lock.release()


def busy_text(lock: ServerLock, wait_s: float) -> str:
    """What a person who waits is told."""
    return (
        f"ddperf: another run measures on {lock.name}; waiting for it to end, {wait_s:g} s at most "
        f"(--ddperf-lock-wait; {lock.path})"
    )


def _path(name: str) -> Path:
    """In the host's folder for temporary files, and none of the user's: the runner of a CI is a user of its own."""
    folder = Path(tempfile.gettempdir()) / "pytest-ddperf-locks"
    return folder / f"{hashlib.sha256(name.encode()).hexdigest()[:16]}.lock"
