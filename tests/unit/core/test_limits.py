"""How long anything may be waited for."""

from __future__ import annotations

import pytest

from pytest_ddperf.core.limits import LONGEST_S, is_time_limit, is_wait


@pytest.mark.parametrize("seconds", [0.0, 0.5, LONGEST_S])
def test_a_wait_may_be_none_at_all_and_as_long_as_anything(seconds: float) -> None:
    assert is_wait(seconds)


@pytest.mark.parametrize("seconds", [-1.0, 1.1 * LONGEST_S, float("inf"), float("nan")])
def test_no_wait_is_below_zero_or_longer_than_the_system_can_count(seconds: float) -> None:
    assert not is_wait(seconds)
    assert not is_time_limit(seconds)


def test_a_time_limit_is_above_zero() -> None:
    assert not is_time_limit(0.0)
    assert is_time_limit(0.001)
    assert is_time_limit(LONGEST_S)
