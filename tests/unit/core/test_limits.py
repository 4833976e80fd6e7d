"""Values that options and keys of ddperf.toml accept."""

from __future__ import annotations

import pytest

from pytest_ddperf.core.limits import (
    CLIENTS,
    COUNT,
    FACTOR,
    INDEX,
    LONGEST_S,
    RATES,
    TIME_LIMIT,
    TOLERANCE,
    WAIT,
    ValueType,
    choice,
)


def fits(kind: ValueType, seconds: float) -> bool:
    try:
        return (kind.convert(seconds), kind.parse(repr(seconds))) == (seconds, seconds)
    except ValueError:
        return False


@pytest.mark.parametrize("seconds", [0.0, 0.5, LONGEST_S])
def test_a_wait_may_be_none_at_all_and_as_long_as_anything(seconds: float) -> None:
    assert fits(WAIT, seconds)


@pytest.mark.parametrize("seconds", [-1.0, 1.1 * LONGEST_S, float("inf"), float("nan")])
def test_no_wait_is_below_zero_or_longer_than_the_system_can_count(seconds: float) -> None:
    assert not fits(WAIT, seconds)
    assert not fits(TIME_LIMIT, seconds)


def test_a_time_limit_is_above_zero() -> None:
    assert not fits(TIME_LIMIT, 0.0)
    assert fits(TIME_LIMIT, 0.001)
    assert fits(TIME_LIMIT, LONGEST_S)


def test_a_value_in_toml_is_checked_and_normalised_as_the_text_of_an_option() -> None:
    for kind, text, value in (
        (CLIENTS, "4,1,4", [4, 1, 4]),
        (RATES, "50,0.25", [50, 0.25]),
        (TOLERANCE, "10%", "10%"),
        (TOLERANCE, "0.25", 0.25),
        (COUNT, "8", 8),
        (FACTOR, "-0.5", -0.5),
    ):
        assert kind.parse(text) == kind.convert(value)


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (CLIENTS, "0", [0]),
        (RATES, "1e9", [1e9]),
        (TOLERANCE, "10", 10),
        (COUNT, "0", 0),
        (COUNT, "9" * 12, 10**12),
        (INDEX, "-1", -1),
        (FACTOR, "nan", float("nan")),
        (choice("a", "b"), "c", "c"),
    ],
)
def test_what_an_option_refuses_toml_refuses_with_the_same_expectation(
    kind: ValueType, text: str, value: object
) -> None:
    with pytest.raises(ValueError, match=kind.expected):
        kind.parse(text)
    with pytest.raises(ValueError, match=kind.expected):
        kind.convert(value)


def test_an_example_of_a_list_is_written_as_where_the_list_stands() -> None:
    with pytest.raises(ValueError, match=r"such as 10,50$"):
        RATES.parse("fast")
    with pytest.raises(ValueError, match=r"such as \[10, 50\]$"):
        RATES.convert([0])
