"""Python's collector is out of the way of what is timed, and put back."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

import pytest

from pytest_ddperf.measure.gc_pause import PausedCollection, collect_rarely

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    thresholds, enabled = gc.get_threshold(), gc.isenabled()
    yield
    gc.set_threshold(*thresholds)
    gc.enable() if enabled else gc.disable()


def test_nothing_is_collected_in_a_round_and_it_goes_on_afterwards() -> None:
    with PausedCollection():
        assert not gc.isenabled()
    assert gc.isenabled()


def test_it_goes_on_after_a_round_that_fails() -> None:
    with pytest.raises(RuntimeError), PausedCollection():
        raise RuntimeError
    assert gc.isenabled()


def test_a_collector_that_was_off_stays_off() -> None:
    gc.disable()
    with PausedCollection():
        pass
    assert not gc.isenabled()


def test_what_is_there_is_left_out_and_what_is_new_is_collected_in_larger_portions() -> None:
    usual, frozen = gc.get_threshold(), gc.get_freeze_count()
    as_usual = collect_rarely()
    assert gc.get_freeze_count() > frozen
    assert gc.get_threshold() == (100_000, *usual[1:])
    as_usual()
    assert gc.get_threshold() == usual
    assert gc.get_freeze_count() == 0


def test_what_has_come_since_can_be_left_out_too_and_comes_back_with_the_rest() -> None:
    as_usual = collect_rarely()
    before = gc.get_freeze_count()
    kept: list[list[int]] = [[] for _ in range(1000)]
    gc.freeze()
    assert gc.get_freeze_count() >= before + len(kept)
    as_usual()
    assert gc.get_freeze_count() == 0


@pytest.mark.parametrize("young", [0, 200_000])
def test_who_collects_never_or_still_more_rarely_keeps_that(young: int) -> None:
    gc.set_threshold(young, 10, 10)
    as_usual = collect_rarely()
    assert gc.get_threshold() == (young, 10, 10)
    as_usual()
