"""Predictions that timed out and still occupy a server, on a clock that the test turns."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest
from scripted_deepdetect import ScriptedDeepDetect
from targets import make_target, predict_body
from turned_clock import TurnedClock

from pytest_ddperf.config.server_options import ServerOptions
from pytest_ddperf.core.records import Outcome
from pytest_ddperf.deepdetect.protocol import build_predict_body
from pytest_ddperf.errors import ServerBusyError, ServerUnreachableError
from pytest_ddperf.runner.judge import classify_failure
from pytest_ddperf.runner.server_health import ServerHealth

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BODY = build_predict_body("resnet50", ["/srv/1.jpg"])


class Scene:
    """A server that never ends a prediction by itself, and one run that measures it.

    Args:
        server: with one service.
        names: of the images.
        wait_s: `--ddperf-recovery-timeout`.
    """

    def __init__(self, server: ScriptedDeepDetect, names: Path, wait_s: float = 120.0) -> None:
        self.server = server
        self.clock = TurnedClock()
        self.said: list[str] = []
        self.health = ServerHealth(self.said.append, self.clock.now, self.clock.sleep)
        options = ServerOptions(server.url, data_dir="/srv", bench_files=str(names), recovery_timeout_s=wait_s)
        self.target = make_target(options, self.said.append, self.health.in_flight)
        self.target.open()

    def give_up(self) -> None:
        """A prediction that is not answered in time."""
        with pytest.raises(ServerUnreachableError, match="silent"):
            predict_body(self.target.client, BODY, timeout_s=0.05)

    def end(self, after_s: float = 0.0) -> None:
        """Let the server end it, now or when the clock says so."""

        def tick(now_s: float) -> None:
            if now_s >= after_s:
                self.server.use_elsewhere("resnet50")
                self.clock.then = lambda _: None

        self.clock.then = tick
        if not after_s:
            tick(self.clock.s)

    def settle(self) -> int:
        """As before a cell.

        Returns:
            How often the server was asked.
        """
        before = len(self.server.requests)
        self.health.wait_until_idle(self.target)
        return len(self.server.requests) - before

    def refused(self) -> str:
        """The words with which the next cell is refused."""
        with pytest.raises(ServerBusyError) as error:
            self.settle()
        return str(error.value)


@pytest.fixture
def server() -> Iterator[ScriptedDeepDetect]:
    with ScriptedDeepDetect(services=["resnet50"], works_s=lambda _: math.inf) as running:
        yield running


@pytest.fixture
def names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    path = tmp_path / "names.txt"
    path.write_text("1.jpg\n", encoding="utf-8")
    return path


@pytest.fixture
def scene(server: ScriptedDeepDetect, names: Path) -> Iterator[Scene]:
    """Patient for 120 s."""
    made = Scene(server, names)
    yield made
    made.target.close()


def test_a_server_that_was_given_time_enough_is_not_asked(scene: Scene) -> None:
    assert scene.settle() == 0


@pytest.mark.parametrize("after_s", [1, 10, 60])
def test_a_prediction_that_ends_is_waited_for_with_longer_and_longer_pauses(scene: Scene, after_s: int) -> None:
    scene.give_up()
    scene.end(after_s)
    scene.settle()
    assert after_s <= scene.clock.s <= after_s + 2
    assert scene.clock.slept == sorted(scene.clock.slept)
    assert scene.clock.slept[0] == 0.1
    waiting, finished = scene.said
    assert all(scene.server.url in line and "a prediction of resnet50" in line for line in scene.said)
    assert ("120 s" in waiting, f"{scene.clock.s:.0f} s" in finished) == (True, True)
    assert scene.settle() == 0


def test_one_that_has_ended_meanwhile_is_no_news(scene: Scene) -> None:
    scene.give_up()
    scene.end()
    assert scene.settle() == 1
    assert not scene.said
    assert not scene.clock.slept


def test_one_that_does_not_end_is_waited_for_once_and_every_cell_until_it_ends_is_an_error(scene: Scene) -> None:
    scene.give_up()
    first = scene.refused()
    assert scene.clock.s == pytest.approx(120)
    for words in ("a prediction of resnet50", "waited 120 s", "would be wrong", "restart", "--ddperf-timeout"):
        assert words in first
    assert scene.server.url in first
    assert (scene.server.url in scene.said[-1], "120 s" in scene.said[-1]) == (True, True)
    asked = len(scene.server.requests)
    assert "waited" not in scene.refused()
    assert scene.clock.s == pytest.approx(120)
    assert len(scene.server.requests) == asked + 1
    scene.end()
    assert scene.settle() == 1


def test_the_next_one_after_one_that_ended_is_waited_for_again(scene: Scene) -> None:
    scene.give_up()
    scene.refused()
    scene.end()
    scene.settle()
    scene.give_up()
    scene.end(after_s=scene.clock.s + 5)
    scene.settle()
    assert 125 <= scene.clock.s <= 127


def test_without_a_recovery_timeout_nothing_is_waited_for(server: ScriptedDeepDetect, names: Path) -> None:
    scene = Scene(server, names, wait_s=0.0)
    scene.give_up()
    assert "waited" not in scene.refused()
    assert not scene.said
    assert not scene.clock.slept
    scene.target.close()


def test_what_was_given_up_is_remembered_over_a_new_connection(scene: Scene) -> None:
    scene.give_up()
    scene.target.close()
    scene.target.open()
    assert "resnet50" in scene.refused()


def test_a_server_that_vanished_has_nothing_to_end(scene: Scene) -> None:
    scene.give_up()
    scene.refused()
    scene.health.note_outage()
    assert scene.settle() == 0


def test_a_server_that_vanishes_while_it_is_waited_for_does_not_answer(scene: Scene) -> None:
    scene.give_up()
    scene.clock.then = lambda _: scene.server.go_down()
    with pytest.raises(ServerUnreachableError):
        scene.settle()


def test_a_cell_beside_it_ends_as_an_error_whatever_its_baseline_has() -> None:
    for expected in (True, False):
        assert classify_failure(ServerBusyError("at work"), expected=expected)[0] is Outcome.ERROR
