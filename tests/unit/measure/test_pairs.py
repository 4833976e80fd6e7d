"""Rounds of pairs."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import pytest
from fake_observer import FakeObserver
from messages import assert_names

from pytest_ddperf.core.records import Against, CellKey, Clock, Conditions, Measurement, ServerFacts
from pytest_ddperf.deepdetect.protocol import Answer, ServiceStats
from pytest_ddperf.deepdetect.timed import Timed, Totals
from pytest_ddperf.errors import DdperfError, ServerFailedError
from pytest_ddperf.measure.loop import REMEASURED_AT_MOST, Plan
from pytest_ddperf.measure.pairs import (
    REFERENCE,
    UNDER_TEST,
    Side,
    SideFailedError,
    draw_orders,
    measure_paired_cell,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def test_every_two_pairs_hold_both_orders() -> None:
    orders = draw_orders(64, "1")
    assert len(orders) == 64
    assert all(one is not other for one, other in zip(orders[::2], orders[1::2], strict=True))


def test_the_order_is_random_and_that_of_its_seed() -> None:
    assert draw_orders(64, "1") == draw_orders(64, "1")
    assert draw_orders(64, "1") != draw_orders(64, "2")
    assert {draw_orders(2, str(seed)) for seed in range(20)} == {(True, False), (False, True)}


@dataclass
class FakeSide:
    """A server of the log: it appends its name for each request, and its predictions take what `times_ms` says."""

    name: str
    log: list[str]
    times_ms: Iterator[float] = field(default_factory=lambda: itertools.repeat(10.0))
    others: dict[str, int] = field(default_factory=dict)
    fails: dict[int, DdperfError] = field(default_factory=dict)
    during: Callable[[int], None] = lambda _: None
    reports_durations: bool = True
    stats: ServiceStats = field(default_factory=lambda: ServiceStats(0, 0.0, 0.0))

    def predict(self) -> Timed:
        number = (self.stats.predict_count or 0) + 1
        self.log.append(self.name)
        if number in self.fails:
            raise self.fails.pop(number)
        ms = next(self.times_ms)
        total = (self.stats.total_predict_duration_ms or 0.0) + ms
        self.stats = replace(self.stats, predict_count=number, total_predict_duration_ms=total)
        self.during(number)
        return Timed(Answer(float(int(ms)), ()), ms + 2)

    def totals(self) -> Totals:
        stats = self.stats if self.reports_durations else replace(self.stats, total_predict_duration_ms=None)
        return Totals(stats, dict(self.others))


KEY = CellKey("tk1", "resnet50", 2)
CONDITIONS = Conditions(Clock.PREDICT, "caffe")
NOTHING_YET = Measurement(KEY, CONDITIONS, (), against=Against(ServerFacts("http://old"), "resnet50", CONDITIONS))


def measure(
    new: FakeSide, old: FakeSide, cell: Measurement = NOTHING_YET, *, seed: str = "1", one_server: bool = False
) -> Measurement:
    sides = Side(new, FakeObserver()), Side(old, FakeObserver())
    return measure_paired_cell(sides, Plan(warmup=1), cell, draw_orders(8, seed), one_server=one_server)


def two_sides() -> tuple[FakeSide, FakeSide]:
    log: list[str] = []
    return FakeSide("new", log), FakeSide("old", log)


def test_both_sides_are_warmed_up_and_then_asked_in_the_drawn_order() -> None:
    new, old = two_sides()
    measure(new, old, seed="5")
    expected = [name for first in draw_orders(8, "5") for name in (("old", "new") if first else ("new", "old"))]
    assert new.log == ["new", "old", *expected]


def test_the_passes_of_a_pair_have_the_same_place_on_both_sides() -> None:
    log: list[str] = []
    new = FakeSide("new", log, itertools.count(100.0))
    old = FakeSide("old", log, itertools.count(200.0))
    found = measure(new, old)
    assert found.per_image_ms() == [[(101 + number) / 2 for number in range(8)]]
    assert found.against is not None
    assert [one.predict_ms for one in found.against.rounds[0].passes] == [201 + number for number in range(8)]
    assert found.exclusive is True


def test_a_second_round_is_added_on_both_sides() -> None:
    new, old = two_sides()
    found = measure(new, old, measure(new, old))
    assert found.against is not None
    assert [len(found.rounds), len(found.against.rounds)] == [2, 2]


def test_the_clock_is_one_that_both_servers_report() -> None:
    new, old = two_sides()
    old.reports_durations = False
    found = measure(new, old)
    assert found.against is not None
    assert (found.conditions.clock, found.against.conditions.clock) == (Clock.HEAD, Clock.HEAD)


@pytest.mark.parametrize("name", ["new", "old"])
def test_a_failure_is_that_of_its_side(name: str) -> None:
    new, old = two_sides()
    failing = {"new": new, "old": old}[name]
    failing.fails[4] = ServerFailedError("broken")
    with pytest.raises(SideFailedError) as raised:
        measure(new, old)
    assert raised.value.side == {"new": UNDER_TEST, "old": REFERENCE}[name]
    assert_names(raised.value.error, "broken")


def test_a_round_with_another_client_on_the_reference_is_measured_again() -> None:
    new, old = two_sides()

    def use(number: int) -> None:
        if number == 3:
            old.others = {"other": 1}

    old.others, old.during = {"other": 0}, use
    found = measure(new, old)
    assert found.invalid == ""
    assert len(found.rounds) == 1
    assert len(new.log) > 18  # one round has 16 predictions, and 2 to warm up


def test_a_round_that_a_board_rejects_was_exclusive_even_if_the_one_before_was_not() -> None:
    new, old = two_sides()

    def use(number: int) -> None:
        if number == 3:
            old.others = {"other": 1}

    new.during = use
    observer = FakeObserver(reasons=["the board throttled"] * REMEASURED_AT_MOST)
    sides = Side(new, observer), Side(old, FakeObserver())
    found = measure_paired_cell(sides, Plan(warmup=1), NOTHING_YET, draw_orders(8, "1"), one_server=False)
    assert_names(found.invalid, "throttled")
    assert found.exclusive is True


def test_another_client_that_uses_the_reference_while_the_other_server_is_measured_is_seen() -> None:
    new, old = two_sides()
    old.others = {"other": 0}

    def use(_: int) -> None:
        old.others = {"other": old.others["other"] + 1}

    new.during = use
    assert_names(measure(new, old).invalid, "reference", "other")


def test_on_one_server_the_predictions_of_the_other_side_are_no_other_client() -> None:
    new, old = two_sides()

    def use(_: int) -> None:
        old.others = {"new": new.stats.predict_count or 0}
        new.others = {"old": old.stats.predict_count or 0}

    new.during = old.during = use
    assert measure(new, old, one_server=True).invalid == ""
