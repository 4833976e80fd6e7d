from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from figure_results import measured, published
from hypothesis import given
from hypothesis import strategies as st
from nightly import cell

from pytest_ddperf.core.records import Baseline, CellKey, CellRecord, Outcome, Unavailable
from pytest_ddperf.core.results import SEVERITY, Result, Results, RunFacts, join_cell, select_reddest, sort_cells

KEY = CellKey("tk1", "resnet50", 2)
HELD = Baseline("report", 231.0, "a table")
JUDGED_BY = Baseline("history", 230.0, "eight nights")


def record(**changes: object) -> CellRecord:
    return replace(cell(KEY, [231.0, 233.0]), now_ms=232.0, **changes)  # type: ignore[arg-type] # fields of the record


@pytest.mark.parametrize(
    ("result", "side", "value_ms"),
    [
        (Result(KEY, baseline_ms=1.0, now_ms=2.0), "both", 2.0),
        (Result(KEY, now_ms=2.0), "measured", 2.0),
        (Result(KEY, baseline_ms=1.0), "baseline", 1.0),
        (Result(KEY, unavailable=True), "x", None),
        (Result(KEY), "none", None),
        (Result(KEY, unavailable=True, now_ms=2.0), "measured", 2.0),
    ],
)
def test_a_cell_says_on_which_side_there_is_a_value(result: Result, side: str, value_ms: float | None) -> None:
    assert (result.side, result.value_ms) == (side, value_ms)


def test_a_cell_that_was_not_measured_is_its_baseline() -> None:
    result = join_cell(KEY, HELD)
    assert (result.baseline_ms, result.baseline_kind, result.baseline_source) == (231.0, "report", "a table")
    assert (result.now_ms, result.outcome, result.samples_ms) == (None, None, ())


def test_the_baseline_that_a_run_was_judged_by_goes_before_the_one_that_holds_now() -> None:
    assert join_cell(KEY, HELD, record(baseline=JUDGED_BY)).baseline_ms == 230.0
    assert join_cell(KEY, HELD, record(baseline=None)).baseline_ms == 231.0


def test_a_measured_cell_has_every_timed_pass() -> None:
    result = join_cell(KEY, None, record())
    assert (result.side, result.samples_ms, result.clock) == ("measured", (231.0, 233.0), "predict")


def test_a_figure_of_a_picture_carries_its_reading_error() -> None:
    assert join_cell(KEY, replace(HELD, reading_error_ms=1.5)).reading_error_ms == 1.5
    assert join_cell(KEY, HELD).reading_error_ms == 0.0


def test_what_is_to_be_known_of_the_comparison_is_kept() -> None:
    result = join_cell(KEY, HELD, record(notes=("the table is of caffe, this server runs onnxruntime",)))
    assert result.notes == ("the table is of caffe, this server runs onnxruntime",)


def test_a_cell_of_an_earlier_run_says_so() -> None:
    earlier = RunFacts("night-1", "2026-11-01T02:00:00+00:00")
    result = join_cell(KEY, HELD, record(), earlier)
    assert result.notes == ("measured by an earlier run, night-1 of 2026-11-01T02:00:00+00:00",)
    results = Results(published().catalog, (result,), {"tk1": RunFacts("night-2", "")})
    assert results.run_of(result) is earlier
    assert results.run_of(join_cell(KEY, HELD, record())) is results.runs["tk1"]
    assert results.run_of(join_cell(KEY, HELD)) is None


def test_nothing_on_a_clock_is_no_time() -> None:
    assert join_cell(KEY, HELD, replace(record(), now_ms=0.0)).now_ms is None


@given(st.permutations([Outcome.OK, Outcome.UNSTABLE, Outcome.ERROR, Outcome.UNAVAILABLE]))
def test_of_several_records_of_a_cell_the_reddest_counts(outcomes: list[Outcome]) -> None:
    (counting,) = select_reddest(record(outcome=outcome) for outcome in outcomes).values()
    assert counting.outcome is Outcome.ERROR


def test_of_equally_red_records_the_last_counts() -> None:
    (counting,) = select_reddest([record(nodeid="a"), record(nodeid="b")]).values()
    assert counting.nodeid == "b"


def test_a_cell_that_was_skipped_or_is_marked_is_unavailable() -> None:
    assert join_cell(KEY, Unavailable("a table")).side == "x"
    skipped = replace(record(outcome=Outcome.UNAVAILABLE), now_ms=None, measurement=None)
    assert join_cell(KEY, None, skipped).side == "x"


def test_every_verdict_has_a_rank() -> None:
    assert sorted(SEVERITY) == sorted(Outcome)


def test_judged_cells_come_worst_first_and_the_greatest_change_before_others() -> None:
    results = measured({("resnet50", 1): 0.2, ("resnet50", 2): 0.4, ("vgg16", 1): Outcome.OOM, ("googlenet", 1): -0.5})
    first = [(cell.key.model, cell.key.batch_size) for cell in results.judged[:3]]
    assert first == [("resnet50", 2), ("resnet50", 1), ("vgg16", 1)]
    assert all(cell.outcome is not None for cell in results.judged)
    assert len(results.judged) == len([cell for cell in results.cells if cell.outcome is not None])


def test_only_keeps_cells_and_runs_of_the_platforms_that_are_asked_for() -> None:
    results = measured()
    assert results.only(["tx1"]).platforms == ("tx1",)
    assert results.only(["tx1"]).runs == {}
    assert results.only(["tk1"]).of("tk1") == results.of("tk1")
    assert set(results.only(["tk1"]).runs) == {"tk1"}
    counted = replace(results, missing={"tk1": 2, "tx1": 5})
    assert (counted.not_measured, counted.only(["tk1"]).not_measured) == (7, 2)


def test_platforms_are_those_that_have_cells_in_the_catalogue_s_order() -> None:
    known = list(published().catalog.platforms)
    assert list(published().platforms) == [one for one in known if one != "local"]


KEYS = st.builds(
    CellKey,
    st.sampled_from(["tk1", "tx1", "mine"]),
    st.sampled_from(["vgg16", "resnet50", "crnn_ocr", "unknown"]),
    st.sampled_from([1, 2, 16]),
    st.sampled_from(["", "c4"]),
)


@given(st.lists(KEYS, unique=True))
def test_order_is_that_of_the_catalogue_whatever_came_first(keys: list[CellKey]) -> None:
    catalog = published().catalog
    found = [result.key for result in sort_cells([Result(key) for key in keys], catalog)]
    assert found == [result.key for result in sort_cells([Result(key) for key in reversed(keys)], catalog)]
    assert sorted(found) == sorted(keys)
    platforms = list(dict.fromkeys(key.platform for key in found))
    assert platforms == [name for name in ("tx1", "tk1", "mine") if name in platforms]
    for one, other in itertools.pairwise(found):
        if (one.platform, one.model) == (other.platform, other.model):
            assert one.batch_size <= other.batch_size


def test_results_without_a_run_have_none() -> None:
    empty = Results(published().catalog, ())
    assert (empty.platforms, empty.judged, empty.runs, empty.not_measured) == ((), (), {}, 0)
    assert RunFacts("run", "").complete
