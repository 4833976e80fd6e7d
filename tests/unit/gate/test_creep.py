"""Slow creep; noise is drawn from seeds."""

from __future__ import annotations

import math
import random

import pytest

from pytest_ddperf.gate.creep import judge_creep


def nightly(seed: int, nights: int, creep_a_night: float = 0.0, start: int = 30, sd: float = 0.0134) -> list[float]:
    chance = random.Random(seed)  # noqa: S311 - noise, not secrets
    return [10 * math.exp(chance.gauss(0, sd)) * (1 + creep_a_night * max(0, night - start)) for night in range(nights)]


def test_nights_without_change_do_not_creep() -> None:
    assert not any(judge_creep(nightly(seed, 90)) for seed in range(100))


def test_a_creep_of_a_fifth_of_a_percent_is_found_before_five() -> None:
    for seed in range(30):
        found = judge_creep(nightly(seed, 30 + 25, 0.002))

        assert found is not None
        assert 8 <= found.since < 50
        assert found.change > 0.02


def test_a_creep_alarm_stays() -> None:
    crept = [*nightly(1, 60, 0.002), *nightly(2, 20)]

    assert judge_creep(crept)


def test_what_chance_lets_rise_for_a_while_is_no_alarm_any_more_when_it_is_gone() -> None:
    values = nightly(3172, 60)
    alarms = {night for night in range(22, 61) if judge_creep(values[:night])}

    assert alarms
    assert max(alarms) < 60


def test_nights_that_scatter_as_on_a_shared_machine_do_not_creep() -> None:
    assert not any(judge_creep(nightly(seed, 31, sd=0.08), 0.1) for seed in range(500))


def test_a_rise_that_stops_before_five_percent_stays_an_alarm() -> None:
    for seed in range(10):
        values = nightly(seed, 110)
        level = [ms * (1 + 0.002 * min(20, max(0, night - 30))) for night, ms in enumerate(values)]

        assert judge_creep(level)


def test_a_cell_that_gets_faster_does_not_creep() -> None:
    assert judge_creep(nightly(1, 80, -0.002)) is None


@pytest.mark.parametrize("nights", [0, 1, 8, 14])
def test_too_few_nights_do_not_creep(nights: int) -> None:
    assert judge_creep(nightly(1, nights)) is None


def test_nights_without_any_scatter_do_not_creep() -> None:
    assert judge_creep([10.0] * 60) is None


def test_the_unit_of_the_nightly_values_does_not_matter() -> None:
    values = nightly(1, 60, 0.002)
    found, scaled = judge_creep(values), judge_creep([value * 1000 for value in values])

    assert found is not None
    assert scaled is not None
    assert found.since == scaled.since
    assert found.change == pytest.approx(scaled.change)
