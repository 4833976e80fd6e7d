from __future__ import annotations

import math

import pytest
from messages import assert_names

from pytest_ddperf.core.records import Clock, Pass
from pytest_ddperf.errors import TimingError
from pytest_ddperf.measure.clocks import choose_clock, compute_standard_error


def test_auto_takes_the_servers_predict_time() -> None:
    assert choose_clock("auto", [Pass(9.0, 8.0, 8.5, 1.0)]) is Clock.PREDICT


def test_auto_takes_head_time_where_one_pass_lacks_the_predict_time() -> None:
    assert choose_clock("auto", [Pass(9.0, 8.0, 8.5), Pass(9.0, 8.0)]) is Clock.HEAD


def test_auto_never_takes_the_clients_clock() -> None:
    with pytest.raises(TimingError) as caught:
        choose_clock("auto", [Pass(9.0)])
    assert_names(caught, "total_predict_duration_ms", "1 of 1 passes", "head.time")


def test_a_head_time_of_zero_cannot_be_gated() -> None:
    with pytest.raises(TimingError) as caught:
        choose_clock("head", [Pass(0.4, 0.0), Pass(1.4, 1.0)])
    assert_names(caught, "head.time", "0 ms", "1 of 2 passes")


def test_a_head_time_longer_than_the_client_waited_is_not_believed() -> None:
    with pytest.raises(TimingError) as caught:
        choose_clock("auto", [Pass(9.0, 8.0), Pass(9.0, 90.0)])
    assert_names(caught, "1 of 2 passes", "90 ms")


def test_a_head_time_that_is_rounded_up_is_believed() -> None:
    assert choose_clock("auto", [Pass(8.2, 9.0), Pass(200.0, 202.0)]) is Clock.HEAD


def test_a_head_time_that_cannot_be_does_not_matter_where_another_clock_is_gated() -> None:
    assert choose_clock("auto", [Pass(9.0, 90.0, 8.5)]) is Clock.PREDICT
    assert choose_clock("client", [Pass(9.0, 90.0)]) is Clock.CLIENT


@pytest.mark.parametrize("clock", list(Clock))
def test_the_clock_that_is_asked_for_is_taken_where_it_is_reported(clock: Clock) -> None:
    assert choose_clock(clock, [Pass(9.0, 8.0, 8.5)]) is clock


def test_a_clock_that_is_asked_for_and_not_reported_is_an_error_not_another_clock() -> None:
    with pytest.raises(TimingError) as caught:
        choose_clock("head", [Pass(9.0, None, 8.5)])
    assert_names(caught, "head.time", "1 of 1 passes", "--ddperf-timer")


def test_the_standard_error_is_relative_to_the_mean() -> None:
    assert compute_standard_error([10.0, 12.0, 11.0, 10.0, 17.0]) == pytest.approx(
        math.sqrt(34 / 4) / math.sqrt(5) / 12
    )


def test_one_pass_has_no_standard_error() -> None:
    assert compute_standard_error([4.0]) == 0.0
