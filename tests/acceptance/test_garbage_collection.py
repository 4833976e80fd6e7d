"""Python's collector takes no time of a pass."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bench_project import BenchProject

CELL = ("--ddperf-models=squeezenet_v1.1", "--ddperf-batch-sizes=1,8")


def test_it_rests_in_every_round_and_works_between_them(tk1: BenchProject) -> None:
    (tk1.path / "benchmarks" / "conftest.py").write_text(
        "import gc\n\n\ndef pytest_runtest_setup(item):\n    assert gc.isenabled()\n", encoding="utf-8"
    )
    rested: list[bool] = []
    tk1.server.fault = lambda _: rested.append(not gc.isenabled())
    assert tk1.run(*CELL).ret == 0
    assert rested == [True] * 12


def test_it_comes_more_rarely_from_the_first_cell_that_is_collected(tk1: BenchProject) -> None:
    (tk1.path / "benchmarks" / "conftest.py").write_text(
        "import gc\n\n\n"
        "def pytest_itemcollected(item):\n"
        "    assert gc.get_threshold()[0] == 100_000\n    item.had = gc.get_freeze_count()\n"
        "\n\n"
        "def pytest_runtestloop(session):\n"
        "    assert all(gc.get_freeze_count() > item.had > 0 for item in session.items)\n",
        encoding="utf-8",
    )
    assert tk1.run(*CELL).ret == 0


def test_it_works_under_load_which_may_last(tk1: BenchProject) -> None:
    rested: list[bool] = []
    tk1.server.fault = lambda _: rested.append(not gc.isenabled())
    tk1.run(*CELL[:1], "--ddperf-batch-sizes=1", "--ddperf-concurrency=2", "--ddperf-load-requests=5")
    assert rested.count(True) == 6
    assert not any(rested[6:])


def test_it_is_as_it_was_after_the_run(tk1: BenchProject) -> None:
    before = gc.get_threshold()
    tk1.run(*CELL)
    assert (gc.isenabled(), gc.get_threshold(), gc.get_freeze_count()) == (True, before, 0)
