"""Outages on a clock that the test turns."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from scripted_deepdetect import ScriptedDeepDetect
from turned_clock import TurnedClock

from pytest_ddperf.config.server_options import ServerOptions
from pytest_ddperf.core.records import CellKey
from pytest_ddperf.deepdetect.client import Client
from pytest_ddperf.deepdetect.predictions import Prediction
from pytest_ddperf.deepdetect.protocol import Answer, Info, ServiceInfo, ServiceStats
from pytest_ddperf.errors import (
    AnswerError,
    BatchNotRunError,
    ServerFailedError,
    ServerGoneError,
    ServiceGoneError,
    ServiceNotFoundError,
)
from pytest_ddperf.runner.outages import DEATHS_RUNNING, Outages
from pytest_ddperf.servers.target import Target

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SMALL, LARGE = CellKey("tk1", "resnet50", 4), CellKey("tk1", "resnet50", 8)


@pytest.fixture
def server() -> Iterator[ScriptedDeepDetect]:
    """With one service."""
    with ScriptedDeepDetect(services=["resnet50"]) as running:
        yield running


@pytest.fixture
def target(server: ScriptedDeepDetect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Target]:
    """Open, and patient for 120 s."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "names.txt").write_text("1.jpg\n", encoding="utf-8")
    options = ServerOptions(
        server.url, data_dir="/srv", bench_files=str(tmp_path / "names.txt"), recovery_timeout_s=120.0
    )
    said.clear()
    opened = Target(options, said.append)
    opened.open()
    yield opened
    opened.close()


said: list[str] = []


def recovery(clock: TurnedClock) -> Outages:
    return Outages({"tk1": "one", "tx1": "one", "nano": "other"}, now=clock.now, sleep=clock.sleep)


def unasked(model: str, batch_size: int) -> Answer:
    raise AssertionError(f"{model} was asked for {batch_size} images")


def answered(category: str) -> Answer:
    return Answer(1.0, (Prediction("0", ((category, 0.9),)),))


def told(count: int) -> Info:
    return Info(services=(ServiceInfo("resnet50", stats=ServiceStats(predict_count=count)),))


@pytest.mark.parametrize("after_s", [1, 10, 60])
def test_a_server_that_comes_back_is_waited_for_with_longer_and_longer_pauses(
    server: ScriptedDeepDetect, target: Target, after_s: int
) -> None:
    clock = TurnedClock()
    server.go_down()

    def restart(s: float) -> None:
        if s >= after_s:
            server._come_back()
            clock.then = lambda _: None

    clock.then = restart
    outages = recovery(clock)
    outages.vanished("tk1", None)
    outages.come_back("tk1", target)
    assert not outages.is_gone("tk1")
    assert after_s <= clock.s <= after_s + 2
    assert clock.slept == sorted(clock.slept)
    assert "waiting up to 120 s" in said[0]
    assert "is back after" in said[-1]


def test_a_server_that_does_not_come_back_is_waited_for_once(server: ScriptedDeepDetect, target: Target) -> None:
    clock = TurnedClock()
    server.go_down()
    outages = recovery(clock)
    outages.vanished("tk1", None)
    with pytest.raises(ServerGoneError, match=r"still does not answer \(waited 120 s"):
        outages.come_back("tk1", target)
    assert clock.s == pytest.approx(120)
    with pytest.raises(ServerGoneError, match="still does not answer"):
        outages.come_back("tk1", target)
    assert clock.s == pytest.approx(120)


def test_a_server_that_keeps_dying_is_not_waited_for_any_more(server: ScriptedDeepDetect, target: Target) -> None:
    clock = TurnedClock()
    server.go_down()
    outages = recovery(clock)
    for _ in range(DEATHS_RUNNING + 1):
        outages.vanished("tk1", None)
    with pytest.raises(ServerGoneError):
        outages.come_back("tk1", target)
    assert clock.s == 0


def test_a_cell_measured_in_between_makes_the_next_death_the_first(server: ScriptedDeepDetect, target: Target) -> None:
    clock = TurnedClock()
    server.go_down()
    outages = recovery(clock)
    for _ in range(DEATHS_RUNNING):
        outages.vanished("tk1", None)
    outages.measured("tk1")
    outages.vanished("tk1", None)
    with pytest.raises(ServerGoneError):
        outages.come_back("tk1", target)
    assert clock.s == pytest.approx(120)


def test_platforms_that_share_a_server_share_its_outages() -> None:
    outages = recovery(TurnedClock())
    outages.vanished("tk1", None)
    assert outages.shares_a_gone_server("tx1")
    assert not outages.shares_a_gone_server("nano")


@pytest.mark.parametrize(
    ("before", "limited"),
    [
        pytest.param(told(0), False, id="its counts go on: the connection was cut, and no more"),
        pytest.param(told(7), True, id="its counts begin anew: it died"),
        pytest.param(Info(services=(ServiceInfo("vgg16"),)), True, id="a service is gone: it died"),
    ],
)
def test_a_batch_that_brought_a_server_down_keeps_larger_ones_from_being_run(
    target: Target, before: Info, limited: bool
) -> None:
    outages = recovery(TurnedClock())
    outages.vanished("tk1", before, SMALL, "cut")
    outages.come_back("tk1", target)
    outages.check_size(SMALL)
    if not limited:
        outages.check_size(LARGE)
        return
    with pytest.raises(BatchNotRunError, match="batch size 4 brought the server down: cut") as caught:
        outages.check_size(LARGE)
    assert caught.value.died


def test_a_batch_that_exhausted_the_memory_keeps_larger_ones_of_its_model_from_being_run() -> None:
    outages = recovery(TurnedClock())
    outages.exhausted(SMALL, ServerFailedError("no memory"))
    with pytest.raises(BatchNotRunError, match="batch size 4 was more than its memory holds: no memory"):
        outages.check_size(LARGE)
    outages.check_size(CellKey("tk1", "vgg16", 8))
    outages.check_size(CellKey("tk1", "resnet50", 2))


class TestBelief:
    def test_a_server_to_which_nothing_happened_is_not_asked(self) -> None:
        outages = recovery(TurnedClock())
        outages.compare(SMALL, answered("cat"))
        outages.believe("tk1", "resnet50", unasked)

    def test_the_model_that_is_next_is_compared_as_it_was_asked_first(self) -> None:
        outages = recovery(TurnedClock())
        outages.compare(SMALL, answered("cat"))
        outages.compare(LARGE, answered("cat"))
        outages.suspect("tk1")
        asked: list[tuple[str, int]] = []

        def predict(model: str, batch_size: int) -> Answer:
            asked.append((model, batch_size))
            return answered("cat")

        outages.believe("tk1", "resnet50", predict)
        outages.believe("tk1", "resnet50", predict)
        assert asked == [("resnet50", 4)]

    def test_for_a_model_that_is_new_the_last_one_is_compared(self) -> None:
        outages = recovery(TurnedClock())
        outages.compare(SMALL, answered("cat"))
        outages.suspect("tk1")
        with pytest.raises(AnswerError, match="resnet50 does not predict what it did"):
            outages.believe("tk1", "vgg16", lambda *_: answered("dog"))

    def test_a_model_whose_service_is_gone_is_passed_over_for_one_that_is_there(self) -> None:
        outages = recovery(TurnedClock())
        outages.compare(SMALL, answered("cat"))
        outages.compare(CellKey("tk1", "googlenet", 4), answered("cat"))
        outages.suspect("tk1")

        def predict(model: str, _: int) -> Answer:
            if model == "googlenet":
                raise ServiceNotFoundError("googlenet is gone")
            return answered("cat")

        outages.believe("tk1", "vgg16", predict)
        outages.believe("tk1", "vgg16", unasked)

    def test_where_no_service_is_left_the_server_is_not_believed(self) -> None:
        outages = recovery(TurnedClock())
        outages.compare(SMALL, answered("cat"))
        outages.suspect("tk1")

        def predict(*_: object) -> Answer:
            raise ServiceNotFoundError("it is gone")

        for _ in range(2):
            with pytest.raises(ServiceGoneError, match="none of what it served before is left to compare: it is gone"):
                outages.believe("tk1", "vgg16", predict)

    def test_a_server_that_differs_is_compared_again_before_each_cell(self) -> None:
        outages = recovery(TurnedClock())
        outages.compare(SMALL, answered("cat"))
        outages.suspect("tk1")
        for _ in range(2):
            with pytest.raises(AnswerError):
                outages.believe("tk1", "resnet50", lambda *_: answered("dog"))
        outages.believe("tk1", "resnet50", lambda *_: answered("cat"))
        outages.believe("tk1", "resnet50", unasked)

    def test_a_suspicion_of_one_model_is_none_of_the_others(self) -> None:
        outages = recovery(TurnedClock())
        outages.compare(SMALL, answered("cat"))
        outages.suspect("tk1", "resnet50")
        outages.believe("tk1", "vgg16", unasked)
        with pytest.raises(AnswerError):
            outages.believe("tk1", "resnet50", lambda *_: answered("dog"))


class TestLaterAnswers:
    """What a model predicts is held against what it predicted first, whatever is known of the server."""

    def test_one_that_agrees_is_taken(self) -> None:
        outages = recovery(TurnedClock())
        outages.compare(SMALL, answered("cat"))
        outages.compare(LARGE, answered("cat"))

    def test_one_that_differs_is_refused_at_any_batch_size(self) -> None:
        outages = recovery(TurnedClock())
        outages.compare(SMALL, answered("cat"))
        for key in (SMALL, LARGE, SMALL):
            with pytest.raises(AnswerError, match="resnet50 does not predict what it did at the start of the run"):
                outages.compare(key, answered("dog"))

    def test_images_that_the_first_answer_did_not_hold_are_compared_with_nothing(self) -> None:
        outages = recovery(TurnedClock())
        outages.compare(SMALL, answered("cat"))
        outages.compare(LARGE, Answer(1.0, (Prediction("0", (("cat", 0.9),)), Prediction("1", (("dog", 0.9),)))))

    def test_a_smaller_batch_than_the_first_is_compared_by_the_images_that_it_holds(self) -> None:
        outages = recovery(TurnedClock())
        outages.compare(LARGE, Answer(1.0, (Prediction("0", (("cat", 0.9),)), Prediction("1", (("dog", 0.9),)))))
        outages.compare(SMALL, answered("cat"))
        with pytest.raises(AnswerError):
            outages.compare(SMALL, answered("dog"))

    def test_a_near_tie_may_fall_otherwise_at_another_batch_size_and_not_at_the_same(self) -> None:
        outages = recovery(TurnedClock())
        outages.compare(SMALL, Answer(1.0, (Prediction("0", (("cat", 0.30),)),)))
        other = Answer(1.0, (Prediction("0", (("dog", 0.29),)),))
        outages.compare(LARGE, other)
        with pytest.raises(AnswerError):
            outages.compare(SMALL, other)

    def test_other_models_and_platforms_are_none_of_it(self) -> None:
        outages = recovery(TurnedClock())
        outages.compare(SMALL, answered("cat"))
        outages.compare(CellKey("tk1", "vgg16", 4), answered("dog"))
        outages.compare(CellKey("tx1", "resnet50", 4), answered("dog"))


def test_what_a_server_says_of_itself_is_remembered(server: ScriptedDeepDetect) -> None:
    with Client(server.url) as client:
        assert client.latest_info is None
        assert client.info() is client.latest_info


def too_large(recovery: Outages, key: CellKey) -> bool:
    try:
        recovery.check_size(key)
    except BatchNotRunError:
        return True
    return False


def test_what_is_too_much_under_a_load_says_nothing_of_the_cell_without_and_of_other_loads() -> None:
    recovery = Outages({"tk1": "http://tk1"})
    recovery.exhausted(replace(SMALL, scenario="c8"), ServerFailedError("out of memory"))
    assert too_large(recovery, replace(LARGE, scenario="c8"))
    assert not too_large(recovery, replace(SMALL, scenario="c8"))
    assert not any(too_large(recovery, key) for key in (LARGE, replace(LARGE, scenario="c2")))


def test_what_is_too_much_for_one_client_is_too_much_for_several() -> None:
    recovery = Outages({"tk1": "http://tk1"})
    recovery.exhausted(SMALL, ServerFailedError("out of memory"))
    assert all(too_large(recovery, replace(key, scenario="c2")) for key in (SMALL, LARGE))
    assert not too_large(recovery, SMALL)
