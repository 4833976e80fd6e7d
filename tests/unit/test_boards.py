from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_ddperf.boards import Board
from pytest_ddperf.catalog import Platform
from pytest_ddperf.errors import HookError

if TYPE_CHECKING:
    from pathlib import Path


def board(platform: Platform, said: list[str] | None = None) -> Board:
    heard: list[str] = [] if said is None else said
    return Board(platform, "http://tk1:8080", heard.append)


def test_the_commands_run_in_order(tmp_path: Path) -> None:
    log = tmp_path / "log"
    one = board(
        Platform("tk1", "TK1", before=(f"echo 1 >> {log}", f"echo 2 >> {log}"), after=(f"echo 3 >> {log}",)),
    )
    one.begin()
    assert log.read_text(encoding="utf-8") == "1\n2\n"
    one.end()
    assert log.read_text(encoding="utf-8") == "1\n2\n3\n"


def test_they_are_told_the_platform_and_its_server(tmp_path: Path) -> None:
    log = tmp_path / "log"
    board(Platform("tk1", "TK1", before=(f"echo $DDPERF_HOOK_PLATFORM $DDPERF_HOOK_URL > {log}",))).begin()
    assert log.read_text(encoding="utf-8") == "tk1 http://tk1:8080\n"


def test_the_ones_behind_one_that_fails_are_not_run(tmp_path: Path) -> None:
    with pytest.raises(HookError, match="`exit 4` failed with status 4"):
        board(Platform("tk1", "TK1", before=("exit 4", f"touch {tmp_path}/a"))).begin()
    assert not list(tmp_path.iterdir())


def test_all_after_commands_run_although_one_fails_and_that_is_said(tmp_path: Path) -> None:
    said: list[str] = []
    one = board(Platform("tk1", "TK1", before=("exit 4",), after=("exit 5", f"touch {tmp_path}/a")), said)
    with pytest.raises(HookError):
        one.begin()
    one.end()
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert said == ["ddperf: tk1: The command `exit 5` failed with status 5; it printed nothing."]


def test_after_commands_run_once_and_never_without_the_begin(tmp_path: Path) -> None:
    log = tmp_path / "log"
    one = board(Platform("tk1", "TK1", after=(f"echo 1 >> {log}",)))
    one.end()
    assert not log.exists()
    one.begin()
    one.end()
    one.end()
    assert log.read_text(encoding="utf-8") == "1\n"


def test_a_password_that_a_command_prints_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TK1_PASSWORD", "s3cret")
    platform = Platform("tk1", "TK1", user_env="TK1_USER", password_env="TK1_PASSWORD", before=("env; exit 1",))  # noqa: S106 - a name
    with pytest.raises(HookError) as caught:
        board(platform).begin()
    assert "s3cret" not in str(caught.value)
