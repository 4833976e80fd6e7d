from __future__ import annotations

import time
from typing import TYPE_CHECKING

import board_files
import pytest
from messages import assert_names

from pytest_ddperf.boards.board import Board
from pytest_ddperf.core.platform import Platform
from pytest_ddperf.core.records import CellKey, Clock, Conditions, Measurement
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


def test_they_receive_the_platform_and_its_server(tmp_path: Path) -> None:
    log = tmp_path / "log"
    board(Platform("tk1", "TK1", before=(f"echo $DDPERF_HOOK_PLATFORM $DDPERF_HOOK_URL > {log}",))).begin()
    assert log.read_text(encoding="utf-8") == "tk1 http://tk1:8080\n"


def test_the_ones_behind_one_that_fails_are_not_run(tmp_path: Path) -> None:
    with pytest.raises(HookError) as caught:
        board(Platform("tk1", "TK1", before=("exit 4", f"touch {tmp_path}/a"))).begin()
    assert_names(caught, "`exit 4`", "status 4")
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


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "root"
    folder.mkdir()
    monkeypatch.setenv("DDPERF_SYSFS_ROOT", str(folder))
    return folder


def test_a_board_without_a_source_has_no_telemetry_and_no_round_of_it_is_condemned() -> None:
    one = board(Platform("tk1", "TK1"))
    one.begin()
    one.ready()
    assert one.telemetry(0, 1) is None
    assert one.rejection_reason(0, 1) == ""


def test_a_round_is_condemned_by_what_was_seen_in_it(root: Path) -> None:
    board_files.raspberry(root, "50005")
    one = board(Platform("raspi3", "Raspberry Pi 3", telemetry="local"))
    one.begin()
    began_s = time.time()
    one.ready()
    said = one.rejection_reason(began_s, time.time())
    one.end()
    assert said == "the board throttled while it was measured: throttled by the firmware, under-voltage"


def test_a_hot_board_is_waited_for_until_it_has_cooled(root: Path) -> None:
    files = board_files.BoardFiles(root)
    hot = files.zone("CPU-therm", 71000)
    said: list[str] = []

    def say(line: str) -> None:
        said.append(line)
        files.write(hot, 44000)  # it cools while it is waited for

    one = Board(Platform("tk1", "TK1", telemetry="local", cool_to_c=45, cool_wait=120), "", say)
    one.begin()
    one.ready()
    one.ready()
    one.end()
    assert said[0] == "ddperf: tk1: the board is at 71.0 C; waiting up to 120 s until it has cooled to 45 C"
    assert said[1].startswith("ddperf: tk1: cooled to 44.0 C after ")
    assert len(said) == 2


def test_the_wait_has_an_end(root: Path) -> None:
    board_files.BoardFiles(root).zone("CPU-therm", 71000)
    said: list[str] = []
    one = board(Platform("tk1", "TK1", telemetry="local", cool_to_c=45, cool_wait=0.2), said)
    one.begin()
    one.ready()
    one.end()
    assert said[-1] == "ddperf: tk1: still at 71.0 C after 0.2 s; measuring anyway"


def test_a_cool_board_is_not_waited_for(root: Path) -> None:
    board_files.BoardFiles(root).zone("CPU-therm", 41000)
    said: list[str] = []
    one = board(Platform("tk1", "TK1", telemetry="local", cool_to_c=45), said)
    one.begin()
    one.ready()
    one.end()
    assert said == []


def test_a_board_whose_temperature_is_unknown_is_not_waited_for_and_that_is_said(root: Path) -> None:
    said: list[str] = []
    one = board(Platform("tk1", "TK1", telemetry="local", cool_to_c=45), said)
    one.begin()
    one.ready()
    one.end()
    assert said == ["ddperf: tk1: the board's temperature is unknown; measuring without waiting."]


def test_the_telemetry_of_later_rounds_is_added_to_that_of_the_earlier_ones(root: Path) -> None:
    board_files.tk1(root)
    one = board(Platform("tk1", "TK1", telemetry="local"))
    one.begin()
    began_s = time.time()
    one.ready()
    first = one.telemetry(began_s, time.time())
    assert first is not None
    key = CellKey("tk1", "vgg16", 1)
    earlier = Measurement(key, Conditions(Clock.HEAD, "caffe"), (), telemetry=first)
    both = one.telemetry(began_s, time.time(), earlier)
    one.end()
    assert both is not None
    assert both.samples > first.samples > 0


def test_a_board_whose_worker_died_is_put_back_before_it_begins_again(tmp_path: Path) -> None:
    platform = Platform("tk1", "TK1", before=(f"mkdir {tmp_path}/tunnel",), after=(f"rmdir {tmp_path}/tunnel",))
    marker = tmp_path / "begun"
    Board(platform, "", lambda _: None, marker=marker).begin()  # and its process dies
    second = Board(platform, "", lambda _: None, marker=marker)
    second.begin()
    assert (tmp_path / "tunnel").exists()
    second.end()
    assert not list(tmp_path.iterdir())
