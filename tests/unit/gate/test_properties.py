"""What holds of the gate for any suite."""

from __future__ import annotations

import math
import random
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_ddperf.gate.verdicts import MAX_ROUNDS, Cell, Company, judge

GREENNESS = ["improved", "ok", "remeasure", "unstable", "regressed"]

times = st.floats(0.5, 2.0)
passes = st.lists(times, min_size=1, max_size=6)
published_baselines = times
recorded_baselines = passes
several_runs = st.lists(st.one_of(passes, st.just([])), min_size=1, max_size=10).filter(any)
baselines = st.one_of(published_baselines, recorded_baselines, several_runs)
free_cells = st.builds(Cell, st.lists(passes, min_size=1, max_size=7), baselines)


@st.composite
def near_cells(draw: st.DrawFn) -> Cell:
    """Cells near the limit, where verdicts are close; one seed for all noise is drawn much faster than each time."""
    count = draw(st.integers(1, 7))
    factor = draw(st.sampled_from([0.9, 1.0, 1.0, 1.0, 1.04, 1.05, 1.06, 1.08, 1.1, 1.2]))
    runs = draw(st.sampled_from([0, 1, 2, 8]))
    noise = random.Random(draw(st.integers(0, 2**32)))  # noqa: S311 - nothing secret

    def round_of(ms: float) -> list[float]:
        return [ms * noise.uniform(0.97, 1.03) for _ in range(5)]

    rounds = [round_of(10 * factor) for _ in range(count)]
    return Cell(rounds, [round_of(10) for _ in range(runs)] or 10.0)


suites = st.one_of(
    st.lists(free_cells, min_size=1, max_size=12),
    st.lists(near_cells(), min_size=1, max_size=12),
)


def greenness(outcome: str) -> int:
    return GREENNESS.index(outcome)


@st.composite
def measured_one_by_one(draw: st.DrawFn) -> list[tuple[str, Cell | None]]:
    """The cells of a run by name, as they are measured: some again with a round more, some invalid (None)."""
    cells = draw(suites)
    if draw(st.booleans()):
        cells = [*cells, replace(cells[0], baseline=None)]
    rounds = dict.fromkeys(range(len(cells)), 1)
    order = [*rounds, *draw(st.lists(st.sampled_from(list(rounds)), max_size=8))]
    measured: list[tuple[str, Cell | None]] = []
    for place in order:
        cell = replace(cells[place], rounds=cells[place].rounds[: rounds[place]])
        rounds[place] += 1
        measured.append((str(place), None if draw(st.integers(0, 9)) == 9 else cell))
    return measured


@settings(max_examples=300, deadline=None)
@given(measured_one_by_one(), st.integers(1, 14), st.sampled_from([0.0, 0.05, 0.1]))
def test_cells_that_are_judged_one_by_one_get_the_verdict_of_the_newest_together(
    measured: list[tuple[str, Cell | None]], most: int, tolerance: float
) -> None:
    company = Company(tolerance, most)
    known: dict[str, Cell] = {}
    for name, cell in measured:
        known.pop(name, None)
        if cell is None:
            company.leave(name)
            continue
        known[name] = cell
        if len(known) > 2 * most:  # what is older than that is forgotten
            del known[next(iter(known))]
        assert company.judge(name, cell) == judge(list(known.values())[-most:], tolerance)[-1]


def test_in_a_large_suite_only_a_clear_cell_is_judged_by_the_suite_of_a_few_cells_ago() -> None:
    chance = random.Random(20)  # noqa: S311 - a fixed suite, no secret
    company, known, reported = Company(0.1, 64), [], Counter[bool]()
    for number in range(200):
        factor = chance.choice([*[1.0] * 5, 0.94, 0.85, 1.06, 1.15])
        cell = Cell([[10 * factor * chance.gauss(1.0, 0.01) for _ in range(5)]], 10.0)
        known.append(cell)
        alone, together = company.judge(str(number), cell), judge(known[-64:], 0.1)[-1]
        assert together.change is not None
        is_clear = -0.0905 <= together.change <= 0.0485  # log(1.1), and half of it
        if is_clear:
            assert together.outcome == "ok"
            assert alone.suite_shift == pytest.approx(together.suite_shift, abs=0.005)
            assert alone.resolution == pytest.approx(together.resolution, abs=0.02)
            alone = replace(
                alone,
                suite_shift=together.suite_shift,
                resolution=together.resolution,
                limit=together.limit,
                reason=together.reason,
            )
        reported[is_clear] += 1
        assert alone == together
    assert reported[True] > 50
    assert reported[False] > 30


@settings(max_examples=300, deadline=None)
@given(suites, st.data(), st.sampled_from([0.0, 0.05, 0.1]))
def test_slower_is_never_greener(cells: list[Cell], data: st.DataObject, tolerance: float) -> None:
    index = data.draw(st.integers(0, len(cells) - 1))
    cell = cells[index]
    factors = st.floats(1.0, 1.5)
    rounds = [[ms * data.draw(factors) for ms in one] for one in cell.rounds]
    slower = [*cells[:index], replace(cell, rounds=rounds), *cells[index + 1 :]]

    before, after = judge(cells, tolerance)[index], judge(slower, tolerance)[index]

    assert greenness(after.outcome) >= greenness(before.outcome)


@settings(max_examples=200, deadline=None)
@given(suites, st.randoms(use_true_random=False))
def test_the_order_of_the_cells_does_not_matter(cells: list[Cell], chance: random.Random) -> None:
    order = list(range(len(cells)))
    chance.shuffle(order)

    straight = judge(cells, 0.05)
    shuffled = judge([cells[index] for index in order], 0.05)

    assert shuffled == [straight[index] for index in order]


@settings(max_examples=200, deadline=None)
@given(suites, st.floats(1e-3, 1e3))
def test_scaling_all_times_and_baselines_alike_changes_nothing(cells: list[Cell], scale: float) -> None:
    def scaled(baseline: object) -> object:
        if isinstance(baseline, list):
            return [scaled(entry) for entry in baseline]
        assert isinstance(baseline, float)
        return baseline * scale

    other = [Cell([[ms * scale for ms in one] for one in cell.rounds], scaled(cell.baseline)) for cell in cells]  # type: ignore[arg-type]

    for before, after in zip(judge(cells, 0.05), judge(other, 0.05), strict=True):
        assert after.outcome == before.outcome
        assert after.change == pytest.approx(before.change, rel=1e-6, abs=1e-6)
        assert after.limit == pytest.approx(before.limit, rel=1e-6, abs=1e-6)


@settings(max_examples=100, deadline=None)
@given(suites)
def test_every_cell_gets_one_of_the_five_outcomes_and_finite_numbers(cells: list[Cell]) -> None:
    for verdict, cell in zip(judge(cells, 0.05), cells, strict=True):
        assert verdict.outcome in GREENNESS
        assert verdict.rounds_used == len(cell.rounds)
        assert all(math.isfinite(number or 0.0) for number in (verdict.now_ms, verdict.change, verdict.limit))
        if verdict.outcome == "remeasure":
            assert verdict.rounds_used < MAX_ROUNDS
