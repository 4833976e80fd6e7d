"""One client per server: a lock on this host that all its users share, and that the kernel frees with its holder.

It is a plain flock. filelock, which guards this package's files in the user's own folders, does not fit here: from
version 4 on it refuses a lock file of another account in a sticky folder, and has no setting that allows it.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_ddperf.errors import ConfigurationError, ServerUnreachableError

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self


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
        self._descriptor: int | None = None

    def acquire_at_once(self) -> bool:
        """Take the lock if it is free.

        Returns:
            Whether this object holds it now.

        Raises:
            ConfigurationError: its file cannot be created or opened.
        """
        if self._descriptor is not None:
            return True
        try:
            self._descriptor = _locked(self.path)
        except OSError as error:
            raise ConfigurationError(
                f"The lock that keeps two runs from measuring {self.name} at once cannot be taken: {self.path}: "
                f"{error.strerror or error}; make {self.path.parent} writable for all users of this machine, or name "
                "another folder for temporary files with the variable TMPDIR, the same for all of them."
            ) from error
        return self._descriptor is not None

    def acquire(self, wait_s: float, say: Callable[[str], None]) -> Self:
        """Take the lock; where another process holds it, say so and wait for its end.

        Args:
            wait_s: the longest wait, seconds.
            say: receives a line for the person who waits.

        Raises:
            ServerUnreachableError: it was held all that time.
            ConfigurationError: its file cannot be created or opened.
        """
        if self.acquire_at_once():
            return self
        say(describe_busy_lock(self, wait_s))
        until_s = time.monotonic() + wait_s
        while (left_s := until_s - time.monotonic()) > 0:
            time.sleep(min(_ASKED_EVERY_S, left_s))
            if self.acquire_at_once():
                return self
        raise ServerUnreachableError(
            f"Another run has been measuring on {self.name} for {wait_s:g} s, and two clients at once would "
            f"measure each other; end it, or wait longer with --ddperf-lock-wait=SECONDS. Its lock is {self.path}."
        )

    def release(self) -> None:
        """Give it back. May be called twice."""
        if self._descriptor is not None:
            os.close(self._descriptor)  # the kernel frees the lock with it; the file stays for the next run
            self._descriptor = None


def describe_busy_lock(lock: ServerLock, wait_s: float) -> str:
    """What a person who waits is told."""
    return (
        f"ddperf: another run measures on {lock.name}; waiting for it to end, {wait_s:g} s at most "
        f"(--ddperf-lock-wait; {lock.path})"
    )


def _path(name: str) -> Path:
    """In the host's folder for temporary files, and none of the user's: the runner of a CI is a user of its own."""
    folder = Path(tempfile.gettempdir()) / "pytest-ddperf-locks"
    return folder / f"{hashlib.sha256(name.encode()).hexdigest()[:16]}.lock"


def _locked(path: Path) -> int | None:
    """Open and lock the lock file; None where another process has locked it.

    Raises:
        OSError: it cannot be created, opened or locked.
    """
    descriptor = _open(path)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _open(path: Path) -> int:
    """Open the lock file, created with its folder where it is missing, so that every user of the host can open it.

    O_CREAT is used for a new file alone: where fs.protected_regular is set, Linux refuses it for a file of another user
    in a sticky folder.

    Raises:
        OSError: the folder or the file cannot be created or opened.
    """
    flags = os.O_RDWR | os.O_NOFOLLOW  # NFS locks what is open for writing alone
    with contextlib.suppress(FileNotFoundError):
        return os.open(path, flags)
    with contextlib.suppress(FileExistsError):
        path.parent.mkdir()
        path.parent.chmod(_FOLDER_FOR_ALL_USERS)  # of our own folder alone, and whatever the umask is
    try:
        descriptor = os.open(path, flags | os.O_CREAT | os.O_EXCL, _FOR_ALL_USERS)
    except FileExistsError:  # another run was faster
        return os.open(path, flags)
    os.fchmod(descriptor, _FOR_ALL_USERS)
    return descriptor
