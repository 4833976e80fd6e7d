from __future__ import annotations

import itertools
import statistics
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from messages import assert_names

from pytest_ddperf.core.load_summary import compute_images_per_second, summarise_load
from pytest_ddperf.core.records import CellKey, Clock, Conditions, LoadPass, Measurement, Pass, Round
from pytest_ddperf.core.scenarios import Scenario
from pytest_ddperf.errors import OverloadError, ServerFailedError
from pytest_ddperf.measure.load_passes import (
    Sent,
    compute_gate_ms,
    count_most_outstanding,
    draw_arrivals_s,
    run_closed_pass,
    run_open_pass,
)

if TYPE_CHECKING:
    from collections.abc import Callable

C4 = CellKey("tk1", "resnet50", 8, "c4")
R10 = CellKey("tk1", "resnet50", 8, "r10")


@dataclass
class Lane:
    """A server that works on one request at a time, in virtual time: what is submitted while it works waits."""

    times_ms: list[float] = field(default_factory=lambda: [100.0])
    now_s: float = 1000.0
    slept_s: list[float] = field(default_factory=list)
    sent: int = 0
    failed: bool = False
    fails_at: int | None = None
    error: Exception | None = None

    def now(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.slept_s.append(seconds)
        self.now_s += seconds

    def send(self) -> float:
        took_ms = self.times_ms[min(self.sent, len(self.times_ms) - 1)]
        self.sent += 1
        if self.sent == self.fails_at:
            raise ServerFailedError("The server failed")
        self.now_s += took_ms / 1000
        return took_ms

    def submit(self, work: Callable[[], object]) -> None:
        if self.failed:
            return
        try:
            work()
        except Exception as error:  # noqa: BLE001 - as a pool does
            self.failed, self.error = True, error

    def finish(self) -> None:
        if self.error is not None:
            raise self.error


def closed(lane: Lane, clients: int = 4, requests: int = 20) -> LoadPass:
    return run_closed_pass(clients, requests, lane.send, pool=lane, now=lane.now)


def opened(lane: Lane, due_s: tuple[float, ...], patience_s: float = 300.0) -> LoadPass:
    return run_open_pass(due_s, lane.send, pool=lane, now=lane.now, sleep=lane.sleep, patience_s=patience_s)


def measurement(key: CellKey, *passes: LoadPass) -> Measurement:
    made = tuple(Pass(compute_gate_ms(one, Scenario.parse(key.scenario) or Scenario())) for one in passes)
    return Measurement(key, Conditions(Clock.CLIENT, "caffe", requests=10), (Round(0.0, made),), load=passes)


# arrivals


def test_the_same_seed_gives_the_same_schedule_and_another_seed_another() -> None:
    assert draw_arrivals_s(10, 40, 3) == draw_arrivals_s(10, 40, 3)
    assert draw_arrivals_s(10, 40, 3) != draw_arrivals_s(10, 40, 4)


def test_the_schedule_is_the_same_on_every_machine() -> None:
    assert [round(one, 6) for one in draw_arrivals_s(10, 4, 0)] == [0.103567, 0.168229, 0.303182, 0.337769]


@given(st.floats(0.001, 100_000.0), st.integers(2, 500), st.integers(0, 50))
def test_a_pass_offers_the_rate_that_was_asked_for(rate: float, count: int, seed: int) -> None:
    due_s = draw_arrivals_s(rate, count, seed)
    assert len(due_s) == count
    assert list(due_s) == sorted(due_s)
    assert 0 <= due_s[0] <= due_s[-1] <= count / rate * (1 + 1e-9)


def test_the_gaps_are_those_of_clients_that_know_nothing_of_each_other() -> None:
    gaps_s = [
        later - earlier for seed in range(50) for earlier, later in itertools.pairwise(draw_arrivals_s(20.0, 200, seed))
    ]
    mean_s = statistics.fmean(gaps_s)
    assert mean_s == pytest.approx(1 / 20, rel=0.02)
    assert statistics.stdev(gaps_s) == pytest.approx(mean_s, rel=0.05)  # exponential: as wide as its mean
    assert sum(gap_s > mean_s for gap_s in gaps_s) / len(gaps_s) == pytest.approx(0.368, abs=0.01)


# closed loop


def test_the_clients_make_all_requests_of_a_pass_and_no_more() -> None:
    lane = Lane()
    assert len(closed(lane).latencies_ms) == lane.sent == 20


def test_the_figure_of_a_closed_pass_is_the_inverse_of_its_throughput() -> None:
    made = closed(Lane(times_ms=[100.0, 300.0, 200.0]), requests=4)
    assert made.took_s == pytest.approx(0.8)
    assert compute_gate_ms(made, Scenario(clients=4)) == pytest.approx(200.0)
    assert made.latencies_ms == pytest.approx((100.0, 300.0, 200.0, 200.0))


def test_a_request_that_fails_ends_the_pass() -> None:
    lane = Lane(fails_at=3)
    with pytest.raises(ServerFailedError):
        closed(lane)
    assert lane.sent == 3


# open loop


def test_requests_are_sent_when_they_are_due() -> None:
    lane = Lane(times_ms=[10.0])
    made = opened(lane, (0.5, 1.0, 2.0))
    assert lane.slept_s == pytest.approx([0.5, 0.49, 0.99])
    assert made.latencies_ms == pytest.approx((10.0, 10.0, 10.0))
    assert made.outstanding == 1


def test_latency_counts_from_when_a_request_was_due_also_where_it_was_held_up() -> None:
    # the first answer takes 10 s: a client that sent the others only then would say that they took 10 ms each
    made = opened(Lane(times_ms=[10_000.0, 10.0]), (0.0, 1.0, 2.0, 3.0))
    assert made.latencies_ms == pytest.approx((10_000.0, 9_010.0, 8_020.0, 7_030.0))
    assert made.outstanding == 4


def test_the_figure_of_an_open_pass_is_its_median_latency() -> None:
    made = opened(Lane(times_ms=[30.0, 10.0, 20.0]), (0.0, 1.0, 2.0))
    assert compute_gate_ms(made, Scenario(rate=1.0)) == pytest.approx(20.0)


def test_a_pass_that_falls_behind_further_than_an_answer_may_take_is_given_up() -> None:
    lane = Lane(times_ms=[1000.0])
    with pytest.raises(OverloadError) as caught:
        opened(lane, tuple(number / 100 for number in range(40)), patience_s=5.0)
    assert_names(caught, "6 s", "--ddperf-timeout", "6 of 40")
    assert lane.sent == 6


def test_nothing_is_sent_any_more_after_a_failure() -> None:
    lane = Lane(fails_at=2)
    with pytest.raises(ServerFailedError):
        opened(lane, (0.0, 1.0, 2.0, 3.0))
    assert lane.sent == 2


@pytest.mark.parametrize(
    ("sent", "most"),
    [
        ([], 0),
        ([Sent(0, 1)], 1),
        ([Sent(0, 1), Sent(1, 2)], 1),
        ([Sent(0, 3), Sent(1, 2), Sent(1.5, 4), Sent(5, 6)], 3),
    ],
)
def test_what_was_due_and_not_answered_at_the_same_time_is_counted(sent: list[Sent], most: int) -> None:
    assert count_most_outstanding(sent) == most


# what the requests tell


def test_plain_latency_has_no_load() -> None:
    plain = Measurement(replace(C4, scenario=""), Conditions(Clock.PREDICT, "caffe"), (Round(0.0, (Pass(1.0),)),))
    assert summarise_load(plain) is None
    assert summarise_load(None) is None


def test_all_requests_of_all_rounds_count_for_the_percentiles() -> None:
    passes = [LoadPass(1.0, tuple(float(10 * number + each) for each in range(10))) for number in range(4)]
    load = summarise_load(measurement(C4, *passes))
    assert load is not None
    assert (load.scenario, load.requests) == ("c4", 40)
    assert [(one.percent, one.value_ms) for one in load.percentiles] == [(50, 19.0), (90, 35.0)]
    assert load.requests_per_second == 10.0
    assert load.kept_up is None
    assert load.shortfall == ""


def test_the_throughput_of_clients_is_that_of_the_gated_time() -> None:
    cell = measurement(C4, LoadPass(1.0, (100.0,) * 10))
    assert cell.per_image_ms() == [[pytest.approx(1000 / 10 / 8)]]
    assert compute_images_per_second(C4, 12.5, summarise_load(cell)) == 80.0


def test_a_server_that_keeps_up_answers_as_fast_as_it_is_asked_however_long_it_takes() -> None:
    # each answer comes 5 s after its request: they are as far apart as the requests
    load = summarise_load(measurement(R10, LoadPass(9.0, (5000.0,) * 40, due_s=4.0, answered_s=4.0, outstanding=40)))
    assert load is not None
    assert (load.requests_per_second, load.kept_up, load.shortfall) == (10.0, True, "")
    assert compute_images_per_second(R10, 5000.0 / 8, load) == 80.0


def test_a_server_that_does_not_keep_up_is_said_to_with_what_it_did() -> None:
    load = summarise_load(measurement(R10, LoadPass(16.0, (5000.0,) * 40, due_s=4.0, answered_s=16.0, outstanding=31)))
    assert load is not None
    assert load.requests_per_second == 2.5
    assert load.kept_up is False
    assert load.shortfall.startswith(
        "the server did not keep up: it answered 2.5 of 10 requests per second, and up to 31 waited at once"
    )


def test_an_overloaded_lane_is_found_out_and_one_with_room_is_not() -> None:
    def load_at(service_ms: float) -> bool | None:
        passes = [opened(Lane(times_ms=[service_ms]), draw_arrivals_s(10.0, 40, seed)) for seed in range(5)]
        load = summarise_load(measurement(R10, *passes))
        return None if load is None else load.kept_up

    assert load_at(40.0) is True
    assert load_at(200.0) is False


def test_the_baseline_of_a_given_rate_tells_no_throughput() -> None:
    assert compute_images_per_second(R10, 5.0, None) is None
    assert compute_images_per_second(C4, 5.0, None) == 200.0
    assert compute_images_per_second(C4, None, None) is None


@pytest.mark.parametrize("scenario", ["", "r0", "nonsense"])
def test_requests_of_no_load_that_is_known_tell_nothing(scenario: str) -> None:
    cell = measurement(C4, LoadPass(1.0, (100.0,) * 10))
    assert summarise_load(replace(cell, key=replace(C4, scenario=scenario))) is None


@given(
    st.lists(st.floats(-1e9, 1e9), max_size=60),
    st.sampled_from(["c4", "r10"]),
    st.none() | st.floats(-1e9, 1e9),
    st.floats(-1e9, 1e9),
)
def test_whatever_a_file_holds_of_a_pass_it_is_reported(
    latencies_ms: list[float], scenario: str, due_s: float | None, answered_s: float
) -> None:
    one = LoadPass(answered_s, tuple(latencies_ms), due_s, answered_s)
    cell = Measurement(replace(C4, scenario=scenario), Conditions(Clock.CLIENT, "caffe"), (), load=(one,))
    load = summarise_load(cell)
    assert load is not None
    assert load.requests == len(latencies_ms)
    assert isinstance(load.shortfall, str)
