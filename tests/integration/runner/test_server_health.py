"""What is remembered of a server, on a clock that the test turns."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from messages import assert_names
from scripted_deepdetect import ScriptedDeepDetect
from targets import make_target
from turned_clock import TurnedClock

from pytest_ddperf.config.server_options import ServerOptions
from pytest_ddperf.core.records import CellKey
from pytest_ddperf.deepdetect.client import Client
from pytest_ddperf.deepdetect.predictions import Class, Prediction
from pytest_ddperf.deepdetect.protocol import Answer, Info, ServiceInfo, ServiceStats
from pytest_ddperf.errors import (
    AnswerError,
    BatchNotRunError,
    ServerGoneError,
    ServiceGoneError,
    ServiceNotFoundError,
)
from pytest_ddperf.runner.server_health import MOST_OUTAGES, CutPrediction, ServerHealth
from pytest_ddperf.servers.services import OpenService

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytest_ddperf.servers.target import Target

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
    opened = make_target(options, said.append)
    opened.open()
    yield opened
    opened.close()


said: list[str] = []


def health_on(clock: TurnedClock) -> ServerHealth:
    return ServerHealth(said.append, clock.now, clock.sleep)


@pytest.fixture
def health() -> ServerHealth:
    return health_on(TurnedClock())


def unasked(model: str, batch_size: int) -> Answer:
    raise AssertionError(f"{model} was asked for {batch_size} images")


def answered(*categories: str) -> Answer:
    return Answer(1.0, tuple(Prediction(str(uri), (Class(one, 0.9),)) for uri, one in enumerate(categories)))


def reported(count: int) -> Info:
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
    health = health_on(clock)
    health.note_outage()
    health.await_return(target)
    assert not health.is_gone
    assert after_s <= clock.s <= after_s + 2
    assert clock.slept == sorted(clock.slept)
    assert ("120 s" in said[0], "is back" in said[-1]) == (True, True)


def test_a_server_that_does_not_come_back_is_waited_for_once(server: ScriptedDeepDetect, target: Target) -> None:
    clock = TurnedClock()
    server.go_down()
    health = health_on(clock)
    health.note_outage()
    with pytest.raises(ServerGoneError) as caught:
        health.await_return(target)
    assert_names(caught, "120 s")
    assert clock.s == pytest.approx(120)
    with pytest.raises(ServerGoneError) as caught:
        health.await_return(target)
    assert_names(caught, "not back")
    assert clock.s == pytest.approx(120)


def test_a_server_that_keeps_dying_is_not_waited_for_any_more(server: ScriptedDeepDetect, target: Target) -> None:
    clock = TurnedClock()
    server.go_down()
    health = health_on(clock)
    for _ in range(MOST_OUTAGES + 1):
        health.note_outage()
    with pytest.raises(ServerGoneError):
        health.await_return(target)
    assert clock.s == 0


def test_a_cell_measured_in_between_makes_the_next_death_the_first(server: ScriptedDeepDetect, target: Target) -> None:
    clock = TurnedClock()
    server.go_down()
    health = health_on(clock)
    for _ in range(MOST_OUTAGES):
        health.note_outage()
    health.note_measured()
    health.note_outage()
    with pytest.raises(ServerGoneError):
        health.await_return(target)
    assert clock.s == pytest.approx(120)


@pytest.mark.parametrize(
    ("before", "limited"),
    [
        pytest.param(reported(0), False, id="its counts go on: the connection was cut, and no more"),
        pytest.param(reported(7), True, id="its counts begin at 0: it died"),
        pytest.param(Info(services=(ServiceInfo("vgg16"),)), True, id="a service is gone: it died"),
    ],
)
def test_a_batch_that_brought_a_server_down_keeps_larger_ones_from_being_run(
    target: Target, before: Info, limited: bool, health: ServerHealth
) -> None:
    health.note_outage(CutPrediction(SMALL, "cut", before))
    health.await_return(target)
    health.check_size(SMALL)
    if not limited:
        health.check_size(LARGE)
        return
    with pytest.raises(BatchNotRunError) as caught:
        health.check_size(LARGE)
    assert_names(caught, "batch size 4", "cut")
    assert caught.value.died


def test_a_batch_that_exhausted_the_memory_keeps_larger_ones_of_its_model_from_being_run(health: ServerHealth) -> None:
    health.note_exhausted(SMALL, "no memory")
    with pytest.raises(BatchNotRunError) as caught:
        health.check_size(LARGE)
    assert_names(caught, "batch size 4", "no memory")
    health.check_size(CellKey("tk1", "vgg16", 8))
    health.check_size(CellKey("tk1", "resnet50", 2))


class TestBelief:
    def test_a_server_to_which_nothing_happened_is_not_asked(self, health: ServerHealth) -> None:
        health.compare(SMALL, answered("cat"))
        health.verify("tk1", "resnet50", unasked)

    def test_the_model_that_is_next_is_compared_as_it_was_asked_first(self, health: ServerHealth) -> None:
        health.compare(SMALL, answered("cat"))
        health.compare(LARGE, answered("cat"))
        health.suspect("tk1")
        asked: list[tuple[str, int]] = []

        def predict(model: str, batch_size: int) -> Answer:
            asked.append((model, batch_size))
            return answered("cat")

        health.verify("tk1", "resnet50", predict)
        health.verify("tk1", "resnet50", predict)
        assert asked == [("resnet50", 4)]

    def test_for_a_model_that_is_new_the_last_one_is_compared(self, health: ServerHealth) -> None:
        health.compare(SMALL, answered("cat"))
        health.suspect("tk1")
        with pytest.raises(AnswerError) as caught:
            health.verify("tk1", "vgg16", lambda *_: answered("dog"))
        assert_names(caught, "resnet50", "cat", "dog")

    def test_a_model_whose_service_is_gone_is_passed_over_for_one_that_is_there(self, health: ServerHealth) -> None:
        health.compare(SMALL, answered("cat"))
        health.compare(CellKey("tk1", "googlenet", 4), answered("cat"))
        health.suspect("tk1")

        def predict(model: str, _: int) -> Answer:
            if model == "googlenet":
                raise ServiceNotFoundError("googlenet is gone")
            return answered("cat")

        health.verify("tk1", "vgg16", predict)
        health.verify("tk1", "vgg16", unasked)

    def test_where_no_service_is_left_the_server_is_not_believed(self, health: ServerHealth) -> None:
        health.compare(SMALL, answered("cat"))
        health.suspect("tk1")

        def predict(*_: object) -> Answer:
            raise ServiceNotFoundError("it is gone")

        for _ in range(2):
            with pytest.raises(ServiceGoneError, match="it is gone"):
                health.verify("tk1", "vgg16", predict)

    def test_a_server_that_differs_is_compared_again_before_each_cell(self, health: ServerHealth) -> None:
        health.compare(SMALL, answered("cat"))
        health.suspect("tk1")
        for _ in range(2):
            with pytest.raises(AnswerError):
                health.verify("tk1", "resnet50", lambda *_: answered("dog"))
        health.verify("tk1", "resnet50", lambda *_: answered("cat"))
        health.verify("tk1", "resnet50", unasked)

    def test_a_suspicion_of_one_model_is_none_of_the_others(self, health: ServerHealth) -> None:
        health.compare(SMALL, answered("cat"))
        health.suspect("tk1", "resnet50")
        health.verify("tk1", "vgg16", unasked)
        with pytest.raises(AnswerError):
            health.verify("tk1", "resnet50", lambda *_: answered("dog"))


class TestLaterAnswers:
    """What a model predicts is compared with what it predicted first, whatever is known of the server."""

    def test_one_that_agrees_is_taken(self, health: ServerHealth) -> None:
        health.compare(SMALL, answered("cat"))
        health.compare(LARGE, answered("cat"))

    def test_one_that_differs_is_refused_at_any_batch_size(self, health: ServerHealth) -> None:
        health.compare(SMALL, answered("cat"))
        for key in (SMALL, LARGE, SMALL):
            with pytest.raises(AnswerError) as caught:
                health.compare(key, answered("dog"))
            assert_names(caught, "resnet50", "cat", "dog")

    def test_images_that_the_first_answer_did_not_hold_are_compared_with_nothing(self, health: ServerHealth) -> None:
        health.compare(SMALL, answered("cat"))
        health.compare(LARGE, answered("cat", "dog"))

    def test_a_smaller_batch_than_the_first_is_compared_by_the_images_that_it_holds(self, health: ServerHealth) -> None:
        health.compare(LARGE, answered("cat", "dog"))
        health.compare(SMALL, answered("cat"))
        with pytest.raises(AnswerError):
            health.compare(SMALL, answered("dog"))

    def test_a_near_tie_may_fall_otherwise_at_another_batch_size_and_not_at_the_same(
        self, health: ServerHealth
    ) -> None:
        health.compare(SMALL, Answer(1.0, (Prediction("0", (Class("cat", 0.30),)),)))
        other = Answer(1.0, (Prediction("0", (Class("dog", 0.29),)),))
        health.compare(LARGE, other)
        with pytest.raises(AnswerError):
            health.compare(SMALL, other)

    def test_other_models_and_platforms_are_none_of_it(self, health: ServerHealth) -> None:
        health.compare(SMALL, answered("cat"))
        health.compare(CellKey("tk1", "vgg16", 4), answered("dog"))
        health.compare(CellKey("tx1", "resnet50", 4), answered("dog"))


def test_what_a_server_says_of_itself_is_remembered(server: ScriptedDeepDetect) -> None:
    with Client(server.url) as client:
        assert client.latest_info == Info()
        assert client.info() is client.latest_info


def too_large(health: ServerHealth, key: CellKey) -> bool:
    try:
        health.check_size(key)
    except BatchNotRunError:
        return True
    return False


def test_what_is_too_much_under_a_load_says_nothing_of_the_cell_without_and_of_other_loads(
    health: ServerHealth,
) -> None:
    health.note_exhausted(replace(SMALL, scenario="c8"), "out of memory")
    assert too_large(health, replace(LARGE, scenario="c8"))
    assert not too_large(health, replace(SMALL, scenario="c8"))
    assert not any(too_large(health, key) for key in (LARGE, replace(LARGE, scenario="c2")))


def test_what_is_too_much_for_one_client_is_too_much_for_several(health: ServerHealth) -> None:
    health.note_exhausted(SMALL, "out of memory")
    assert all(too_large(health, replace(key, scenario="c2")) for key in (SMALL, LARGE))
    assert not too_large(health, SMALL)


def creation() -> OpenService:
    """A service that was created from a template, whose weights are random."""
    return OpenService("resnet50", "torch", True, 1.0, 224, 224, False, "fp32", template="resnet50")


class TestRandomWeights:
    """A template's weights are random and new with every creation."""

    @staticmethod
    def assert_differs(health: ServerHealth, answer: str, service: OpenService) -> None:
        with pytest.raises(AnswerError) as caught:
            health.compare(SMALL, answered(answer), service)
        assert_names(caught, "resnet50", "cat", "dog")

    def test_predictions_of_one_creation_are_compared(self, health: ServerHealth) -> None:
        one = creation()
        health.compare(SMALL, answered("cat"), one)
        self.assert_differs(health, "dog", one)

    def test_predictions_of_two_creations_are_not(self, health: ServerHealth) -> None:
        health.compare(SMALL, answered("cat"), creation())
        second = creation()
        health.compare(SMALL, answered("dog"), second)
        self.assert_differs(health, "cat", second)

    def test_a_creation_that_is_gone_verifies_nothing(self, health: ServerHealth) -> None:
        health.compare(SMALL, answered("cat"), creation())
        health.suspect("tk1")
        health.forget_random("tk1", creation())
        health.verify("tk1", "resnet50", unasked)

    def test_one_that_still_exists_does(self, health: ServerHealth) -> None:
        one = creation()
        health.compare(SMALL, answered("cat"), one)
        health.suspect("tk1")
        health.forget_random("tk1", one)
        with pytest.raises(AnswerError) as caught:
            health.verify("tk1", "resnet50", lambda *_: answered("dog"))
        assert_names(caught, "resnet50", "cat", "dog")

    def test_networks_from_files_and_other_platforms_are_not_forgotten(self, health: ServerHealth) -> None:
        health.compare(SMALL, answered("cat"))
        health.compare(CellKey("tx1", "resnet50", 4), answered("cat"), creation())
        health.suspect("tk1")
        health.suspect("tx1")
        health.forget_random("tk1", None)
        for platform in ("tk1", "tx1"):
            with pytest.raises(AnswerError) as caught:
                health.verify(platform, "resnet50", lambda *_: answered("dog"))
            assert_names(caught, "resnet50", "cat", "dog")
