"""One client per server: a lock on this host, shared by all users, that the kernel releases when its holder ends.

It is a plain flock. filelock, which this package uses for files in the user's own folders, does not fit here: from
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

from pytest_ddperf.errors import ConfigurationError, ServerLockedError

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self


_ASKED_EVERY_S = 0.2
_FOR_ALL_USERS = 0o666
_FOLDER_FOR_ALL_USERS = 0o1777  # as the folder for temporary files: users cannot delete each other's files


class ServerLock:
    """The lock of one server. The kernel releases it when the process that holds it ends, however it ends.

    A process that needs several locks acquires them in ascending order of the names. Otherwise two runs that measure
    the same two servers in opposite order would deadlock.

    Args:
        name: the name that identifies the server, `server_url.server_name`.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.path = _path(name)
        self._descriptor: int | None = None

    def acquire_at_once(self) -> bool:
        """Acquire the lock if it is free.

        Returns:
            Whether this object now holds the lock.

        Raises:
            ConfigurationError: the lock file cannot be created or opened.
        """
        if self._descriptor is not None:
            return True
        try:
            self._descriptor = _locked(self.path)
        except OSError as error:
            raise ConfigurationError(
                f"The lock of {self.name}, which prevents two runs from measuring it at once, cannot be acquired: "
                f"{self.path}: {error.strerror or error}. Make {self.path.parent} writable for all users of this "
                "machine, or set the variable TMPDIR to another folder, the same for all of them."
            ) from error
        return self._descriptor is not None

    def acquire(self, wait_s: float, say: Callable[[str], None]) -> Self:
        """Acquire the lock; if another process holds it, report that and wait for its release.

        Raises:
            ServerLockedError: another process held the lock for all of `wait_s`.
            ConfigurationError: the lock file cannot be created or opened.
        """
        if self.acquire_at_once():
            return self
        say(describe_busy_lock(self, wait_s))
        until_s = time.monotonic() + wait_s
        while (left_s := until_s - time.monotonic()) > 0:
            time.sleep(min(_ASKED_EVERY_S, left_s))
            if self.acquire_at_once():
                return self
        raise ServerLockedError(
            f"Another run has been measuring on {self.name} for {wait_s:g} s, and two clients at once would distort "
            "each other's times. Stop that run, or wait longer with --ddperf-lock-wait=SECONDS. Its lock is "
            f"{self.path}."
        )

    def release(self) -> None:
        """Release the lock. May be called twice."""
        if self._descriptor is not None:
            os.close(self._descriptor)  # this releases the lock; the file stays for the next run
            self._descriptor = None


def describe_busy_lock(lock: ServerLock, wait_s: float) -> str:
    """Return the message shown while waiting for the lock."""
    return (
        f"ddperf: another run is measuring on {lock.name}; waiting up to {wait_s:g} s for it to end "
        f"(--ddperf-lock-wait; {lock.path})"
    )


def _path(name: str) -> Path:
    """Return a path in the host's folder for temporary files, not the user's: a CI runner has its own account."""
    folder = Path(tempfile.gettempdir()) / "pytest-ddperf-locks"
    return folder / f"{hashlib.sha256(name.encode()).hexdigest()[:16]}.lock"


def _locked(path: Path) -> int | None:
    """Open and lock the lock file; None if another process has locked it."""
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
    """Open the lock file; create it and its folder if missing, so that every user of the host can open it.

    O_CREAT is used only for a new file: if fs.protected_regular is set, Linux refuses it for a file of another user in
    a sticky folder.
    """
    flags = os.O_RDWR | os.O_NOFOLLOW  # NFS cannot lock a file opened only for writing
    with contextlib.suppress(FileNotFoundError):
        return os.open(path, flags)
    with contextlib.suppress(FileExistsError):
        path.parent.mkdir()
        path.parent.chmod(_FOLDER_FOR_ALL_USERS)  # only for a folder we created, independent of the umask
    try:
        descriptor = os.open(path, flags | os.O_CREAT | os.O_EXCL, _FOR_ALL_USERS)
    except FileExistsError:  # another run created it first
        return os.open(path, flags)
    os.fchmod(descriptor, _FOR_ALL_USERS)
    return descriptor
