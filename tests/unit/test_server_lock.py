from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from pytest_ddperf.errors import ConfigurationError, ServerUnreachableError
from pytest_ddperf.server_lock import ServerLock

if TYPE_CHECKING:
    from pathlib import Path

HOLD = """
import sys, time
from pytest_ddperf.server_lock import ServerLock
lock = ServerLock(sys.argv[1]).acquire(0, print)
print("held", flush=True)
time.sleep(600)
"""


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


def test_who_waits_is_told_for_what_and_for_how_long() -> None:
    first = ServerLock("board:1").acquire(0, quiet)
    said: list[str] = []
    told = threading.Event()

    def say(line: str) -> None:
        said.append(line)
        told.set()

    second = ServerLock("board:1")
    waiting = threading.Thread(target=second.acquire, args=(60, say))
    waiting.start()
    assert told.wait(10)
    first.release()
    waiting.join(10)
    assert not waiting.is_alive()
    assert not first.acquire_at_once()
    assert len(said) == 1
    assert "another run measures on board:1; waiting for it to end, 60 s at most (--ddperf-lock-wait" in said[0]
    second.release()


def test_a_wait_ends_and_says_what_to_do() -> None:
    first = ServerLock("board:1").acquire(0, quiet)
    with pytest.raises(ServerUnreachableError, match=r"measuring on board:1 for 0\.1 s.*--ddperf-lock-wait=SECONDS"):
        ServerLock("board:1").acquire(0.1, quiet)
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


def test_a_folder_that_cannot_be_had_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "pytest-ddperf-locks").write_text("", encoding="utf-8")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(ConfigurationError, match=r"measuring board:1 at once cannot be taken.*writable for all users"):
        ServerLock("board:1").acquire_at_once()
