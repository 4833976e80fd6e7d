from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import pytest
from fake_observer import FakeObserver
from messages import assert_names

from pytest_ddperf.core.records import CellKey, Clock, ColdStart, Conditions, LoadPass, Measurement
from pytest_ddperf.deepdetect.protocol import Answer, ServiceStats
from pytest_ddperf.deepdetect.timed import Timed, Totals
from pytest_ddperf.errors import AnswerError, InvalidRoundError, ServerUnreachableError, TimingError
from pytest_ddperf.measure.loop import MeasuredRound, Plan, Progress, measure_cell, measure_round

if TYPE_CHECKING:
    from collections.abc import Callable

KEY = CellKey("tk1", "resnet50", 8)
CONDITIONS = Conditions(Clock.PREDICT, "caffe")


@dataclass
class FakeServer:
    """Predictions that take what `times_ms` says, one after the other, the last one for ever."""

    times_ms: list[float] = field(default_factory=lambda: [80.0])
    head: bool = True
    durations: bool = True
    counts: bool = True
    others: dict[str, int] | None = field(default_factory=dict)
    during: Callable[[FakeServer, int], None] = lambda _server, _number: None
    calls: list[str] = field(default_factory=list)
    stats: ServiceStats = field(default_factory=lambda: ServiceStats(0, 0.0, 0.0))

    def predict(self) -> Timed:
        number = self.calls.count("predict")
        self.calls.append("predict")
        ms = self.times_ms[min(number, len(self.times_ms) - 1)]
        self.add(1, ms)
        self.during(self, number)
        return Timed(Answer(float(int(ms)) if self.head else None, ()), ms + 2)

    def totals(self) -> Totals | None:
        self.calls.append("totals")
        if not (self.durations or self.counts):
            return None
        seen = self.stats
        if not self.durations:
            seen = replace(seen, total_predict_duration_ms=None, total_transform_duration_ms=None)
        if not self.counts:
            seen = replace(seen, predict_count=None)
        return Totals(seen, None if self.others is None else dict(self.others))

    def add(self, predictions: int, ms: float) -> None:
        old = self.stats
        self.stats = replace(
            old,
            predict_count=(old.predict_count or 0) + predictions,
            total_predict_duration_ms=(old.total_predict_duration_ms or 0.0) + ms,
            total_transform_duration_ms=(old.total_transform_duration_ms or 0.0) + ms / 4,
        )


def refuse(_: Answer) -> None:
    raise AnswerError("wrong")


def one_round(server: FakeServer, plan: Plan = Plan(), observer: FakeObserver | None = None) -> MeasuredRound:  # noqa: B008 - frozen
    return measure_round(server, plan, observer or FakeObserver())


NOTHING_YET = Measurement(KEY, CONDITIONS, ())


def measured(
    server: FakeServer,
    plan: Plan = Plan(),  # noqa: B008 - frozen
    cell: Measurement = NOTHING_YET,
    observer: FakeObserver | None = None,
) -> Measurement:
    return measure_cell(server, plan, cell, observer or FakeObserver())


# --- one round


def test_the_warm_up_is_thrown_away() -> None:
    server = FakeServer([6421.0, 178.0])
    done = one_round(server, Plan(1, 5))
    assert [one.predict_ms for one in done.passes] == [178.0] * 5
    assert done.started_s == 5.0


def test_a_pass_has_four_figures() -> None:
    one = one_round(FakeServer([80.0, 80.6]), Plan(1, 1)).passes[0]
    assert (one.client_ms, one.head_ms) == (82.6, 80.0)
    assert one.predict_ms == pytest.approx(80.6)
    assert one.transform_ms == pytest.approx(80.6 / 4)


def test_the_totals_are_read_once_between_passes() -> None:
    server = FakeServer()
    one_round(server, Plan(2, 3))
    assert server.calls == ["predict"] * 2 + ["totals"] + ["predict", "totals"] * 3


def test_an_older_server_without_totals_has_head_time_and_client_time_only() -> None:
    server = FakeServer(durations=False, counts=False)
    done = one_round(server)
    assert {(one.head_ms, one.predict_ms, one.transform_ms) for one in done.passes} == {(80.0, None, None)}
    assert done.exclusive is None


def test_a_server_that_counts_shows_that_nobody_else_used_it() -> None:
    assert one_round(FakeServer()).exclusive is True


def test_without_counts_exclusivity_is_unknown() -> None:
    assert one_round(FakeServer(counts=False)).exclusive is None


def test_without_the_counts_of_the_other_services_exclusivity_is_unknown() -> None:
    assert one_round(FakeServer(others=None)).exclusive is None


def test_every_answer_is_checked_the_warm_up_too() -> None:
    server = FakeServer()
    with pytest.raises(AnswerError):
        one_round(server, observer=FakeObserver(check=refuse))
    assert server.calls == ["predict"]


def test_a_second_prediction_on_the_service_makes_the_round_invalid() -> None:
    server = FakeServer(during=lambda one, number: one.add(1, 9.0) if number == 3 else None)
    with pytest.raises(InvalidRoundError) as caught:
        one_round(server)
    assert_names(caught, "somebody else", "the service")
    assert caught.value.exclusive is False


def test_a_prediction_on_another_service_makes_the_round_invalid() -> None:
    def elsewhere(server: FakeServer, number: int) -> None:
        if number == 3:
            server.others = {"vgg16": 1}

    with pytest.raises(InvalidRoundError) as caught:
        one_round(FakeServer(during=elsewhere))
    assert_names(caught, "somebody else", "vgg16")
    assert caught.value.exclusive is False


def test_what_others_did_between_the_rounds_is_nobodys_fault() -> None:
    server = FakeServer(others={"vgg16": 3}, during=lambda one, number: one.add(5, 9.0) if number == 0 else None)
    assert one_round(server, Plan(1, 3)).exclusive is True


@pytest.mark.parametrize("counts", [True, False])
def test_a_restarted_server_makes_the_round_invalid(counts: bool) -> None:
    def restart(server: FakeServer, number: int) -> None:
        if number == 3:
            server.stats = ServiceStats(1, 80.0, 20.0)

    with pytest.raises(InvalidRoundError, match="restarted"):
        one_round(FakeServer(during=restart, counts=counts))


def test_progress_is_reported_before_every_prediction_with_the_time_left() -> None:
    observer = FakeObserver()
    one_round(FakeServer([98.0]), Plan(1, 3), observer)
    assert observer.shown == [
        Progress(warmup=True, number=1, of=1),
        Progress(warmup=False, number=1, of=3),
        Progress(warmup=False, number=2, of=3, remaining_s=0.2),
        Progress(warmup=False, number=3, of=3, remaining_s=0.1),
    ]


# --- the stopping rule


def test_without_max_passes_nothing_is_added_however_noisy() -> None:
    assert len(measured(FakeServer([1.0, 50.0, 100.0]), Plan(1, 3)).rounds[0].passes) == 3


def test_quiet_passes_stop_at_the_least() -> None:
    assert len(measured(FakeServer(), Plan(1, 5, 20)).rounds[0].passes) == 5


def test_passes_are_added_until_the_mean_is_known_to_two_percent() -> None:
    server = FakeServer([80.0, 72.0, 88.0, *[80.0] * 30])
    # 72, 88 and n - 2 times 80: stddev/sqrt(n)/80 = sqrt(128 / (n - 1) / n) / 80 falls below 0.02 at n = 8
    assert len(measured(server, Plan(1, 5, 20)).rounds[0].passes) == 8


def test_noise_stops_at_the_most() -> None:
    assert len(measured(FakeServer([50.0, 100.0] * 30), Plan(1, 5, 12)).rounds[0].passes) == 12


def test_the_gated_clock_decides_whether_passes_are_added() -> None:
    server = FakeServer([80.1, 80.9] * 30)  # head.time is 80 each time
    assert len(measured(server, Plan(1, 5, 20, "head")).rounds[0].passes) == 5


def test_a_clock_that_is_not_reported_adds_no_pass() -> None:
    server = FakeServer([50.0, 100.0] * 30, durations=False, counts=False, head=False)
    with pytest.raises(TimingError):
        measured(server, Plan(0, 5, 20))
    assert server.calls.count("predict") == 5


# --- a cell


def test_a_cell_has_one_round_and_the_clock_that_is_gated() -> None:
    cell = measured(FakeServer(), cell=replace(NOTHING_YET, cold_start=ColdStart(12.0, 6421.0)))
    assert (cell.conditions.clock, cell.exclusive, cell.invalid) == (Clock.PREDICT, True, "")
    assert cell.cold_start == ColdStart(12.0, 6421.0)
    assert cell.per_image_ms() == [[10.0] * 5]


def test_auto_falls_back_to_head_time_on_an_older_server() -> None:
    assert measured(FakeServer(durations=False)).conditions.clock is Clock.HEAD


def test_a_head_time_of_zero_is_an_error_not_a_division() -> None:
    with pytest.raises(TimingError) as caught:
        measured(FakeServer([0.4], durations=False))
    assert_names(caught, "head.time", "0 ms", "5 of 5")


def test_a_later_round_is_added_and_keeps_the_gated_clock() -> None:
    first = measured(FakeServer(durations=False), cell=replace(NOTHING_YET, cold_start=ColdStart(12.0)))
    second = measured(FakeServer([88.0]), cell=first)
    assert second.conditions.clock is Clock.HEAD
    assert second.per_image_ms() == [[10.0] * 5, [11.0] * 5]
    assert second.cold_start == ColdStart(12.0)


def test_an_invalid_round_is_thrown_away_and_measured_again() -> None:
    server = FakeServer(during=lambda one, number: one.add(1, 9.0) if number in {3, 8} else None)
    cell = measured(server)
    assert (len(cell.rounds), cell.invalid, cell.exclusive) == (1, "", True)
    assert cell.per_image_ms() == [[10.0] * 5]


def test_a_round_is_measured_again_at_most_three_times_before_the_cell_is_invalid() -> None:
    observer = FakeObserver()
    server = FakeServer(during=lambda one, _: one.add(1, 9.0))
    cell = measured(server, observer=observer)
    assert cell.rounds == ()
    assert_names(cell.invalid, "somebody else", "the service")
    assert cell.exclusive is False
    assert sorted({one.attempt for one in observer.shown}) == [1, 2, 3, 4]


def test_an_invalid_later_round_keeps_the_rounds_before_it() -> None:
    first = measured(FakeServer())
    cell = measured(FakeServer(during=lambda one, _: one.add(1, 9.0)), cell=first)
    assert cell.rounds == first.rounds
    assert cell.invalid


def test_a_round_may_be_rejected_from_outside() -> None:
    observer = FakeObserver(reasons=["the host throttled"])
    cell = measured(FakeServer(), observer=observer)
    assert (len(observer.judged), cell.rounds, cell.invalid) == (2, (observer.judged[1],), "")


def test_a_valid_round_ends_the_invalidity_of_the_earlier_measurement() -> None:
    earlier = measured(FakeServer(), observer=FakeObserver(reasons=["the host throttled"] * 4))
    assert (earlier.rounds, bool(earlier.invalid)) == ((), True)
    assert not measured(FakeServer(), cell=earlier).invalid


@pytest.mark.parametrize(("restarted", "reported"), [(True, 1), (False, 0)])
def test_the_observer_learns_of_a_restart_before_the_next_attempt(restarted: bool, reported: int) -> None:
    def happen(server: FakeServer, number: int) -> None:
        if number == 3 and restarted:
            server.stats = ServiceStats(1, 80.0, 20.0)
        elif number == 3:
            server.add(1, 9.0)

    observer = FakeObserver()
    assert len(measured(FakeServer(during=happen), observer=observer).rounds) == 1
    assert observer.restarts == reported


def test_a_server_error_is_no_invalid_round() -> None:
    def die(_: FakeServer, number: int) -> None:
        if number == 2:
            raise ServerUnreachableError("cut")

    server = FakeServer(during=die)
    with pytest.raises(ServerUnreachableError):
        measured(server)
    assert server.calls.count("predict") == 3


def test_rounds_of_unknown_exclusivity_make_the_whole_unknown() -> None:
    first = measured(FakeServer(counts=False))
    assert measured(FakeServer(), cell=first).exclusive is None


# under load: a prediction of the endpoint is a pass of several requests


@dataclass
class FakeLoad(FakeServer):
    """Each pass is four requests of 100 ms, two at a time."""

    counted: int = 4

    def predict(self) -> Timed:
        self.calls.append("predict")
        self.add(self.counted, 400.0)
        return Timed(Answer(100.0, ()), 50.0, LoadPass(0.2, (100.0,) * 4))


def test_a_pass_under_load_is_its_figure_and_the_server_s_time_for_each_of_its_requests() -> None:
    cell = measured(FakeLoad(), Plan(npasses=2, timer="client"))
    (only,) = cell.rounds
    assert [(one.client_ms, one.head_ms, one.predict_ms) for one in only.passes] == [(50.0, None, 100.0)] * 2
    assert cell.load == (LoadPass(0.2, (100.0,) * 4),) * 2
    assert cell.conditions.clock is Clock.CLIENT


def test_as_many_predictions_as_a_pass_under_load_has_are_ours() -> None:
    assert measured(FakeLoad(), Plan(timer="client")).exclusive is True


def test_one_prediction_more_makes_the_round_under_load_invalid() -> None:
    cell = measured(FakeLoad(counted=5), Plan(timer="client"))
    assert_names(cell.invalid, "somebody else", "5 predictions", "4 of them")
    assert cell.load == ()


def test_a_later_round_under_load_adds_its_requests() -> None:
    server = FakeLoad()
    first = measured(server, Plan(npasses=2, timer="client"))
    assert len(measured(server, Plan(npasses=3, timer="client"), cell=first).load) == 5


def test_the_time_left_is_that_of_whole_passes() -> None:
    observer = FakeObserver()
    measured(FakeLoad(), Plan(warmup=0, npasses=3, timer="client"), observer=observer)
    assert [one.remaining_s for one in observer.shown] == [None, pytest.approx(0.4), pytest.approx(0.2)]
