"""Pauses between questions."""

from __future__ import annotations

import pytest
from turned_clock import TurnedClock

from pytest_ddperf.deepdetect.backoff import back_off


def test_they_grow_up_to_the_longest_and_the_last_ends_with_the_time() -> None:
    clock = TurnedClock()
    assert list(back_off(6.0, clock.now, clock.sleep)) == clock.slept
    assert clock.slept == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 0.9])


def test_there_is_none_where_there_is_no_time() -> None:
    clock = TurnedClock()
    assert list(back_off(0.0, clock.now, clock.sleep)) == []
    assert clock.slept == []
