"""The gate, from samples and baselines to verdicts; noise is drawn from seeds."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from pytest_ddperf.gate.noise import MAX_ROUNDS
from pytest_ddperf.gate.verdicts import Cell, judge, judge_some, prepare

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_ddperf.gate.references import Run

KINDS = ["published", "recorded", "three runs", "history"]


class Board:
    """A quiet board: passes of 1.5 % scatter, runs of 1 %."""

    def __init__(self, seed: int = 1, sigma: float = 0.015, bias: float = 0.01) -> None:
        self.random = random.Random(seed)  # noqa: S311 - noise, not secrets
        self.sigma, self.bias = sigma, bias

    def passes(self, mean_ms: float = 10.0, count: int = 5) -> tuple[float, ...]:
        mean_ms *= math.exp(self.random.gauss(0, self.bias))
        return tuple(mean_ms * math.exp(self.random.gauss(0, self.sigma)) for _ in range(count))

    def rounds(self, count: int, mean_ms: float = 10.0) -> list[tuple[float, ...]]:
        return [self.passes(mean_ms) for _ in range(count)]

    def baseline(self, kind: str, mean_ms: float = 10.0) -> float | list[Run]:
        if kind == "published":
            return mean_ms
        return [*self.rounds({"recorded": 1, "three runs": 3, "history": 30}[kind], mean_ms)]

    def suite(self, kind: str, cells: int = 40, factor: float = 1.0) -> list[Cell]:
        return [Cell(self.rounds(1, 10 * factor), self.baseline(kind)) for _ in range(cells)]


def outcomes(cells: Sequence[Cell], tolerance: float = 0.05) -> list[str]:
    return [verdict.outcome for verdict in judge(cells, tolerance)]


@pytest.mark.parametrize("kind", KINDS)
def test_a_suite_without_change_is_green_after_one_round(kind: str) -> None:
    found = outcomes(Board().suite(kind))

    assert found.count("ok") >= 36
    assert "regressed" not in found


@pytest.mark.parametrize("kind", KINDS)
def test_one_slow_round_asks_for_another(kind: str) -> None:
    board = Board()
    cells = [Cell(board.rounds(1, 11.0), board.baseline(kind)), *board.suite(kind)]

    assert outcomes(cells)[0] == "remeasure"


@pytest.mark.parametrize("kind", KINDS)
def test_a_cell_slow_in_every_round_is_red(kind: str) -> None:
    board = Board()
    cells = [Cell(board.rounds(6, 11.5), board.baseline(kind)), *board.suite(kind)]

    verdict = judge(cells, 0.05)[0]

    assert verdict.outcome == "regressed"
    assert verdict.change == pytest.approx(0.15, abs=0.03)
    assert "after 6 rounds" in verdict.reason


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("stalled", [True, False])
def test_the_reason_says_if_the_first_round_is_left_out_because_the_suite_stalled(kind: str, stalled: bool) -> None:
    board = Board()
    first_ms = 15.0 if stalled else 10.0
    others = [Cell([board.passes(first_ms), board.passes()], board.baseline(kind)) for _ in range(39)]
    slow = Cell([board.passes(first_ms * 1.15), *board.rounds(5, 11.5)], board.baseline(kind))

    verdict = judge([slow, *others], 0.05)[0]

    assert verdict.outcome == "regressed"
    assert f"after {5 if stalled else 6} rounds" in verdict.reason
    assert ("without the first one, in which the whole suite stalled" in verdict.reason) is stalled


@pytest.mark.parametrize("kind", KINDS)
def test_two_slow_rounds_are_never_enough_for_red(kind: str) -> None:
    board = Board()
    cells = [Cell(board.rounds(2, 15.0), board.baseline(kind)), *board.suite(kind)]

    assert outcomes(cells)[0] == "remeasure"


def test_a_slow_round_that_does_not_come_back_is_green() -> None:
    board = Board()
    cells = [Cell([*board.rounds(1, 12.0), *board.rounds(1)], board.baseline("history")), *board.suite("history")]

    assert outcomes(cells)[0] == "ok"


def test_a_single_outlier_in_a_round_is_not_seen() -> None:
    board = Board()
    fast = board.passes()
    cells = [Cell([[*fast[:4], 20.0]], board.baseline("history")), *board.suite("history")]

    assert outcomes(cells)[0] == "ok"


@pytest.mark.parametrize("kind", KINDS)
def test_a_faster_cell_is_improved(kind: str) -> None:
    board = Board()
    cells = [Cell(board.rounds(1, 8.0), board.baseline(kind)), *board.suite(kind)]

    assert outcomes(cells)[0] == "improved"


def test_a_cell_much_faster_than_a_published_table_says_that_the_table_is_stale() -> None:
    board = Board()
    cells = [Cell(board.rounds(1, 8.0), 10.0), *board.suite("published")]

    assert "published table" in judge(cells, 0.05)[0].reason


@pytest.mark.parametrize("kind", KINDS)
def test_half_of_the_suite_slower_is_seen(kind: str) -> None:
    board = Board()
    slow = [Cell(board.rounds(6, 11.2), board.baseline(kind)) for _ in range(20)]

    found = outcomes([*slow, *board.suite(kind, 20)])

    assert found[:20].count("regressed") >= 16
    assert "regressed" not in found[20:]


@pytest.mark.parametrize("kind", KINDS)
def test_a_platform_that_moved_as_a_whole_is_red_and_says_so(kind: str) -> None:
    board = Board()
    cells = [Cell(board.rounds(3, 11.5), board.baseline(kind)) for _ in range(30)]

    verdicts = judge(cells, 0.05)

    assert sum(verdict.outcome == "regressed" for verdict in verdicts) >= 28
    assert "the platform shifted" in verdicts[0].reason
    assert verdicts[0].suite_shift == pytest.approx(0.15, abs=0.03)


def test_a_common_shift_that_a_noisy_host_shows_every_week_is_not_red() -> None:
    board = Board(sigma=0.02)
    nights = [board.random.gauss(0, 0.08) for _ in range(30)]
    tonight = math.exp(0.1)
    cells = [
        Cell(board.rounds(3, 10 * tonight), [board.passes(10 * math.exp(shift)) for shift in nights]) for _ in range(30)
    ]

    assert "regressed" not in outcomes(cells)


def test_a_noisy_cell_beyond_the_tolerance_is_unstable_after_the_last_round() -> None:
    board = Board(sigma=0.05, bias=0.1)
    cells = [
        Cell([[11.0] * 5] * MAX_ROUNDS, [(10.0,) * 5]),
        *(Cell(board.rounds(1), [board.passes()]) for _ in range(30)),
    ]

    verdict = judge(cells, 0.05)[0]

    assert verdict.outcome == "unstable"
    assert "too noisy" in verdict.reason


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rounds", [6, 7, 12])
def test_after_six_rounds_no_cell_asks_again(kind: str, rounds: int) -> None:
    board = Board(3, sigma=0.06, bias=0.08)
    cells = [Cell(board.rounds(rounds, 10.6), board.baseline(kind)) for _ in range(30)]

    assert "remeasure" not in outcomes(cells)


def test_what_the_gate_can_resolve_is_reported_and_coarser_than_the_tolerance_where_it_is_noisy() -> None:
    quiet = judge(Board().suite("history"), 0.05)[0]
    noisy = judge(Board(sigma=0.05, bias=0.07).suite("history"), 0.05)[0]

    assert quiet.resolution is not None
    assert 0.05 < quiet.resolution < 0.065
    assert noisy.resolution is not None
    assert noisy.resolution > 0.1
    assert f"resolution {noisy.resolution * 100:.1f} %" in noisy.reason


def test_a_limit_is_at_most_ten_times_as_slow_however_uncertain_the_noise_is() -> None:
    noisy = judge([Cell([[11.2] * 5, [13.0] * 5], 10.0)], 0.1)[0]
    slow = judge([Cell([[120.0] * 5, [150.0] * 5, [135.0] * 5], 10.0)], 0.1)[0]

    assert noisy.outcome == "remeasure"
    assert noisy.limit == pytest.approx(9.0)
    assert slow.outcome == "regressed"


def test_no_resolution_is_stated_where_nothing_shows_the_noise() -> None:
    passes = [10.0, 10.1, 10.0, 10.2, 10.1]
    few = [Cell([passes], 10.0)] * 7

    assert {verdict.resolution for verdict in judge(few, 0.1)} == {None}
    assert None not in {verdict.resolution for verdict in judge([*few, *few], 0.1)}
    assert judge([Cell([passes, passes], 10.0)], 0.1)[0].resolution is not None


def test_against_a_history_other_slow_cells_make_a_slow_cell_more_likely() -> None:
    board = Board(sigma=0.05, bias=0.05)
    suite = board.suite("history", 60)
    slow = [Cell(board.rounds(MAX_ROUNDS, 13), board.baseline("history")) for _ in range(6)]
    alone = judge([*suite, slow[0]], 0.1)[-1]

    together = judge([*suite, *slow[1:], slow[0]], 0.1)[-1]

    assert together.limit < alone.limit


def test_the_kind_follows_the_number_of_runs() -> None:
    board = Board()
    baselines: list[float | list[Run] | None] = [
        10.0,
        [*board.rounds(7)],
        [*board.rounds(8), ()],
        [(), *board.rounds(7)],
        None,
    ]

    kinds = [prepare(Cell(board.rounds(1), one)).kind for one in baselines]

    assert kinds == ["published", "recorded", "history", "recorded", ""]


def test_only_the_last_thirty_nights_make_the_centre() -> None:
    board = Board()
    cells = [Cell(board.rounds(1), [*board.rounds(20, 50.0), *board.rounds(30)]) for _ in range(20)]

    assert outcomes(cells) == ["ok"] * 20


def test_a_night_that_lacks_the_cell_is_left_out() -> None:
    board = Board()
    whole = board.suite("history", 20)
    runs = board.rounds(30)
    gaps: list[Run] = [() if night % 3 == 0 else run for night, run in enumerate(runs)]

    assert outcomes([Cell(board.rounds(1), gaps), *whole])[0] == "ok"


def test_the_rounds_of_one_session_are_one_run() -> None:
    board = Board()
    long_runs: list[Run] = [(*board.passes(), *board.passes(), *board.passes()) for _ in range(7)]

    assert prepare(Cell(board.rounds(1), long_runs)).kind == "recorded"
    assert judge([Cell(board.rounds(1), long_runs)], 0.05)[0].outcome == "ok"


def test_a_published_mean_is_held_against_a_mean() -> None:
    board = Board(sigma=0.05, bias=0.0)
    cells = [Cell([board.passes(count=5)], 10.0) for _ in range(200)]

    changes = sorted(verdict.change or 0.0 for verdict in judge(cells, 0.3))

    assert changes[100] == pytest.approx(0.0, abs=0.01)


def test_a_reading_error_widens_the_limit() -> None:
    board = Board()
    sharp = board.suite("published", 30)
    vague = [replace(sharp[0], reading_error_ms=1.0), *sharp[1:]]

    assert judge(vague, 0.05)[0].limit > judge(sharp, 0.05)[0].limit * 1.2


@pytest.mark.parametrize("kind", KINDS)
def test_a_single_cell_gets_a_verdict(kind: str) -> None:
    board = Board()
    baseline = board.baseline(kind)

    assert outcomes([Cell(board.rounds(1), baseline)]) == ["ok"]
    assert outcomes([Cell(board.rounds(1, 12.0), baseline)]) == ["remeasure"]
    assert outcomes([Cell(board.rounds(6, 12.0), baseline)]) == ["regressed"]


def test_below_eight_cells_there_is_no_suite_shift() -> None:
    board = Board()
    verdicts = judge([Cell(board.rounds(6, 12.0), 10.0) for _ in range(7)], 0.05)

    assert {(verdict.outcome, verdict.suite_shift) for verdict in verdicts} == {("regressed", None)}


@pytest.mark.parametrize("baseline", [None, [], [()], [(), ()]])
def test_a_cell_without_baseline_is_new(baseline: list[Run] | None) -> None:
    verdict = judge([Cell([[10.0] * 5], baseline)], 0.05)[0]

    assert (verdict.outcome, verdict.baseline_ms, verdict.change) == ("new", None, None)


def test_a_cell_without_baseline_does_not_change_the_others() -> None:
    suite = Board().suite("published", 20)
    new = [Cell([[1000.0] * 5] * 4) for _ in range(30)]

    assert judge([*new, *suite], 0.05)[30:] == judge(suite, 0.05)


def test_no_cells_have_no_verdicts() -> None:
    assert judge([], 0.05) == []


def test_a_thousand_cells_are_judged() -> None:
    board = Board()
    cells = [Cell(board.rounds(1, 10.0 + (index % 100 == 0) * 5), 10.0) for index in range(1000)]

    found = outcomes(cells)

    assert found.count("remeasure") >= 10
    assert "regressed" not in found


@pytest.mark.parametrize("kind", KINDS)
def test_a_clock_without_any_scatter_is_judged(kind: str) -> None:
    flat: dict[str, float | list[Run]] = {
        "published": 10.0,
        "recorded": [(10.0,) * 5],
        "three runs": [(10.0,) * 5] * 3,
        "history": [(10.0,) * 5] * 30,
    }
    cells = [Cell([[10.0] * 5], flat[kind]) for _ in range(20)]
    slow = Cell([[11.0] * 5] * 6, flat[kind])

    assert outcomes([slow, *cells]) == ["regressed", *["ok"] * 20]


@pytest.mark.parametrize("factor", [1.15, 1.3])
@pytest.mark.parametrize("cells", [2, 4, 15])
def test_a_suite_that_is_slower_as_a_whole_is_a_shift_of_the_platform(cells: int, factor: float) -> None:
    board = Board()
    suite = [Cell(board.rounds(6, 10 * factor), board.baseline("three runs")) for _ in range(cells)]

    for verdict in judge(suite, 0.05):
        assert (verdict.outcome, verdict.platform_shifted, verdict.shift_removed) == ("regressed", True, 0.0)


def test_a_single_slower_cell_is_no_shift_of_the_platform() -> None:
    board = Board()
    slow, *others = [Cell(board.rounds(6, 10 * factor), board.baseline("three runs")) for factor in (1.3, 1, 1, 1)]

    verdict = judge([slow, *others], 0.05)[0]

    assert (verdict.outcome, verdict.platform_shifted) == ("regressed", False)
    assert not judge([slow], 0.05)[0].platform_shifted


def test_a_common_shift_within_the_tolerance_is_removed_from_every_change() -> None:
    cells = [Cell([[10.4 * (1 + 0.0001 * number)] * 5], [(10.0,) * 5]) for number in range(20)]

    for verdict in judge(cells, 0.05):
        assert verdict.shift_removed == pytest.approx(0.041, abs=0.002)
        assert verdict.change == pytest.approx(0.0, abs=0.002)
        assert verdict.now_ms == pytest.approx((verdict.baseline_ms or 0.0) * (1 + (verdict.change or 0.0)))


def test_a_cell_on_the_other_side_of_a_common_shift_keeps_its_change() -> None:
    cells = [Cell([[10.4] * 5], [(10.0,) * 5]) for _ in range(20)]

    verdict = judge([Cell([[9.8] * 5], [(10.0,) * 5]), *cells], 0.05)[0]

    assert verdict.shift_removed == 0.0
    assert verdict.change == pytest.approx(-0.02)


@pytest.mark.parametrize(
    "rounds",
    [
        [[]],
        [[10.0], []],
        [[0.0]],
        [[-1.0]],
        [[10.0, math.nan, 10.0]],
        [[math.nan]],
        [[math.inf]],
        [[10.0, -math.inf]],
    ],
)
def test_rounds_that_cannot_be_judged_are_an_error(rounds: list[list[float]]) -> None:
    with pytest.raises(ValueError, match="times"):
        judge([Cell([[10.0]], 10.0), Cell(rounds, 10.0)], 0.05)


@pytest.mark.parametrize("run", [(0.0,), (10.0, math.nan), ((10.0, -1.0),)])
def test_a_run_that_cannot_be_compared_with_is_an_error(run: Run) -> None:
    with pytest.raises(ValueError, match="times"):
        judge([Cell([[10.0]], [run])], 0.05)


def test_one_pass_a_round_is_judged() -> None:
    cells = [Cell([[10.0]], 10.0) for _ in range(20)]

    assert outcomes([Cell([[20.0]] * 6, 10.0), *cells]) == ["regressed", *["ok"] * 20]


@pytest.mark.parametrize("scale", [1e-300, 1e300])
def test_extreme_times_overflow_nothing(scale: float) -> None:
    cells = [Cell([[10.0 * scale] * 5] * 6, 10.0) for _ in range(10)]

    assert set(outcomes(cells)) <= {"regressed", "improved"}


def test_a_run_as_rounds_of_equal_size_is_judged_as_its_passes_are() -> None:
    board = Board()
    recorded = tuple(board.rounds(3))
    now = board.rounds(3)

    apart = judge([Cell(now, [recorded])], 0.05)
    joined = judge([Cell(now, [tuple(ms for one in recorded for ms in one)])], 0.05)

    assert apart == joined


def test_the_rounds_of_a_recording_count_also_if_they_have_fewer_passes_than_tonight() -> None:
    now = [[10.0] * 20] * 3
    scattered = judge([Cell(now, [((9.0,) * 5, (10.0,) * 5, (11.0,) * 5)])], 0.05)
    steady = judge([Cell(now, [((10.0,) * 5,) * 3])], 0.05)

    assert scattered[0].limit > 2 * steady[0].limit


@pytest.mark.parametrize("kind", KINDS)
def test_further_cells_of_a_suite_lower_the_chance_of_each_to_be_red(kind: str) -> None:
    board = Board(sigma=0.1, bias=0.07)
    cells = (prepare(Cell(board.rounds(6, 11.5), board.baseline(kind))), *map(prepare, board.suite(kind)))

    (alone,), (among_many,) = (judge_some(cells, cells[:1], 0.05, further) for further in (0, 10_000))

    assert alone.limit > 0.05
    assert among_many.limit > 1.1 * alone.limit


@pytest.mark.parametrize("kind", KINDS)
def test_a_cell_beside_its_fellows_gets_the_verdict_of_a_suite_with_it(kind: str) -> None:
    board = Board()
    fellows = tuple(map(prepare, board.suite(kind, cells=128)))
    for rounds, mean_ms in ((1, 10.0), (1, 12.0), (6, 12.0)):
        own = prepare(Cell(board.rounds(rounds, mean_ms), board.baseline(kind)))
        (beside,), (among) = judge_some(fellows, [own], 0.05, 1), judge_some((*fellows, own), [own], 0.05)[0]
        assert beside.outcome == among.outcome
        assert beside.limit == pytest.approx(among.limit, rel=0.02)
        assert beside.change == pytest.approx(among.change, abs=0.001)


def test_a_cell_beside_fellows_with_other_baselines_is_judged_by_itself() -> None:
    board = Board()
    fellows = tuple(map(prepare, board.suite("recorded")))
    for kind in ("published", "history"):
        own = prepare(Cell(board.rounds(1), board.baseline(kind)))
        assert judge_some(fellows, [own], 0.05, 1) == judge_some((*fellows, own), [own], 0.05)
