"""Slower by real work, and by as much as asked."""

from __future__ import annotations

import pytest

from pytest_ddperf.embedded.runtime.slowdown import ExtraWork


class Machine:
    """A clock that only work moves on."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def clock(self) -> float:
        return self.now_s

    def work(self, seconds: float) -> None:
        self.now_s += seconds


@pytest.mark.parametrize("factor", [1.0, 1.1, 1.5, 3.0])
def test_the_factor_is_exact_on_average_over_the_passes(factor: float) -> None:
    machine = Machine()
    ballast = ExtraWork(factor, lambda: machine.work(0.003), machine.clock)
    for _ in range(1000):
        ballast.run(lambda: machine.work(0.010))
    assert machine.now_s == pytest.approx(10 * factor, abs=0.004)


def test_each_pass_carries_its_share_to_within_a_piece() -> None:
    machine = Machine()
    ballast = ExtraWork(1.1, lambda: machine.work(0.0001), machine.clock)
    passes_s = []
    for _ in range(10):
        started_s = machine.now_s
        ballast.run(lambda: machine.work(0.010))
        passes_s.append(machine.now_s - started_s)
    assert passes_s == pytest.approx([0.011] * 10, abs=0.000101)


def test_a_piece_that_was_held_up_frees_only_itself() -> None:
    machine = Machine()
    pieces_s = iter([0.001, 0.001, 1.0] + [0.001] * 100)
    ballast = ExtraWork(1.1, lambda: machine.work(next(pieces_s)), machine.clock)
    ballast.run(lambda: machine.work(0.020))
    ballast.run(lambda: machine.work(0.020))
    before_s = machine.now_s
    for _ in range(5):
        ballast.run(lambda: machine.work(0.020))
    assert machine.now_s - before_s >= 5 * 0.020 + 4 * 0.002 - 1e-9


def test_work_that_fails_says_so() -> None:
    def fail() -> None:
        raise MemoryError

    with pytest.raises(MemoryError):
        ExtraWork(1.1, lambda: None).run(fail)
