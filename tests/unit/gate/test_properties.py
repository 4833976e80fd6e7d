"""What holds of the gate for any suite."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_ddperf.gate.noise import MAX_ROUNDS
from pytest_ddperf.gate.verdicts import Cell, judge, judge_some, prepare

GREENNESS = ["improved", "ok", "remeasure", "unstable", "regressed"]

times = st.floats(0.5, 2.0)
passes = st.lists(times, min_size=1, max_size=6)
runs = passes.map(tuple)
several_runs = st.lists(st.one_of(runs, st.just(())), min_size=1, max_size=10).filter(any)
baselines = st.one_of(times, st.lists(runs, min_size=1, max_size=1), several_runs)
free_cells = st.builds(Cell, st.lists(passes, min_size=1, max_size=7), baselines)


@st.composite
def near_cells(draw: st.DrawFn) -> Cell:
    """Cells near the limit, where verdicts are close; one seed for all noise is drawn much faster than each time."""
    count = draw(st.integers(1, 7))
    factor = draw(st.sampled_from([0.9, 1.0, 1.0, 1.0, 1.04, 1.05, 1.06, 1.08, 1.1, 1.2]))
    nights = draw(st.sampled_from([0, 1, 2, 8]))
    noise = random.Random(draw(st.integers(0, 2**32)))  # noqa: S311 - nothing secret

    def round_of(ms: float) -> list[float]:
        return [ms * noise.uniform(0.97, 1.03) for _ in range(5)]

    rounds = [round_of(10 * factor) for _ in range(count)]
    return Cell(rounds, [tuple(round_of(10)) for _ in range(nights)] or 10.0)


suites = st.one_of(
    st.lists(free_cells, min_size=1, max_size=12),
    st.lists(near_cells(), min_size=1, max_size=12),
)


def greenness(outcome: str) -> int:
    return GREENNESS.index(outcome)


@settings(max_examples=40, deadline=None)
@given(suites, st.sampled_from([0.0, 0.05, 0.1]))
def test_a_cell_judged_by_itself_gets_the_verdict_that_all_cells_together_give_it(
    cells: list[Cell], tolerance: float
) -> None:
    prepared = tuple(prepare(cell) for cell in cells)

    assert judge_some(prepared, prepared[-1:], tolerance) == judge(cells, tolerance)[-1:]


@settings(max_examples=120, deadline=None)
@given(suites, st.data(), st.floats(1.0, 1.5), st.sampled_from([0.0, 0.05, 0.1]))
def test_a_cell_slower_by_one_factor_in_all_passes_is_never_greener(
    cells: list[Cell], data: st.DataObject, factor: float, tolerance: float
) -> None:
    index = data.draw(st.integers(0, len(cells) - 1))
    cell = cells[index]
    rounds = [[ms * factor for ms in one] for one in cell.rounds]
    slower = [*cells[:index], replace(cell, rounds=rounds), *cells[index + 1 :]]

    before, after = judge(cells, tolerance)[index], judge(slower, tolerance)[index]

    assert greenness(after.outcome) >= greenness(before.outcome)


@settings(max_examples=60, deadline=None)
@given(suites, st.sampled_from([0.0, 0.05, 0.1]))
def test_a_resolution_is_above_the_tolerance_and_the_limit_not_below_it(cells: list[Cell], tolerance: float) -> None:
    for verdict in judge(cells, tolerance):
        assert verdict.resolution is None or verdict.resolution >= tolerance
        assert verdict.limit >= tolerance - 1e-9


@settings(max_examples=60, deadline=None)
@given(suites, st.sampled_from([0.0, 0.05, 0.1]))
def test_no_change_beyond_the_tolerance_is_ok_and_none_within_the_limit_is_red(
    cells: list[Cell], tolerance: float
) -> None:
    for verdict in judge(cells, tolerance):
        assert verdict.change is not None
        if verdict.outcome == "ok":
            assert verdict.change <= tolerance + 1e-8
        if verdict.outcome == "regressed":
            assert verdict.change > verdict.limit


@settings(max_examples=40, deadline=None)
@given(suites, st.randoms(use_true_random=False))
def test_the_order_of_the_cells_does_not_matter(cells: list[Cell], chance: random.Random) -> None:
    order = list(range(len(cells)))
    chance.shuffle(order)

    straight = judge(cells, 0.05)
    shuffled = judge([cells[index] for index in order], 0.05)

    assert shuffled == [straight[index] for index in order]


@settings(max_examples=40, deadline=None)
@given(suites, st.floats(1e-3, 1e3))
def test_scaling_all_times_and_baselines_alike_changes_nothing(cells: list[Cell], scale: float) -> None:
    def scaled(value: Any) -> Any:  # noqa: ANN401 - a time, or any of them nested
        return value * scale if isinstance(value, float) else type(value)(map(scaled, value))

    other = [Cell(scaled(cell.rounds), scaled(cell.baseline)) for cell in cells]

    for before, after in zip(judge(cells, 0.05), judge(other, 0.05), strict=True):
        assert after.outcome == before.outcome
        assert after.change == pytest.approx(before.change, rel=1e-6, abs=1e-6)
        assert after.limit == pytest.approx(before.limit, rel=1e-6, abs=1e-6)


@settings(max_examples=30, deadline=None)
@given(suites)
def test_every_cell_gets_one_of_the_five_outcomes_and_finite_numbers(cells: list[Cell]) -> None:
    for verdict, cell in zip(judge(cells, 0.05), cells, strict=True):
        assert verdict.outcome in GREENNESS
        assert all(math.isfinite(number or 0.0) for number in (verdict.now_ms, verdict.change, verdict.limit))
        if verdict.outcome == "remeasure":
            assert len(cell.rounds) < MAX_ROUNDS
