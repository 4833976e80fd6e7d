"""Pauses between questions."""

from __future__ import annotations

import pytest
from turned_clock import TurnedClock

from pytest_ddperf.deepdetect.backoff import back_off, retry


def fail(*errors: Exception) -> list[Exception]:
    """List the errors in the order in which a request pops them."""
    return list(reversed(errors))


def request(errors: list[Exception]) -> str:
    """Raise the next error; without any, return a result."""
    if errors:
        raise errors.pop()
    return "result"


def test_they_grow_up_to_the_longest_and_the_last_ends_with_the_time() -> None:
    clock = TurnedClock()
    for pause_s in back_off(6.0, clock.now):
        clock.sleep(pause_s)
    assert clock.slept == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 0.9])


def test_there_is_none_where_there_is_no_time() -> None:
    assert list(back_off(0.0, TurnedClock().now)) == []


def test_a_request_is_repeated_after_each_pause_until_it_succeeds() -> None:
    clock, errors = TurnedClock(), fail(KeyError(), ValueError())
    assert retry(lambda: request(errors), (KeyError, ValueError), (1.0, 2.0, 4.0), clock.sleep) == "result"
    assert clock.slept == [1.0, 2.0]


def test_after_the_last_pause_the_error_of_the_last_request_is_raised() -> None:
    clock, errors = TurnedClock(), fail(KeyError("first"), KeyError("second"), KeyError("third"))
    with pytest.raises(KeyError, match="second"):
        retry(lambda: request(errors), KeyError, (1.0,), clock.sleep)
    assert clock.slept == [1.0]


def test_another_error_is_raised_at_once() -> None:
    clock, errors = TurnedClock(), fail(ValueError("other"))
    with pytest.raises(ValueError, match="other"):
        retry(lambda: request(errors), KeyError, (1.0,), clock.sleep)
    assert clock.slept == []
