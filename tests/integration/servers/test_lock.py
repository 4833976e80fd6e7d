from __future__ import annotations

import errno
import fcntl
import os
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from messages import assert_names

from pytest_ddperf.errors import ConfigurationError, ServerUnreachableError
from pytest_ddperf.servers.lock import ServerLock

if TYPE_CHECKING:
    from collections.abc import Iterator

HOLD = """
import sys, time
from pytest_ddperf.servers.lock import ServerLock
lock = ServerLock(sys.argv[1]).acquire(0, print)
print("held", flush=True)
time.sleep(600)
"""

AS_USER = """
import os, sys, tempfile
from pytest_ddperf.servers.lock import ServerLock
os.setgroups([])
os.setgid(int(sys.argv[1]))
os.setuid(int(sys.argv[1]))
os.umask(0o077)
tempfile.tempdir = sys.argv[2]
lock = ServerLock("board:1")
print("held" if lock.acquire_at_once() else "busy", flush=True)
sys.stdin.readline()
lock.release()
"""
"""Takes the lock of a server as another account: the interpreter may be in a folder that only root can enter."""

ROOT, NOBODY, ANOTHER = 0, 65534, 54321


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))  # of the processes that are started here
    monkeypatch.setattr("tempfile.tempdir", str(folder))


def quiet(_: str) -> None:
    """Nobody waits."""


def test_a_free_lock_is_taken_without_a_word() -> None:
    said: list[str] = []
    ServerLock("board:1").acquire(0, said.append).release()
    assert said == []


def test_two_servers_have_two_locks() -> None:
    first = ServerLock("board:1").acquire(0, quiet)
    assert ServerLock("board:2").acquire_at_once()
    first.release()


def test_a_second_client_of_the_process_is_kept_out_too() -> None:
    first = ServerLock("board:1").acquire(0, quiet)
    second = ServerLock("board:1")
    assert not second.acquire_at_once()
    first.release()
    assert second.acquire_at_once()


def test_who_waits_learns_for_what_and_for_how_long() -> None:
    first = ServerLock("board:1").acquire(0, quiet)
    said: list[str] = []
    reported = threading.Event()

    def say(line: str) -> None:
        said.append(line)
        reported.set()

    second = ServerLock("board:1")
    waiting = threading.Thread(target=second.acquire, args=(60, say))
    waiting.start()
    assert reported.wait(10)
    first.release()
    waiting.join(10)
    assert not waiting.is_alive()
    assert not first.acquire_at_once()
    assert len(said) == 1
    assert_names(said[0], "another run", "board:1", "60 s", "--ddperf-lock-wait")
    second.release()


def test_a_wait_ends_and_says_what_to_do() -> None:
    first = ServerLock("board:1").acquire(0, quiet)
    with pytest.raises(ServerUnreachableError) as caught:
        ServerLock("board:1").acquire(0.1, quiet)
    assert_names(caught, "board:1", "0.1 s", "--ddperf-lock-wait=SECONDS")
    first.release()


def test_it_is_free_when_its_holder_is_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", HOLD, "board:1"], stdout=subprocess.PIPE, text=True) as holder:
        try:
            assert holder.stdout is not None
            assert holder.stdout.readline() == "held\n"
            lock = ServerLock("board:1")
            assert not lock.acquire_at_once()
        finally:
            os.kill(holder.pid, signal.SIGKILL)  # leaving the block waits for it
        holder.wait(10)
        assert lock.acquire_at_once()
        lock.release()


def test_releasing_twice_does_no_harm() -> None:
    lock = ServerLock("board:1").acquire(0, quiet)
    lock.release()
    lock.release()
    assert ServerLock("board:1").acquire_at_once()


def test_it_holds_between_the_users_of_a_host(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    first = ServerLock("board:1").acquire(0, quiet)
    monkeypatch.setenv("HOME", str(tmp_path / "another"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "others"))
    assert not ServerLock("board:1").acquire_at_once()
    assert first.path.stat().st_mode & 0o777 == 0o666
    assert first.path.parent.stat().st_mode & 0o7777 == 0o1777
    first.release()


def test_a_folder_that_cannot_be_had_is_reported(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "pytest-ddperf-locks").write_text("", encoding="utf-8")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(ConfigurationError) as caught:
        ServerLock("board:1").acquire_at_once()
    assert_names(caught, "board:1", "writable for all users", "TMPDIR")


@pytest.fixture
def folder_of_all_users() -> Iterator[Path]:
    """A folder like /tmp: every account may enter and write, and nobody deletes what another one created."""
    with tempfile.TemporaryDirectory(prefix="ddperf-lock-", dir="/tmp") as name:
        folder = Path(name)
        folder.chmod(0o1777)
        yield folder


def as_user(uid: int, folder: Path) -> subprocess.Popen[str]:
    # another account cannot write the data of `tox -e coverage`
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    return subprocess.Popen(
        [sys.executable, "-c", AS_USER, str(uid), str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment,
    )


ONLY_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another account")


@ONLY_ROOT
@pytest.mark.parametrize(
    ("first", "second"),
    [(ROOT, NOBODY), (NOBODY, ROOT), (NOBODY, ANOTHER)],
    ids=["root-then-another", "another-then-root", "two-others"],
)
def test_two_accounts_measure_one_server_in_turn(first: int, second: int, folder_of_all_users: Path) -> None:
    with as_user(first, folder_of_all_users) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with as_user(second, folder_of_all_users) as user:
            assert user.communicate("\n", timeout=60)[0] == "busy\n"
        holder.communicate("\n", timeout=60)
    for uid in (second, first):
        with as_user(uid, folder_of_all_users) as user:
            assert user.communicate("\n", timeout=60)[0] == "held\n"


def test_a_file_that_cannot_be_locked_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(descriptor: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", refused)
    before = set(Path("/proc/self/fd").iterdir())
    with pytest.raises(ConfigurationError, match="No locks available"):
        ServerLock("board:1").acquire_at_once()
    assert set(Path("/proc/self/fd").iterdir()) == before


@ONLY_ROOT
def test_a_lock_folder_that_another_account_linked_elsewhere_is_not_opened_to_all(folder_of_all_users: Path) -> None:
    private = folder_of_all_users / "private"
    private.mkdir(mode=0o700)
    (folder_of_all_users / "pytest-ddperf-locks").symlink_to(private)
    with as_user(ROOT, folder_of_all_users) as user:
        user.communicate("\n", timeout=60)
    assert private.stat().st_mode & 0o777 == 0o700
