from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from messages import assert_names
from plans import make_plan
from scripted_deepdetect import ScriptedDeepDetect, ServiceSetup, never_ends
from scripted_server import Reply
from turned_clock import TurnedClock

from pytest_ddperf.config.server_options import ServerOptions
from pytest_ddperf.core.budgets import NO_BUDGET
from pytest_ddperf.core.catalog import build_bare_catalog
from pytest_ddperf.core.platform import Platform
from pytest_ddperf.core.records import (
    Baseline,
    CellKey,
    Clock,
    Conditions,
    Outcome,
    Unavailable,
)
from pytest_ddperf.core.service_parameters import ServiceParameters
from pytest_ddperf.deepdetect.url import identify_server
from pytest_ddperf.errors import (
    AnswerError,
    BatchNotRunError,
    ConfigurationError,
    GatewayError,
    RequestRefusedError,
    ServerBusyError,
    ServerGoneError,
    ServerUnreachableError,
)
from pytest_ddperf.measure.loop import Plan
from pytest_ddperf.runner.runner import Runner
from pytest_ddperf.servers.lock import ServerLock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from scripted_deepdetect import Prediction
    from scripted_server import Request

    from pytest_ddperf.measure.loop import Progress

PLATFORM = Platform("tk1", "Jetson TK1", parameters=ServiceParameters(gpu=True, mllib="caffe"))
KEY, OTHER, X = CellKey("tk1", "resnet50", 2), CellKey("tk1", "resnet50", 4), CellKey("tk1", "vgg16", 1)
CONDITIONS = Conditions(Clock.PREDICT, "caffe", gpu=True)
PUBLISHED: dict[CellKey, Baseline | Unavailable] = {
    KEY: Baseline("report", 9.75, "tk1.csv, line 3"),
    X: Unavailable("line 2"),
}


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "names.txt").write_text("".join(f"{number}.jpg\n" for number in range(8)), encoding="utf-8")


@pytest.fixture
def server() -> Iterator[ScriptedDeepDetect]:
    """10 ms an image."""
    with ScriptedDeepDetect(services=["resnet50"]) as running:
        yield running


def runner_for(
    server: ScriptedDeepDetect,
    folder: Path,
    baseline: Mapping[CellKey, Baseline | Unavailable] = PUBLISHED,
    repository: str | None = None,
    timer: str = "auto",
    *,
    timeout_s: float = 300.0,
    recovery_timeout_s: float = 0.0,
    now: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
    platforms: tuple[str, ...] = ("tk1",),
    parameters: ServiceParameters | None = None,
    cold_start_timeout_s: float = 900.0,
) -> Runner:
    options = ServerOptions(
        server.url,
        data_dir="/srv",
        bench_files=str(folder / "names.txt"),
        repository=repository,
        parameters=parameters or ServiceParameters(gpu=True),
        cold_start_timeout_s=cold_start_timeout_s,
        platform_mllib="caffe",
        timeout_s=timeout_s,
        recovery_timeout_s=recovery_timeout_s,
    )
    passes = Plan(1, 5, timer=timer)
    plans = {name: make_plan(replace(PLATFORM, id=name), options, passes, 0.1, baseline) for name in platforms}
    return Runner(plans, build_bare_catalog().networks, lambda _: None, now=now, sleep=sleep)


def quiet(_: Progress) -> None:
    """Nobody watches."""


def test_a_cell_is_measured_under_its_conditions(server: ScriptedDeepDetect, tmp_path: Path) -> None:
    runner = runner_for(server, tmp_path)
    measurement = runner.open("tk1").measure(KEY, quiet)
    assert measurement.conditions == CONDITIONS
    assert measurement.per_image_ms() == [pytest.approx([10.0] * 5)]
    assert measurement.cold_start.create_ms is None
    runner.close()
    runner.close()


def test_the_start_of_a_service_that_we_create_is_timed_once(server: ScriptedDeepDetect, tmp_path: Path) -> None:
    runner = runner_for(server, tmp_path, repository="/models/{model}")
    first = runner.open("tk1").measure(CellKey("tk1", "vgg16", 1), quiet)
    second = runner.open("tk1").measure(CellKey("tk1", "vgg16", 2), quiet)
    assert first.cold_start.create_ms is not None
    assert first.cold_start.first_predict_ms is not None
    assert second.cold_start.first_predict_ms is None
    assert [one.batch for one in server.predictions] == [1] * 7 + [2] * 6
    runner.close()


def test_a_second_round_is_added_to_the_first(server: ScriptedDeepDetect, tmp_path: Path) -> None:
    runner = runner_for(server, tmp_path)
    again = runner.open("tk1").measure(KEY, quiet, runner.open("tk1").measure(KEY, quiet))
    assert [len(one.passes) for one in again.rounds] == [5, 5]
    runner.close()


def test_one_prediction_can_be_made_without_a_measurement(server: ScriptedDeepDetect, tmp_path: Path) -> None:
    runner = runner_for(server, tmp_path)
    runner.open("tk1").predict_once(KEY)
    assert [one.batch for one in server.predictions] == [2]
    runner.close()


def test_progress_is_reported_before_every_prediction(server: ScriptedDeepDetect, tmp_path: Path) -> None:
    reported: list[tuple[bool, int]] = []
    runner = runner_for(server, tmp_path)
    runner.open("tk1").measure(KEY, lambda progress: reported.append((progress.warmup, progress.number)))
    assert reported == [(True, 1), (False, 1), (False, 2), (False, 3), (False, 4), (False, 5)]
    runner.close()


def test_a_server_that_was_down_is_not_asked_again(server: ScriptedDeepDetect, tmp_path: Path) -> None:
    server.close()
    runner = runner_for(server, tmp_path)
    with pytest.raises(ServerUnreachableError) as first:
        runner.open("tk1")
    with pytest.raises(ServerUnreachableError) as second:
        runner.open("tk1").measure(KEY, quiet)
    assert str(first.value) == str(second.value)
    assert server.connections == 0
    runner.close()


@pytest.mark.parametrize("marked", [False, True], ids=["found-down", "marked-down"])
def test_each_cell_of_a_server_that_is_down_gets_an_error_of_its_own(
    server: ScriptedDeepDetect, tmp_path: Path, marked: bool
) -> None:
    server.close()
    runner = runner_for(server, tmp_path)
    if marked:
        runner.platforms["tk1"].down = ServerUnreachableError("No answer", url=server.url)
    found: list[pytest.ExceptionInfo[ServerUnreachableError]] = []
    for _ in range(4):
        with pytest.raises(ServerUnreachableError) as caught:
            runner.open("tk1").measure(KEY, quiet)
        found.append(caught)
    assert len({id(one.value) for one in found}) == 4
    assert len({str(one.value) for one in found}) == 1
    assert [one.value.url for one in found] == [server.url] * 4
    assert len({len(one.traceback) for one in found[1:]}) == 1
    assert all(one.value.__cause__ is None for one in found[1:])
    assert found[0].value.__cause__ is not found[0].value
    runner.close()


def cut_from(server: ScriptedDeepDetect, prediction: int, cuts: int | None = None) -> None:
    """From a prediction on, let a server hang up on all requests, or on so many."""
    usual, left = server.respond, [True] * cuts if cuts is not None else None

    def respond(request: Request) -> Reply:
        if len(server.predictions) < prediction or left == []:
            return usual(request)
        if left is not None:
            left.pop()
        return Reply(drop=True)

    server.respond = respond


def test_a_server_that_hangs_up_in_the_middle_is_gone(server: ScriptedDeepDetect, tmp_path: Path) -> None:
    runner = runner_for(server, tmp_path)
    cut_from(server, 3)
    with pytest.raises(ServerGoneError) as gone:
        runner.open("tk1").measure(KEY, quiet)
    assert_names(gone, "cut", server.url)
    assert runner.platforms["tk1"].records.record_failure(KEY, "test", gone.value).outcome is Outcome.CRASHED
    before = len(server.requests)
    with pytest.raises(ServerGoneError) as caught:
        runner.open("tk1").measure(OTHER, quiet)
    assert_names(caught, "not back", server.url)
    assert [one.path for one in server.requests[before:]] == ["/info"]
    runner.close()


def test_a_connection_cut_at_the_first_prediction_of_a_model_is_no_server_that_died_of_it(tmp_path: Path) -> None:
    with ScriptedDeepDetect() as server:
        runner = runner_for(server, tmp_path, repository="/models/{model}")
        runner.open("tk1").measure(KEY, quiet)  # its service is deleted by us, and so is not missing afterwards
        server.fault = lambda prediction: Reply(drop=True) if prediction.number == 8 else None
        with pytest.raises(ServerGoneError):
            runner.open("tk1").measure(CellKey("tk1", "vgg16", 1), quiet)
        assert len(runner.open("tk1").measure(CellKey("tk1", "vgg16", 2), quiet).rounds) == 1
        runner.close()


def test_a_server_that_comes_back_is_opened_anew(server: ScriptedDeepDetect, tmp_path: Path) -> None:
    runner = runner_for(server, tmp_path)
    cut_from(server, 3, cuts=2)  # a question that is cut off is put once more
    with pytest.raises(ServerGoneError):
        runner.open("tk1").measure(KEY, quiet)
    assert len(runner.open("tk1").measure(OTHER, quiet).rounds) == 1
    runner.close()


def test_a_server_that_is_silent_too_long_and_still_there_is_no_crash(
    server: ScriptedDeepDetect, tmp_path: Path
) -> None:
    runner = runner_for(server, tmp_path, timeout_s=0.1)
    server.fault = lambda prediction: Reply(delay_s=0.4) if prediction.number == 3 else None
    with pytest.raises(ServerUnreachableError, match="silent") as slow:
        runner.open("tk1").measure(KEY, quiet)
    assert not isinstance(slow.value, ServerGoneError)
    assert runner.platforms["tk1"].records.record_failure(KEY, "test", slow.value).outcome is Outcome.ERROR
    runner.close()


class TestAPredictionThatWasGivenUp:
    """The server goes on with it, and nothing is measured beside it."""

    @pytest.fixture
    def hanging(self) -> Iterator[ScriptedDeepDetect]:
        """At work on the third prediction until the test ends it."""
        with ScriptedDeepDetect(services=["resnet50"], works_s=never_ends(3)) as running:
            yield running

    def test_has_to_end_before_the_next_cell_is_measured(self, hanging: ScriptedDeepDetect, tmp_path: Path) -> None:
        clock = TurnedClock()
        made: list[int] = []

        def then(_: float) -> None:
            made.append(len(hanging.predictions))
            if len(clock.slept) == 3:
                hanging.use_elsewhere("resnet50")

        clock.then = then
        runner = runner_for(hanging, tmp_path, timeout_s=0.2, recovery_timeout_s=20.0, now=clock.now, sleep=clock.sleep)
        with pytest.raises(ServerUnreachableError, match="silent") as slow:
            runner.open("tk1").measure(KEY, quiet)
        assert runner.platforms["tk1"].records.record_failure(KEY, "test", slow.value).outcome is Outcome.ERROR
        assert clock.slept == []
        assert runner.open("tk1").measure(OTHER, quiet).exclusive
        assert clock.slept == [0.1, 0.2, 0.4]
        assert made == [3, 3, 3]
        runner.close()

    def test_keeps_all_cells_from_being_measured_until_it_ends(
        self, hanging: ScriptedDeepDetect, tmp_path: Path
    ) -> None:
        runner = runner_for(hanging, tmp_path, timeout_s=0.2)
        with pytest.raises(ServerUnreachableError):
            runner.open("tk1").measure(KEY, quiet)
        for measure in (lambda: runner.open("tk1").measure(OTHER, quiet), lambda: runner.open("tk1").predict_once(KEY)):
            with pytest.raises(ServerBusyError) as busy:
                measure()
            assert_names(busy, hanging.url, "--ddperf-timeout")
            assert runner.platforms["tk1"].records.record_failure(OTHER, "test", busy.value).outcome is Outcome.ERROR
        assert len(hanging.predictions) == 3
        hanging.use_elsewhere("resnet50")
        assert runner.open("tk1").measure(KEY, quiet).exclusive
        runner.close()

    def test_is_gone_with_a_server_that_vanishes_meanwhile(self, hanging: ScriptedDeepDetect, tmp_path: Path) -> None:
        clock = TurnedClock()

        def then(_: float) -> None:
            if len(clock.slept) == 1:
                hanging.restart()
                hanging.go_down()
            elif len(clock.slept) == 3:
                hanging._come_back()

        clock.then = then
        runner = runner_for(hanging, tmp_path, timeout_s=0.2, recovery_timeout_s=20.0, now=clock.now, sleep=clock.sleep)
        with pytest.raises(ServerUnreachableError):
            runner.open("tk1").measure(KEY, quiet)
        assert runner.open("tk1").measure(OTHER, quiet).exclusive
        runner.close()

    def test_of_a_proxy_that_lost_patience_counts_as_well(self, hanging: ScriptedDeepDetect, tmp_path: Path) -> None:
        hanging.fault = lambda prediction: Reply(504, b"") if prediction.number == 3 else None
        runner = runner_for(hanging, tmp_path)
        with pytest.raises(GatewayError):
            runner.open("tk1").measure(KEY, quiet)
        with pytest.raises(ServerBusyError):
            runner.open("tk1").measure(OTHER, quiet)
        runner.close()

    def test_under_load_is_distinguished_from_those_of_the_other_clients(
        self, hanging: ScriptedDeepDetect, tmp_path: Path
    ) -> None:
        runner = runner_for(hanging, tmp_path, timeout_s=0.5)
        with pytest.raises(ServerUnreachableError):
            runner.open("tk1").measure(replace(KEY, scenario="c4"), quiet)
        with pytest.raises(ServerBusyError):
            runner.open("tk1").measure(KEY, quiet)
        hanging.use_elsewhere("resnet50")
        assert runner.open("tk1").measure(KEY, quiet).exclusive
        runner.close()

    def test_of_a_server_that_does_not_count_cannot_be_known(self, hanging: ScriptedDeepDetect, tmp_path: Path) -> None:
        hanging.tells, hanging.in_real_time = "none", True
        runner = runner_for(hanging, tmp_path, timeout_s=0.2)
        with pytest.raises(ServerUnreachableError):
            runner.open("tk1").measure(KEY, quiet)
        assert runner.open("tk1").measure(KEY, quiet).exclusive is None
        runner.close()

    @pytest.mark.parametrize("counted", [True, False], ids=["counted", "not counted"])
    def test_is_distinguished_from_one_that_failed_in_the_cell_before(
        self, hanging: ScriptedDeepDetect, tmp_path: Path, *, counted: bool
    ) -> None:
        usual = hanging.respond

        def respond(request: Request) -> Reply:
            if request.path != "/predict" or len(hanging.predictions) != 1:
                return usual(request)
            hanging.respond = usual
            if counted:
                usual(request)
            return Reply(429, b"")

        hanging.respond = respond
        hanging.works_s = never_ends(2 + counted)
        runner = runner_for(hanging, tmp_path, timeout_s=0.2)
        with pytest.raises(RequestRefusedError):
            runner.open("tk1").measure(KEY, quiet)
        with pytest.raises(ServerUnreachableError):
            runner.open("tk1").measure(KEY, quiet)
        with pytest.raises(ServerBusyError):
            runner.open("tk1").measure(KEY, quiet)
        hanging.use_elsewhere("resnet50")
        assert runner.open("tk1").measure(KEY, quiet).exclusive
        runner.close()


class TestPlatformsOfOneServer:
    """What happened to a server counts for every platform that is measured on it."""

    def test_wait_for_a_prediction_of_the_other_that_timed_out(self, tmp_path: Path) -> None:
        with ScriptedDeepDetect(services=["resnet50"], works_s=never_ends(3)) as hanging:
            runner = runner_for(hanging, tmp_path, timeout_s=0.2, platforms=("tk1", "tx1"))
            with pytest.raises(ServerUnreachableError):
                runner.open("tk1").measure(KEY, quiet)
            with pytest.raises(ServerBusyError):
                runner.open("tx1").measure(replace(KEY, platform="tx1"), quiet)
            runner.close()

    def test_note_that_it_died_at_a_batch_of_the_other_and_came_back(
        self, server: ScriptedDeepDetect, tmp_path: Path
    ) -> None:
        def die(prediction: Prediction) -> Reply | None:
            if prediction.number != 3:
                return None
            server.forget_totals()
            return Reply(drop=True)

        server.fault = die
        runner = runner_for(server, tmp_path, platforms=("tk1", "tx1"))
        with pytest.raises(ServerGoneError):
            runner.open("tk1").measure(KEY, quiet)
        assert len(runner.open("tx1").measure(replace(KEY, platform="tx1"), quiet).rounds) == 1
        with pytest.raises(BatchNotRunError) as caught:
            runner.open("tk1").measure(OTHER, quiet)
        assert caught.value.died
        assert len(runner.open("tx1").measure(replace(OTHER, platform="tx1"), quiet).rounds) == 1
        runner.close()

    def test_a_server_that_is_not_back_has_one_cause_for_both(self, server: ScriptedDeepDetect, tmp_path: Path) -> None:
        runner = runner_for(server, tmp_path, platforms=("tk1", "tx1"))
        cut_from(server, 3)
        causes = []
        for platform, key in (("tk1", KEY), ("tk1", OTHER), ("tx1", KEY), ("tx1", OTHER)):
            with pytest.raises(ServerGoneError) as caught:
                runner.open(platform).measure(replace(key, platform=platform), quiet)
            causes.append(caught.value.cause)
        assert len(set(causes[1:])) == 1
        runner.close()


def test_one_server_at_a_time_is_taken(server: ScriptedDeepDetect, tmp_path: Path) -> None:
    with ScriptedDeepDetect(services=["resnet50"]) as second:
        plans = {
            name: make_plan(
                replace(PLATFORM, id=name),
                ServerOptions(one.url, data_dir="/srv", bench_files=str(tmp_path / "names.txt")),
                Plan(1, 5),
                0.1,
                PUBLISHED,
            )
            for name, one in (("tk1", server), ("tx1", second), ("nano", server))
        }
        runner = Runner(plans, build_bare_catalog().networks, lambda _: None)
        locks = [ServerLock(identify_server(one.url)) for one in (server, second)]
        taken = []
        for platform in ("tk1", "tx1", "nano"):
            runner.open(platform).measure(replace(KEY, platform=platform), quiet)
            free = [lock.acquire_at_once() for lock in locks]
            taken.append([not one for one in free])
            for lock in locks:
                lock.release()
        assert taken == [[True, False], [False, True], [True, False]]
        runner.close()


def test_too_few_images_are_reported(server: ScriptedDeepDetect, tmp_path: Path) -> None:
    runner = runner_for(server, tmp_path)
    with pytest.raises(ConfigurationError) as caught:
        runner.open("tk1").measure(CellKey("tk1", "resnet50", 16), quiet)
    assert_names(caught, 16, "--ddperf-max-batch-size")
    runner.close()


def test_a_server_that_died_between_two_cells_is_waited_for_and_the_cell_measured(
    server: ScriptedDeepDetect, tmp_path: Path
) -> None:
    runner = runner_for(server, tmp_path, recovery_timeout_s=20.0)
    runner.open("tk1").measure(KEY, quiet)
    server.forget_totals()
    server.go_down(0.3)
    assert len(runner.open("tk1").measure(OTHER, quiet).rounds) == 1
    compared = server.predictions[6]
    assert (compared.service, compared.batch) == ("resnet50", 2)  # as the first cell had it
    runner.close()


def another(prediction: Prediction, made: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What another network would say."""
    return [{**one, "classes": [{"prob": 0.9, "cat": "another"}]} for one in made]


@pytest.mark.parametrize("totals", ["all", "none"])
class TestReplacedBetweenTwoCells:
    """A service of the same name that is another one now, with totals to tell it by and without."""

    def test_one_that_predicts_something_else_is_not_believed(self, tmp_path: Path, totals: str) -> None:
        with slow_enough(totals) as server:
            runner = runner_for(server, tmp_path)
            runner.open("tk1").measure(KEY, quiet)
            server.forget_totals()
            server.wrong = another
            for key in (OTHER, KEY):
                with pytest.raises(AnswerError) as caught:
                    runner.open("tk1").measure(key, quiet)
                assert_names(caught, "resnet50")
            assert len(server.predictions) == 6 + 2  # not one more than it takes to see it
            runner.close()

    def test_one_that_predicts_the_same_is_measured_as_what_it_is(self, tmp_path: Path, totals: str) -> None:
        with slow_enough(totals) as server:
            runner = runner_for(server, tmp_path)
            assert runner.open("tk1").measure(KEY, quiet).conditions.backend == "caffe"
            server.replace_service(ServiceSetup("resnet50", mllib="tensorrt", datatype="fp16"))
            conditions = runner.open("tk1").measure(OTHER, quiet).conditions
            assert (conditions.backend, conditions.datatype) == ("tensorrt", "fp16")
            runner.close()

    def test_rounds_of_the_one_before_do_not_count_with_those_of_the_new_one(self, tmp_path: Path, totals: str) -> None:
        with slow_enough(totals) as server:
            runner = runner_for(server, tmp_path)
            earlier = runner.open("tk1").measure(KEY, quiet)
            server.replace_service(ServiceSetup("resnet50", mllib="tensorrt"))
            again = runner.open("tk1").measure(KEY, quiet, earlier)
            assert (again.conditions.backend, len(again.rounds)) == ("tensorrt", 1)
            assert len(runner.open("tk1").measure(KEY, quiet, again).rounds) == 2
            runner.close()

    def test_a_server_restarted_with_the_same_services_is_measured_on(self, tmp_path: Path, totals: str) -> None:
        with slow_enough(totals) as server:
            runner = runner_for(server, tmp_path)
            runner.open("tk1").measure(KEY, quiet)
            server.restart()
            assert len(runner.open("tk1").measure(OTHER, quiet).rounds) == 1
            runner.close()


def slow_enough(totals: str) -> ScriptedDeepDetect:
    """A server whose `head.time` can be, where it is what is gated."""
    return ScriptedDeepDetect(
        lambda _, batch: 2.0 * batch, services=["resnet50"], totals=totals, in_real_time=totals == "none"
    )


# --- the first prediction, which builds an engine or loads a network


def slow_at_first(prediction: Prediction) -> float:
    return 0.5 if prediction.number == 1 else 0.0


@pytest.mark.parametrize("there", [[ServiceSetup("resnet50", mllib="tensorrt")], []])
def test_the_first_prediction_has_its_own_time_limit(there: list[ServiceSetup], tmp_path: Path) -> None:
    with ScriptedDeepDetect(services=there, works_s=slow_at_first) as server:
        runner = runner_for(server, tmp_path, repository="/models/{model}", timeout_s=0.2)
        measurement = runner.open("tk1").measure(KEY, quiet)
        runner.close()
    assert (measurement.cold_start.first_predict_ms or 0) >= 500


def test_it_has_that_limit_where_nothing_is_measured(tmp_path: Path) -> None:
    with ScriptedDeepDetect(works_s=slow_at_first) as server:
        runner = runner_for(server, tmp_path, repository="/models/{model}", timeout_s=0.2)
        runner.open("tk1").predict_once(KEY)
        runner.close()
    assert len(server.predictions) == 1


def test_that_limit_ends_the_first_prediction(tmp_path: Path) -> None:
    with ScriptedDeepDetect(works_s=slow_at_first) as server:
        runner = runner_for(server, tmp_path, repository="/models/{model}", cold_start_timeout_s=0.1)
        with pytest.raises(ServerUnreachableError):
            runner.open("tk1").measure(KEY, quiet)
        runner.close()


# --- networks with a fixed batch


def notes_of(runner: Runner, *batch_sizes: int) -> list[list[str]]:
    run = runner.open("tk1")
    found = []
    for size in batch_sizes:
        key = CellKey("tk1", "resnet50", size)
        record = run.records.judge(run.measure(key, quiet), str(key), NO_BUDGET, 1)
        found.append([note for note in record.notes if "fixed batch" in note])
    runner.close()
    return found


@pytest.mark.parametrize(
    ("mllib", "curve", "noted"),
    [
        ("tensorrt", lambda size: 20.0, [False, False, False, True]),
        ("tensorrt", lambda size: 20.0 * -(-size // 4), [False, False, False, True]),
        ("tensorrt", lambda size: 20.0 * size, [False] * 4),
        ("torch", lambda size: 20.0, [False] * 4),
        ("torch", lambda size: 20.0 * size, [False] * 4),
    ],
)
def test_sizes_that_take_the_same_time_on_tensorrt_are_noted_once_for_the_network(
    tmp_path: Path, mllib: str, curve: Callable[[int], float], noted: list[bool]
) -> None:
    with ScriptedDeepDetect(lambda _, size: curve(size), transform_share=0.0) as server:
        runner = runner_for(server, tmp_path, repository="/m/{model}", parameters=ServiceParameters(mllib=mllib))
        notes = notes_of(runner, 1, 2, 4, 8)
    assert [bool(each) for each in notes] == noted


def test_the_time_to_decode_and_resize_does_not_hide_it(tmp_path: Path) -> None:
    def latency(_: str, size: int) -> float:
        return 20.0 + 10.0 * size  # of which 10 ms per image are the transform

    with ScriptedDeepDetect(latency) as server:
        answer = server.respond

        def respond(request: Request) -> Reply:
            reply = answer(request)
            services = reply.body["head"]["services"] if request.path == "/info" else []  # type: ignore[index]
            for one in services:
                images = one["service_stats"]["inference_count"]
                one["service_stats"]["total_transform_duration_ms"] = 10.0 * images
            return reply

        server.respond = respond
        runner = runner_for(server, tmp_path, repository="/m/{model}", parameters=ServiceParameters(mllib="tensorrt"))
        assert [bool(each) for each in notes_of(runner, 1, 2, 8)] == [False, False, True]


def test_the_batch_size_of_a_network_that_the_server_reports_is_noted(
    server: ScriptedDeepDetect, tmp_path: Path
) -> None:
    answer = server.respond

    def respond(request: Request) -> Reply:
        reply = answer(request)
        for one in reply.body["head"]["services"] if request.path == "/info" else []:  # type: ignore[index]
            one["mllib"] = "onnxruntime"
            one["parameters"]["mllib"]["maxBatchSize"] = 4
        return reply

    server.respond = respond
    first, second = notes_of(runner_for(server, tmp_path), 1, 2)
    assert first == second
    assert "batches of 4" in first[0]


def test_a_template_that_is_created_again_predicts_something_else(tmp_path: Path) -> None:
    creations = 0

    def wrong(_: Prediction, predictions: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [{**one, "classes": [{"prob": 0.9, "cat": str(creations)}]} for one in predictions]

    with ScriptedDeepDetect(wrong=wrong) as server:
        answer = server.respond

        def respond(request: Request) -> Reply:
            nonlocal creations
            creations += request.method == "PUT"
            return answer(request)

        server.respond = respond
        torch = ServiceParameters(mllib="torch", template="resnet50", recreate=True)
        runner = runner_for(server, tmp_path, repository="/m/{model}", parameters=torch)
        for key in (KEY, OTHER):
            runner.open("tk1").measure(key, quiet)
        runner.platforms["tk1"].health.suspect("tk1")
        runner.open("tk1").measure(KEY, quiet)
        runner.close()
    assert creations == 3


def test_predictions_are_verified_on_the_engine_of_their_batch_size(tmp_path: Path) -> None:
    with ScriptedDeepDetect() as server:
        tensorrt = ServiceParameters(mllib="tensorrt")
        runner = runner_for(server, tmp_path, repository="/m/{model}", parameters=tensorrt)
        runner.open("tk1").measure(KEY, quiet)
        runner.platforms["tk1"].health.suspect("tk1")
        runner.open("tk1").measure(OTHER, quiet)
        runner.close()
        bodies: list[Any] = [one.json() for one in server.asked("PUT")]
    assert [body["parameters"]["mllib"]["maxBatchSize"] for body in bodies] == [2, 4]
