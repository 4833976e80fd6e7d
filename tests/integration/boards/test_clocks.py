"""Tuning with tools and files that stand for a board's, here and over a real sshd."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import board_files
import pytest
from board_files import JETSON_CLOCKS, NVPMODEL, FakeBoard
from messages import assert_names
from real_sshd import HOST, RealSshd

from pytest_ddperf.boards.board import Board
from pytest_ddperf.boards.clocks import Tuning
from pytest_ddperf.core.board_address import BoardAddress
from pytest_ddperf.core.platform import Platform
from pytest_ddperf.errors import HookError

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(params=["local", pytest.param(f"ssh:{HOST}", marks=pytest.mark.slow)])
def source(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def made(folder: Path, monkeypatch: pytest.MonkeyPatch) -> FakeBoard:
    board = FakeBoard(folder)
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
    monkeypatch.setenv("DDPERF_SYSFS_ROOT", str(board.root))
    return board


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeBoard:
    """A board that is this machine."""
    board = made(tmp_path, monkeypatch)
    monkeypatch.setenv("PATH", f"{board.tools}:/usr/bin:/bin")
    return board


@pytest.fixture
def fake(tmp_path: Path, source: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeBoard]:
    """A board, reached here or over ssh."""
    board = made(tmp_path, monkeypatch)
    path = f"{board.tools}:/usr/bin:/bin"
    if source == "local":
        monkeypatch.setenv("PATH", path)
        yield board
        return
    (tmp_path / "ssh").mkdir()
    with RealSshd(tmp_path / "ssh", {"PATH": path}) as sshd:
        monkeypatch.setenv("DDPERF_SSH_COMMAND", sshd.command)
        yield board


def tuning(source: str, said: list[str] | None = None, nvpmodel: int | None = None) -> Tuning:
    heard: list[str] = [] if said is None else said
    return Tuning(BoardAddress.parse(source), nvpmodel, heard.append)


def test_a_jetson_s_mode_and_clocks_are_set_and_put_back(fake: FakeBoard, source: str) -> None:
    fake.jetson()
    one = tuning(source, nvpmodel=0)
    one.apply()
    assert fake.state == ("0", "highest")
    one.restore()
    assert fake.state == ("1", "usual")
    assert fake.calls == [
        "jetson_clocks --store",
        "nvpmodel -m 0",
        "jetson_clocks ",
        "nvpmodel -m 1",
        "jetson_clocks --restore",
    ]


def test_the_mode_stays_where_none_is_asked_for(fake: FakeBoard, source: str) -> None:
    fake.jetson()
    one = tuning(source)
    one.apply()
    assert fake.state == ("1", "highest")
    one.restore()
    assert fake.state == ("1", "usual")


@pytest.mark.parametrize("kind", ["policies", "an old kernel"])
def test_without_jetson_clocks_the_governors_are_set_and_put_back(fake: FakeBoard, source: str, kind: str) -> None:
    files = board_files.BoardFiles(fake.root)
    if kind == "policies":
        paths = [files.policy(0, 1000, "ondemand"), files.policy(4, 1000, "schedutil")]
    else:
        paths = [f"sys/devices/system/cpu/cpu{cpu}/cpufreq/scaling_governor" for cpu in (0, 1)]
        for path, governor in zip(paths, ("ondemand", "schedutil"), strict=True):
            files.write(path, governor)

    def governors() -> list[str]:
        return [(fake.root / path).read_text(encoding="utf-8").strip() for path in paths]

    one = tuning(source)
    one.apply()
    assert governors() == ["performance", "performance"]
    one.restore()
    assert governors() == ["ondemand", "schedutil"]


def test_what_was_changed_is_said_and_what_it_was(fake: FakeBoard, source: str) -> None:
    fake.jetson()
    said: list[str] = []
    one = tuning(source, said, nvpmodel=0)
    one.apply()
    one.restore()
    assert said[0].startswith(
        "tuned: nvpmodel -m 0, jetson_clocks; restored at the end with: nvpmodel -m 1, jetson_clocks --restore "
    )
    assert said[1] == "restored: nvpmodel -m 1, jetson_clocks --restore"


def test_a_board_with_nothing_to_tune_is_left_alone_and_that_is_said(fake: FakeBoard, source: str) -> None:
    said: list[str] = []
    one = tuning(source, said)
    one.apply()
    one.restore()
    assert len(said) == 1
    assert said[0].startswith("there is nothing to tune")
    assert not one.path.exists()


def test_what_it_was_is_on_disk_before_anything_is_changed(fake: FakeBoard, source: str) -> None:
    fake.jetson()
    one = tuning(source, nvpmodel=0)
    fake.tool("nvpmodel", NVPMODEL.format(folder=fake.folder).replace("-m)", f"-m) cp {one.path} {fake.folder}/seen;"))
    one.apply()
    assert json.loads(fake.text("seen"))["nvpmodel"] == "1"
    one.restore()


def test_a_run_that_was_killed_is_made_up_for_by_the_next(fake: FakeBoard, source: str) -> None:
    fake.jetson()
    tuning(source, nvpmodel=0).apply()  # and never restored
    said: list[str] = []
    later = tuning(source, said, nvpmodel=2)
    later.apply()
    assert said[0].startswith("an earlier run ended before it restored the board")
    assert fake.state == ("2", "highest")
    later.restore()
    assert fake.state == ("1", "usual")


def test_a_setting_that_cannot_be_made_is_an_error_and_the_others_are_put_back(fake: FakeBoard, source: str) -> None:
    fake.jetson()
    failing = JETSON_CLOCKS.format(folder=fake.folder).replace('"")', '"") echo no root >&2; exit 1;')
    fake.tool("jetson_clocks", failing)
    one = tuning(source, nvpmodel=0)
    with pytest.raises(HookError) as caught:
        one.apply()
    assert_names(caught, "jetson_clocks", "no root")
    one.restore()
    assert fake.state == ("1", "usual")


def test_what_cannot_be_recorded_is_not_changed(fake: FakeBoard, source: str) -> None:
    fake.jetson()
    fake.tool("jetson_clocks", "exit 1")
    with pytest.raises(HookError) as caught:
        tuning(source, nvpmodel=0).apply()
    assert_names(caught, "nothing was changed", "clocks stored")
    assert fake.text("nvpmodel.mode") == "1"


def test_what_could_not_be_put_back_is_said_with_what_to_do_and_stays_recorded(fake: FakeBoard, source: str) -> None:
    fake.jetson()
    said: list[str] = []
    one = tuning(source, said, nvpmodel=0)
    one.apply()
    fake.tool("nvpmodel", "echo busy; exit 1")
    one.restore()
    assert said[-1].startswith(
        "NOT restored: nvpmodel -m 1: busy. Restore the board manually: nvpmodel -m 1, jetson_clocks --restore "
    )
    assert one.path.exists()


def test_a_board_that_could_not_be_put_back_is_not_tuned_again(fake: FakeBoard, source: str) -> None:
    fake.jetson()
    tuning(source, nvpmodel=0).apply()
    fake.tool("nvpmodel", "echo busy; exit 1")
    later = tuning(source, nvpmodel=2)
    with pytest.raises(HookError) as caught:
        later.apply()
    assert_names(caught, "--ddperf-tune", later.path)
    assert json.loads(later.path.read_text(encoding="utf-8"))["nvpmodel"] == "1"


def test_a_board_that_cannot_be_reached_is_an_error(here: FakeBoard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DDPERF_SSH_COMMAND", "false")
    with pytest.raises(HookError) as caught:
        tuning("ssh:nowhere").apply()
    assert_names(caught, "ssh:nowhere", "status 1")


def test_a_platform_s_board_is_tuned_only_when_that_is_asked_for(here: FakeBoard) -> None:
    here.jetson()
    platform = Platform("tx1", "TX1", telemetry="local", nvpmodel=0)
    for tune, state in ((False, ("1", "usual")), (True, ("0", "highest"))):
        board = Board(platform, "", lambda _: None, tune=tune)
        board.begin()
        assert here.state == state
        board.ready()
        found = board.telemetry(0, 2**33)
        assert found is not None
        assert ("tuned: nvpmodel -m 0, jetson_clocks" in found.notes) is tune
        board.end()
        assert here.state == ("1", "usual")


def test_two_boards_never_share_a_record_whatever_their_platforms_are_called(here: FakeBoard) -> None:
    here.jetson()
    paths = [tuning(where).path for where in ("local", "ssh:orin", "ssh:orin.lan", "ssh://me@orin.lan:22")]
    assert len({path.name for path in paths}) == 4
    assert all(path.parent == paths[0].parent for path in paths)


def test_a_board_that_another_run_has_tuned_is_left_to_that_run(fake: FakeBoard, source: str) -> None:
    fake.jetson()
    first = tuning(source, nvpmodel=0)
    first.apply()
    second = tuning(source, nvpmodel=2)
    with pytest.raises(HookError) as caught:
        second.apply()
    assert_names(caught, "--ddperf-tune", "another run", source)
    second.restore()
    assert fake.state == ("0", "highest")
    first.restore()
    assert fake.state == ("1", "usual")
    second.apply()
    assert fake.state == ("2", "highest")
    second.restore()


def test_clocks_that_could_not_be_put_back_can_be_the_next_time(fake: FakeBoard, source: str) -> None:
    fake.jetson()
    said: list[str] = []
    one = tuning(source, said)
    one.apply()
    fake.tool("jetson_clocks", "echo busy; exit 1")
    one.restore()
    assert said[-1].startswith("NOT restored: jetson_clocks --restore: busy.")
    fake.tool("jetson_clocks", JETSON_CLOCKS.format(folder=fake.folder))
    one.restore()
    assert fake.state == ("1", "usual")
    assert not one.path.exists()


def test_a_board_that_was_started_anew_has_its_own_clocks_again(fake: FakeBoard, source: str) -> None:
    fake.jetson()
    said: list[str] = []
    one = tuning(source, said, nvpmodel=0)
    one.apply()
    Path(json.loads(one.path.read_text(encoding="utf-8"))["clocks"]).unlink()  # its /tmp is emptied
    one.restore()
    assert_names(said[-1], "restored", "nvpmodel -m 1", "jetson_clocks --restore skipped")
    assert not one.path.exists()


def test_a_mode_that_cannot_be_set_is_an_error(fake: FakeBoard, source: str) -> None:
    board_files.BoardFiles(fake.root).policy(0, 1000, "ondemand")
    with pytest.raises(HookError) as caught:
        tuning(source, nvpmodel=0).apply()
    assert_names(caught, "nothing was changed", "nvpmodel")


def test_a_board_that_was_left_tuned_is_not_measured_without_a_word(here: FakeBoard) -> None:
    here.jetson()
    tuning("local").apply()
    said: list[str] = []
    board = Board(Platform("tx1", "TX1", telemetry="local"), "", said.append)
    board.begin()
    board.end()
    assert_names(said[0], "--ddperf-tune", "restored the board")
