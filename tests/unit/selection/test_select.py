from __future__ import annotations

import csv
import tomllib
from dataclasses import fields, replace
from decimal import Decimal
from math import inf
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_ddperf.config.load_catalog import load_catalog
from pytest_ddperf.core.budgets import EVERY_NETWORK, Budget
from pytest_ddperf.core.catalog import build_bare_catalog
from pytest_ddperf.core.platform import Platform
from pytest_ddperf.core.records import CellKey, Outcome
from pytest_ddperf.core.results import Result, Results, RunFacts
from pytest_ddperf.report.gather import gather_results
from pytest_ddperf.selection.rules import Considered, Ranking, Requirements, Rule, Selection
from pytest_ddperf.selection.select import estimate_memory_gib, select

BASELINES = Path(__file__).resolve().parents[3] / "baselines"
COLUMNS = {"res50": "resnet50", "res101": "resnet101", "res152": "resnet152", "mobilenetv2": "mobilenet_v2"} | {
    "Squeezenetv1.0": "squeezenet_v1.0",
    "Squeezenetv1.1": "squeezenet_v1.1",
    "SqueezeNet": "squeezenet_unversioned",
    "squeezenet": "squeezenet_unversioned",
    "ShuffleNet": "shufflenet",
    "CRNN-OCR": "crnn_ocr",
    "ResNet18-ocr": "resnet18_ocr",
    "SqueezeNet-SSD-faces": "squeezenet_ssd_faces",
    "SqueezeNet-SSD-voc": "squeezenet_ssd_voc",
    "VGG16-SSD-600": "vgg16_ssd_600",
}
"""Columns of the published tables that are not spelled as the id, by hand: independent of what reads them."""

KEY = CellKey("board", "resnet50", 4)
BOARD = Platform("board", "A board", watts=10, memory_gib=2, source="report, a picture", reading_error_percent=2)
CATALOG = replace(build_bare_catalog(), platforms={"board": BOARD, "silent": Platform("silent", "Silent")})
PUBLISHED = Result(
    KEY, baseline_ms=40.0, baseline_kind="report", baseline_source="a picture; b.csv, line 4", reading_error_ms=0.8
)


@pytest.fixture(scope="module")
def published() -> Results:
    """The package's own tables, every platform; a project has none and `local` is not asked for."""
    catalog = load_catalog()
    return gather_results(catalog, (), {}, platforms=[name for name in catalog.platforms if name != "local"])


def only(requirements: Requirements, *cells: Result, **known: object) -> Selection:
    """The answer from these cells alone; `known`: fields of the board."""
    platforms = {"board": replace(BOARD, **known), "silent": CATALOG.platforms["silent"]}  # type: ignore[arg-type]
    results = Results(
        replace(CATALOG, platforms=platforms), cells, {"board": RunFacts("20261101", "2026-11-01T02:00:00+00:00")}
    )
    return select(results, requirements)


def cells_of(published: str) -> dict[tuple[str, int], str]:
    """The cells of a table as they are printed, by network and batch size."""
    with (BASELINES / published).open(encoding="utf-8", newline="") as file:
        return {
            (COLUMNS.get(column, column), int(row["batch_size"])): text
            for row in csv.DictReader(file)
            for column, text in row.items()
            if column != "batch_size"
        }


def counted_by_hand(min_fps: str, max_watts: str) -> set[tuple[str, str, int]]:
    """What meets it by the tables alone, in decimal fractions as they are printed."""
    platforms = tomllib.loads((BASELINES / "platforms.toml").read_text(encoding="utf-8"), parse_float=Decimal)
    return {
        (name, model, batch_size)
        for name, platform in platforms["platforms"].items()
        if "watts" in platform and Decimal(platform["watts"]) <= Decimal(max_watts)
        for (model, batch_size), text in cells_of(f"{name}.csv").items()
        if text.strip() != "x" and Decimal(text) * Decimal(min_fps) <= 1000
    }


def keys(cells: tuple[Considered, ...]) -> set[tuple[str, str, int]]:
    return {(one.key.platform, one.key.model, one.key.batch_size) for one in cells}


@pytest.mark.parametrize(("min_fps", "max_watts"), [("25", "15"), ("10", "15"), ("10", "5"), ("1", "4"), ("25", "300")])
def test_the_candidates_are_those_that_the_published_tables_give_by_hand(
    published: Results, min_fps: str, max_watts: str
) -> None:
    expected = counted_by_hand(min_fps, max_watts)
    chosen = select(published, Requirements(min_fps=float(min_fps), max_watts=float(max_watts)))
    assert expected
    assert keys(chosen.candidates) == expected


def test_the_issues_example_names_the_reports_networks_for_embedded_systems(published: Results) -> None:
    chosen = select(published, Requirements(min_fps=25, max_watts=15))
    assert [(one.key.platform, one.key.model, one.key.batch_size) for one in chosen.best] == [
        ("tx1", "googlenet", 2),
        ("tx1", "squeezenet_v1.1", 1),
        ("tk1", "squeezenet_v1.1", 16),
        ("tx1", "squeezenet_v1.0", 1),
        ("nano", "resnet18_ocr", 8),
        ("nano", "shufflenet", 4),
        ("nano", "squeezenet_unversioned", 1),
        ("tx1", "mobilenet_depthwise", 1),
        ("tx1", "shufflenet", 2),
    ]


# --- properties, over all published cells --------------------------------------------------------------------------

LIMITS = st.builds(
    Requirements,
    min_fps=st.none() | st.sampled_from([1.0, 10.0, 25.0]) | st.floats(0.1, 400),
    max_watts=st.none() | st.sampled_from([4.0, 5.0, 12.5, 15.0, 280.0]) | st.floats(1, 300),
    min_accuracy_percent=st.none() | st.sampled_from([59.5, 67.9, 77.0]) | st.floats(50, 80),
    max_batch_size=st.none() | st.integers(1, 128),
    max_memory_gib=st.none() | st.floats(0.001, 0.7),
    max_price_usd=st.none() | st.sampled_from([35.0, 200.0]),
    max_latency_ms=st.none() | st.floats(2, 10_000),
    allow_unknown=st.booleans(),
)
FALLING = ("min_fps", "min_accuracy_percent")
"""Requirements that are tighter the greater they are."""


def met_by_hand(one: Considered, asked: Requirements) -> bool:
    """Whether a cell meets it, straight from its figures."""
    if one.value_ms is None:
        return False
    figures = {
        "min_fps": 1000 / one.value_ms,
        "max_watts": one.platform.watts,
        "min_accuracy_percent": one.network.top1_accuracy_percent,
        "max_batch_size": one.key.batch_size,
        "max_memory_gib": one.memory_gib,
        "max_price_usd": one.platform.price_usd,
        "max_latency_ms": one.value_ms * one.key.batch_size,
    }
    for name, figure in figures.items():
        limit = getattr(asked, name)
        if limit is None:
            continue
        if figure is None:
            if not asked.allow_unknown:
                return False
        elif not (figure >= limit * (1 - 1e-9) if name in FALLING else figure <= limit * (1 + 1e-9)):
            return False
    return True


@settings(max_examples=40)  # each judges every published cell
@given(asked=LIMITS)
def test_every_cell_is_a_candidate_or_ruled_out_and_the_candidates_alone_meet_everything(
    published: Results, asked: Requirements
) -> None:
    chosen = select(published, asked)
    both = [one.key for one in (*chosen.candidates, *chosen.ruled_out)]
    assert sorted(both) == sorted(cell.key for cell in published.cells)
    assert all(met_by_hand(one, asked) and not one.misses for one in chosen.candidates)
    assert not any(met_by_hand(one, asked) or not one.misses for one in chosen.ruled_out)


@settings(max_examples=40)  # each judges every published cell
@given(asked=LIMITS, other=LIMITS)
def test_tightening_a_requirement_never_adds_a_candidate(
    published: Results, asked: Requirements, other: Requirements
) -> None:
    tighter: dict[str, object] = {"allow_unknown": asked.allow_unknown and other.allow_unknown}
    for each in fields(Requirements):
        limits = [limit for one in (asked, other) if (limit := getattr(one, each.name)) is not None]
        if each.name != "allow_unknown":
            tighter[each.name] = (max if each.name in FALLING else min)(limits) if limits else None
    narrow = select(published, Requirements(**tighter))  # type: ignore[arg-type]
    assert keys(narrow.candidates) <= keys(select(published, asked).candidates)


@settings(max_examples=40)  # each judges every published cell
@given(asked=LIMITS)
def test_the_groups_hold_each_cell_that_is_ruled_out_once(published: Results, asked: Requirements) -> None:
    chosen = select(published, asked)
    grouped = [one.key for group in chosen.groups() for one in group.cells]
    assert sorted(grouped) == sorted(one.key for one in chosen.ruled_out)
    assert [group.rule for group in chosen.groups()] == sorted(
        (group.rule for group in chosen.groups()), key=list(Rule).index
    )


@settings(max_examples=40)  # each judges every published cell
@given(asked=LIMITS)
def test_the_nearest_misses_are_one_a_pair_without_candidate_nearest_first_and_never_of_unknown_distance(
    published: Results, asked: Requirements
) -> None:
    chosen = select(published, asked)
    nearest = chosen.nearest_misses()
    pairs = [one.pair for one in nearest]
    assert len(pairs) == len(set(pairs))
    assert not set(pairs) & {one.pair for one in chosen.candidates}
    distances = [one.shortfall for one in nearest]
    assert distances == sorted(distances)
    assert inf not in distances
    closest = {one.pair: one.shortfall for one in nearest}
    assert all(closest[one.pair] <= one.shortfall for one in chosen.ruled_out if one.pair in closest)


@settings(max_examples=40)  # each judges every published cell
@given(asked=LIMITS, ranking=st.sampled_from(list(Ranking)))
def test_candidates_are_ranked_by_the_figure_asked_for_and_unknown_ones_come_last(
    published: Results, asked: Requirements, ranking: Ranking
) -> None:
    chosen = select(published, asked, ranking=ranking)
    figures = [
        {
            Ranking.ACCURACY: one.network.top1_accuracy_percent,
            Ranking.EFFICIENCY: one.fps_per_watt,
            Ranking.SPEED: one.fps,
            Ranking.LATENCY: None if one.latency_ms is None else -one.latency_ms,
        }[ranking]
        for one in chosen.candidates
    ]
    known = [figure for figure in figures if figure is not None]
    assert figures == [*sorted(known, reverse=True), *[None] * (len(figures) - len(known))]


def test_the_best_of_a_pair_is_its_smallest_batch(published: Results) -> None:
    chosen = select(published, Requirements(min_fps=25))
    for one in chosen.best:
        own = [other.key.batch_size for other in chosen.candidates if other.pair == one.pair]
        assert one.key.batch_size == min(own)
    assert {one.pair for one in chosen.best} == {one.pair for one in chosen.candidates}


def test_accuracy_ties_are_ranked_by_images_per_second_per_watt(published: Results) -> None:
    chosen = select(published, Requirements(min_fps=25, max_watts=15))
    squeezenets = [one for one in chosen.best if one.network.top1_accuracy_percent == 59.5]
    efficiency = [one.fps_per_watt or 0.0 for one in squeezenets]
    assert len(efficiency) == 3
    assert efficiency == sorted(efficiency, reverse=True)


# --- what rules out ------------------------------------------------------------------------------------------------


def test_a_figure_that_is_exactly_the_limit_meets_it() -> None:
    assert only(Requirements(min_fps=25, max_watts=10, max_latency_ms=160, max_batch_size=4), PUBLISHED).candidates


@pytest.mark.parametrize(
    ("asked", "rule", "text", "shortfall"),
    [
        (Requirements(min_fps=50), Rule.SPEED, "25.0 images/s, minimum 50", 1.0),
        (Requirements(max_watts=8), Rule.WATTS, "10 W, limit 8", 0.25),
        (Requirements(max_batch_size=2), Rule.BATCH_SIZE, "batch 4, limit 2", 1.0),
        (Requirements(max_latency_ms=100), Rule.LATENCY, "160.0 ms for the batch, limit 100", 0.6),
    ],
)
def test_a_limit_that_is_missed_says_the_figure_the_limit_and_by_how_much(
    asked: Requirements, rule: Rule, text: str, shortfall: float
) -> None:
    (out,) = only(asked, PUBLISHED).ruled_out
    (miss,) = out.misses
    assert (miss.rule, miss.text, miss.unknown) == (rule, text, False)
    assert miss.shortfall == pytest.approx(shortfall)


@pytest.mark.parametrize(
    ("now_ms", "text"),
    [
        (40.02, "24.99 images/s, minimum 25"),
        (40.0004, "24.9998 images/s, minimum 25"),
        (5000.0, "0.2 images/s, minimum 25"),
    ],
)
def test_a_figure_that_misses_the_limit_is_never_printed_as_the_limit(now_ms: float, text: str) -> None:
    (out,) = only(Requirements(min_fps=25), replace(PUBLISHED, now_ms=now_ms, outcome=Outcome.OK)).ruled_out
    assert [miss.text for miss in out.misses] == [text]


def test_long_batches_are_printed_in_plain_milliseconds() -> None:
    (out,) = only(Requirements(max_latency_ms=100), replace(PUBLISHED, now_ms=5000.0, outcome=Outcome.OK)).ruled_out
    assert [miss.text for miss in out.misses] == ["20000.0 ms for the batch, limit 100"]


@pytest.mark.parametrize(
    ("asked", "rule"),
    [
        (Requirements(max_watts=15), Rule.WATTS),
        (Requirements(max_price_usd=100), Rule.PRICE),
        (Requirements(min_accuracy_percent=1), Rule.ACCURACY),
        (Requirements(max_memory_gib=100), Rule.MEMORY),
    ],
)
def test_a_figure_that_is_not_known_is_never_met_unless_that_is_allowed(asked: Requirements, rule: Rule) -> None:
    (out,) = only(asked, PUBLISHED, watts=None).ruled_out
    assert [(miss.rule, miss.unknown, miss.shortfall) for miss in out.misses] == [(rule, True, None)]
    (taken,) = only(replace(asked, allow_unknown=True), PUBLISHED, watts=None).candidates
    assert taken.unknown == (rule,)


def test_an_x_is_ruled_out_as_not_measurable_whatever_is_allowed() -> None:
    (out,) = only(Requirements(allow_unknown=True), Result(KEY, unavailable=True)).ruled_out
    assert [miss.rule for miss in out.misses] == [Rule.UNAVAILABLE]
    assert out.value_ms is None


def test_a_cell_without_any_figure_is_ruled_out_as_not_measured() -> None:
    (out,) = only(Requirements(allow_unknown=True), Result(KEY)).ruled_out
    assert [miss.text for miss in out.misses] == ["not measured"]


@pytest.mark.parametrize("outcome", [Outcome.ERROR, Outcome.OOM, Outcome.CRASHED])
def test_a_cell_that_failed_when_it_was_measured_is_ruled_out_though_it_is_published(outcome: Outcome) -> None:
    failed = replace(PUBLISHED, outcome=outcome, reason="the service died\nlong story", now_ms=20.0)
    (out,) = only(Requirements(), failed).ruled_out
    assert [(miss.rule, miss.text) for miss in out.misses] == [
        (Rule.FAILED, f"{outcome} in run 20261101: the service died")
    ]


def test_another_scenario_than_plain_latency_is_no_figure_to_choose_by() -> None:
    (out,) = only(Requirements(), Result(replace(KEY, scenario="c4"), now_ms=10.0, outcome=Outcome.OK)).ruled_out
    assert [miss.rule for miss in out.misses] == [Rule.SCENARIO]


def test_all_that_rules_a_cell_out_is_listed_what_decides_for_a_whole_platform_first() -> None:
    asked = Requirements(min_fps=50, max_watts=5, max_batch_size=1, min_accuracy_percent=10)
    (out,) = only(asked, PUBLISHED).ruled_out
    assert [miss.rule for miss in out.misses] == [Rule.WATTS, Rule.ACCURACY, Rule.BATCH_SIZE, Rule.SPEED]


def test_a_platform_that_was_asked_for_and_has_no_cell_is_named() -> None:
    assert only(Requirements(), PUBLISHED).without_figures == ("silent",)


def test_only_the_platforms_networks_and_tasks_asked_for_are_judged(published: Results) -> None:
    chosen = select(published, Requirements(), platforms=["nano", "tx1"], tasks=["ocr"])
    assert {one.pair for one in (*chosen.candidates, *chosen.ruled_out)} == {
        ("nano", "crnn_ocr"),
        ("nano", "resnet18_ocr"),
    }
    chosen = select(published, Requirements(), models=["vgg16"], platforms=["tk1"])
    assert not chosen.candidates
    assert {one.pair for one in chosen.ruled_out} == {("tk1", "vgg16")}


# --- which figure counts -------------------------------------------------------------------------------------------


def test_what_was_measured_goes_before_what_is_published_and_says_in_which_run() -> None:
    measured = replace(PUBLISHED, now_ms=50.0, outcome=Outcome.REGRESSED, samples_ms=(49.0, 51.0), clock="predict")
    (one,) = only(Requirements(), measured).candidates
    assert (one.value_ms, one.source, one.where) == (50.0, "measured", "run 20261101, clock predict")
    assert only(Requirements(min_fps=25), measured).ruled_out


@pytest.mark.parametrize(("kind", "source"), [("report", "published"), ("recorded", "recorded")])
def test_a_baseline_says_of_which_kind_it_is_and_where_it_stands(kind: str, source: str) -> None:
    (one,) = only(Requirements(), replace(PUBLISHED, baseline_kind=kind)).candidates
    assert (one.source, one.where) == (source, PUBLISHED.baseline_source)


def test_an_invalid_measurement_leaves_the_published_figure_and_says_so() -> None:
    (one,) = only(Requirements(), replace(PUBLISHED, outcome=Outcome.INVALID, now_ms=20.0)).candidates
    assert (one.value_ms, one.source, one.notes) == (40.0, "published", ("invalid in run 20261101",))


@pytest.mark.parametrize(("outcome", "note"), [(Outcome.UNSTABLE, "unstable"), (Outcome.REMEASURE, "not confirmed")])
def test_a_measurement_that_is_not_sure_counts_and_says_so(outcome: Outcome, note: str) -> None:
    (one,) = only(Requirements(), replace(PUBLISHED, now_ms=50.0, outcome=outcome)).candidates
    assert one.value_ms == 50.0
    assert [text.startswith(note) for text in one.notes] == [True]


# --- figures that are not exact ------------------------------------------------------------------------------------


def test_a_picture_may_be_off_both_ways_and_a_published_time_lacks_up_to_a_millisecond_a_batch() -> None:
    (one,) = only(Requirements(), PUBLISHED).candidates
    assert one.low_ms == pytest.approx(40 - 0.8)
    assert one.high_ms == pytest.approx(40 + 0.8 + 1 / 4)


def test_a_table_that_is_not_the_pictures_has_no_reading_error() -> None:
    (one,) = only(Requirements(), replace(PUBLISHED, reading_error_ms=0.0)).candidates
    assert (one.low_ms, one.high_ms) == (40.0, 40.25)


@pytest.mark.parametrize(
    ("min_fps", "met", "on_edge"),
    [(24, True, ()), (24.5, True, (Rule.SPEED,)), (25.4, False, (Rule.SPEED,)), (26, False, ())],
)
def test_a_figure_whose_error_reaches_across_the_limit_is_said_to(
    min_fps: float, met: bool, on_edge: tuple[Rule, ...]
) -> None:
    chosen = only(Requirements(min_fps=min_fps), PUBLISHED)  # 25 images per second, 24.36 to 25.51
    (one,) = (*chosen.candidates, *chosen.ruled_out)
    assert bool(chosen.candidates) == met
    assert one.on_edge == on_edge
    assert [miss.text.endswith("(within its error)") for miss in one.misses] == ([] if met else [bool(on_edge)])


def test_the_passes_of_a_measurement_are_its_span() -> None:
    measured = replace(PUBLISHED, now_ms=40.0, samples_ms=(39.0, 40.0, 42.0), outcome=Outcome.OK)
    (one,) = only(Requirements(min_fps=24.5), measured).candidates
    assert (one.low_ms, one.high_ms, one.on_edge) == (39.0, 42.0, (Rule.SPEED,))


# --- figures derived -----------------------------------------------------------------------------------------------


def test_images_per_second_and_watt_and_the_time_to_the_first_result_follow_from_the_time_per_image() -> None:
    (one,) = only(Requirements(), PUBLISHED).candidates
    assert (one.fps, one.fps_per_watt, one.latency_ms) == (25.0, 2.5, 160.0)


def test_the_least_memory_is_the_weights_and_one_batch_of_input(published: Results) -> None:
    vgg16 = published.catalog.networks["vgg16"]
    caffe, tensorrt = (published.catalog.platforms[name] for name in ("tx1", "tx2-tensorrt"))
    values = 138.34e6 + 8 * 3 * 224 * 224
    assert estimate_memory_gib(vgg16, caffe, 8) == pytest.approx(4 * values / 2**30)
    assert estimate_memory_gib(vgg16, tensorrt, 8) == pytest.approx(values / 2**30), "weights may be of 8 bits there"
    assert estimate_memory_gib(published.catalog.networks["crnn_ocr"], caffe, 8) is None


def test_what_needs_more_than_its_platform_has_and_ran_all_the_same_is_reported(published: Results) -> None:
    cell = Result(CellKey("gtx1080ti", "vgg19", 1), now_ms=10.0, outcome=Outcome.OK)
    small = replace(published.catalog.platforms["gtx1080ti"], memory_gib=0.25)
    catalog = replace(published.catalog, platforms={"gtx1080ti": small})
    (one,) = select(Results(catalog, (cell,)), Requirements()).candidates
    assert one.notes == ("needs at least 0.54 GiB; GTX 1080 Ti has 0.25",)


NOTHING_ELSE = Requirements()


def on_a_budget(value_ms: float, asked: Requirements = NOTHING_ELSE, **budgets: Budget) -> Selection:
    """The answer for one measured cell of batch size 4; `budgets`: those of the board, `every` for all networks."""
    by_network = {EVERY_NETWORK if name == "every" else name: budget for name, budget in budgets.items()}
    return only(asked, Result(KEY, now_ms=value_ms), budgets=by_network)


@pytest.mark.parametrize(
    ("budget", "named"),
    [
        (Budget(min_fps=25), "min_fps 25 of board"),
        (Budget(max_ms=40), "max_ms 40 of board"),
        (Budget(max_latency_ms=160), "max_latency_ms 160 of board"),
    ],
)
def test_a_cell_over_a_budget_of_its_platform_is_ruled_out_and_the_budget_is_named(budget: Budget, named: str) -> None:
    assert on_a_budget(40.0, every=budget).candidates
    (miss,) = on_a_budget(41.0, every=budget).ruled_out[0].misses
    assert (miss.rule, miss.budget) == (Rule.BUDGET, named)
    assert miss.shortfall == pytest.approx(0.025)


def test_a_published_figure_has_to_meet_the_budget_too() -> None:
    chosen = only(Requirements(), PUBLISHED, budgets={EVERY_NETWORK: Budget(max_ms=39)})
    assert [one.misses[0].budget for one in chosen.ruled_out] == ["max_ms 39 of board"]


def test_the_budget_of_a_network_replaces_that_of_all_networks_and_is_named_with_it() -> None:
    assert on_a_budget(40.0, every=Budget(max_ms=10), resnet50=Budget(max_ms=50)).candidates
    chosen = on_a_budget(60.0, every=Budget(max_ms=10), resnet50=Budget(max_ms=50))
    assert chosen.ruled_out[0].misses[0].budget == "max_ms 50 of resnet50 on board"


@pytest.mark.parametrize(
    ("asked", "budget", "rule"),
    [
        (Requirements(min_fps=10), Budget(min_fps=25), Rule.BUDGET),
        (Requirements(min_fps=25), Budget(min_fps=10), Rule.SPEED),
        (Requirements(min_fps=25), Budget(min_fps=25), Rule.SPEED),
        (Requirements(min_fps=10), Budget(max_ms=40), Rule.BUDGET),
        (Requirements(min_fps=25), Budget(max_ms=100), Rule.SPEED),
        (Requirements(), Budget(max_ms=100, min_fps=25), Rule.BUDGET),
        (Requirements(max_latency_ms=500), Budget(max_latency_ms=400), Rule.BUDGET),
        (Requirements(max_latency_ms=400), Budget(max_latency_ms=500), Rule.LATENCY),
    ],
)
def test_of_a_budget_and_a_requirement_the_stricter_one_counts(asked: Requirements, budget: Budget, rule: Rule) -> None:
    (miss,) = on_a_budget(200.0, asked, every=budget).ruled_out[0].misses
    assert miss.rule is rule


def test_a_budget_per_image_and_one_per_request_are_both_listed() -> None:
    chosen = on_a_budget(200.0, every=Budget(max_ms=100, max_latency_ms=400))
    assert [miss.budget for miss in chosen.ruled_out[0].misses] == [
        "max_latency_ms 400 of board",
        "max_ms 100 of board",
    ]


def test_a_budget_for_percentiles_under_load_rules_nothing_out() -> None:
    chosen = on_a_budget(200.0, every=Budget(p95_ms=1, p99_ms=1))
    assert chosen.candidates
    assert not chosen.with_budget


def test_a_budget_within_the_error_of_a_figure_is_on_edge() -> None:
    chosen = only(Requirements(), PUBLISHED, budgets={EVERY_NETWORK: Budget(max_ms=40.5)})
    assert chosen.candidates[0].on_edge == (Rule.BUDGET,)


def test_a_budget_of_another_platform_does_not_apply() -> None:
    silent = replace(CATALOG.platforms["silent"], budgets={EVERY_NETWORK: Budget(max_ms=1)})
    catalog = replace(CATALOG, platforms={"board": BOARD, "silent": silent})
    chosen = select(Results(catalog, (PUBLISHED,), {}), Requirements())
    assert chosen.candidates
    assert not chosen.with_budget
