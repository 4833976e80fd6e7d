from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from every_row import every_row
from messages import assert_names
from settings_made import make_settings

from pytest_ddperf.core.budgets import Budget
from pytest_ddperf.core.records import CellKey
from pytest_ddperf.errors import ConfigurationError
from pytest_ddperf.plugin.collection import (
    check_budget,
    get_cell,
    read_budget,
    read_restrictions,
    select_cells,
    sort_for_measuring,
    unskip_benchmark_only,
)

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def cells(folder: Path, marked: dict[str, tuple[Any, ...]], **texts: str) -> list[str]:
    return [str(key) for key in select_cells(make_settings(folder, **texts), marked)]


def item(key: object = None, *markers: pytest.MarkDecorator) -> Any:  # noqa: ANN401 - stands for pytest's Item
    """As much of a test as is asked."""
    own = [marker.mark for marker in markers]
    return SimpleNamespace(
        nodeid="x::y",
        callspec=SimpleNamespace(params={} if key is None else {"ddperf": key}),
        own_markers=own,
        iter_markers=lambda name: [mark for mark in own if mark.name == name],
    )


def test_a_test_s_cell_is_its_parameter() -> None:
    assert get_cell(item(CellKey("tk1", "resnet50", 1))) == CellKey("tk1", "resnet50", 1)


def test_a_test_without_a_cell_has_none() -> None:
    assert get_cell(item()) is None
    assert get_cell(item("something else")) is None
    stands_for: Any = SimpleNamespace()
    assert get_cell(stands_for) is None


def test_the_nearest_marker_wins_key_by_key() -> None:
    near = pytest.mark.ddperf(models=["vgg16"])
    far = pytest.mark.ddperf(models=["vgg19"], batch_sizes=[1])
    assert read_restrictions(item(None, near, far)) == {"models": ("vgg16",), "batch_sizes": (1,)}


@pytest.mark.parametrize(
    ("marker", "facts"),
    [
        (pytest.mark.ddperf(["vgg16"]), ("positional",)),
        (pytest.mark.ddperf(model=["vgg16"]), ("model",)),
        (pytest.mark.ddperf(models="vgg16"), ("models", "list")),
        (pytest.mark.ddperf(batch_sizes=8), ("batch_sizes", "list")),
        (pytest.mark.ddperf(models=[7]), ("models", "names", "[7]")),
    ],
)
def test_a_marker_that_cannot_be_is_refused(marker: pytest.MarkDecorator, facts: tuple[str, ...]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read_restrictions(item(None, marker))
    assert_names(caught, *facts)


@every_row("size", [0, -1, 1.5, "1", True])
def test_a_batch_size_that_is_none_is_refused(folder: Path, size: object) -> None:
    with pytest.raises(ConfigurationError) as caught:
        cells(folder, {"batch_sizes": (size,)})
    assert_names(caught, "batch_sizes=", repr(size), "1 or more")


def test_cells_go_platform_by_platform_model_by_model_batch_sizes_ascending(folder: Path) -> None:
    asked = {"platform": "tk1,tx1", "url": "tk1=http://a,tx1=http://b", "models": "vgg16,res50", "batch_sizes": "2,1"}
    assert cells(folder, {}, **asked) == [
        f"{platform}-{model}-b{size}"
        for platform in ("tk1", "tx1")
        for model in ("vgg16", "resnet50")
        for size in (1, 2)
    ]


def test_a_marker_may_go_beyond_the_platform_s_table(folder: Path) -> None:
    assert cells(folder, {"models": ("mobilenet_v2",), "batch_sizes": (3, 3)}, platform="tk1") == [
        "tk1-mobilenet_v2-b3"
    ]


def test_the_command_line_narrows_the_marker(folder: Path) -> None:
    marked = {"models": ("vgg16", "resnet50"), "batch_sizes": (1, 3)}
    assert cells(folder, marked, platform="tk1", models="res50,vgg19", batch_sizes="1,2") == ["tk1-resnet50-b1"]


def test_a_marker_keeps_to_its_platforms(folder: Path) -> None:
    asked = {"platform": "tk1,tx1", "url": "tk1=http://a,tx1=http://b", "models": "vgg16", "batch_sizes": "1"}
    assert cells(folder, {"platforms": ("TX1",)}, **asked) == ["tx1-vgg16-b1"]


def test_the_order_of_the_run_is_by_platform_then_model(folder: Path) -> None:
    asked = make_settings(folder, platform="tk1,tx1", url="tk1=http://a,tx1=http://b")
    keys = [
        CellKey("tx1", "resnet50", 1),
        CellKey("tk1", "vgg16", 1),
        None,
        CellKey("tk1", "resnet50", 2),
        CellKey("tk1", "vgg16", 2),
        CellKey("tk1", "resnet50", 1),
    ]
    ordered = sort_for_measuring([item(key) for key in keys], asked)
    assert [None if (key := get_cell(one)) is None else str(key) for one in ordered] == [
        "tk1-resnet50-b2",
        "tk1-resnet50-b1",
        None,
        "tk1-vgg16-b1",
        "tk1-vgg16-b2",
        "tx1-resnet50-b1",
    ]


def test_only_the_skip_of_benchmark_only_is_taken_back() -> None:
    only = pytest.mark.skip(reason="Skipping non-benchmark (--benchmark-only active).")
    one = item(None, only, pytest.mark.skip(reason="mine"))
    unskip_benchmark_only(one)
    assert [mark.kwargs["reason"] for mark in one.own_markers] == ["mine"]


def test_cells_under_load_stand_behind_the_plain_ones_of_their_model(folder: Path) -> None:
    asked = {"models": "resnet50,googlenet", "batch_sizes": "1,2", "concurrency": "1,4", "rate": "0.5"}
    of_resnet = [one for one in cells(folder, {}, platform="tk1", url="http://h:1", **asked) if "resnet50" in one]
    assert of_resnet == [
        "tk1-resnet50-b1", "tk1-resnet50-b2",
        "tk1-resnet50-b1-c1", "tk1-resnet50-b1-c4", "tk1-resnet50-b1-r0.5",
        "tk1-resnet50-b2-c1", "tk1-resnet50-b2-c4", "tk1-resnet50-b2-r0.5",
    ]  # fmt: skip


def test_a_marker_that_names_loads_measures_these_alone(folder: Path) -> None:
    marked = {"models": ("resnet50",), "batch_sizes": (1,), "concurrency": (2, 8), "rate": (10,)}
    expected = ["local-resnet50-b1-c2", "local-resnet50-b1-c8", "local-resnet50-b1-r10"]
    assert cells(folder, marked) == cells(folder, marked, concurrency="4") == expected


@pytest.mark.parametrize(
    ("marked", "facts"),
    [
        ({"concurrency": (0,)}, ("concurrency=", "[0]", "clients", "from 1 to 256")),
        ({"concurrency": ()}, ("concurrency=", "[]", "clients")),
        ({"rate": ("fast",)}, ("rate=", "['fast']", "requests per second")),
    ],
)
def test_a_marker_s_load_that_is_none_is_reported(
    folder: Path, marked: dict[str, tuple[Any, ...]], facts: tuple[str, ...]
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        cells(folder, marked)
    assert_names(caught, *facts)


def test_a_marker_limits_a_test_and_the_nearest_one_wins_key_by_key() -> None:
    test = item(None, pytest.mark.ddperf(min_fps=25, models=["vgg16"]), pytest.mark.ddperf(min_fps=10, max_ms=90))
    assert read_budget(test) == Budget(min_fps=25, max_ms=90)
    assert read_restrictions(test) == {"models": ("vgg16",)}


@every_row("value", [0, -1, "25", None, True, [25], float("nan"), float("inf"), 1e-310, 10**400])
def test_a_limit_of_a_marker_that_is_no_positive_number_is_refused(value: object) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read_budget(item(None, pytest.mark.ddperf(min_fps=value)))
    assert_names(caught, "x::y", f"min_fps={value!r}", "above 0")


def test_a_limit_that_applies_to_no_cell_of_its_test_is_refused(folder: Path) -> None:
    plain, rate = CellKey("tk1", "vgg16", 1), CellKey("tk1", "vgg16", 1, "r20")
    with pytest.raises(ConfigurationError) as caught:
        check_budget(make_settings(folder, platform="tk1"), plain, [plain], item(None, pytest.mark.ddperf(p95_ms=50)))
    assert_names(caught, "x::y", "p95_ms=50", "under load", "concurrency=[N]", "--ddperf-concurrency=N")
    with pytest.raises(ConfigurationError) as caught:
        check_budget(make_settings(folder, platform="tk1"), rate, [rate], item(None, pytest.mark.ddperf(min_fps=50)))
    assert_names(caught, "x::y", "min_fps=50", "rate", "max_latency_ms")
    both = item(None, pytest.mark.ddperf(p95_ms=5, min_fps=5))
    for key in (plain, rate):
        check_budget(make_settings(folder, platform="tk1"), key, [plain, rate], both)


@every_row(
    "scenario, marked, asked, enough",
    [("c2", "p95_ms", 7, 8), ("c2", "p99_ms", 36, 37), ("r20", "p99_ms", 12, 13), ("c1", "p95_ms", 14, 15)],
)
def test_too_few_requests_for_a_percentile_are_refused_with_the_number_needed(
    folder: Path, scenario: str, marked: str, asked: int, enough: int
) -> None:
    key, test = CellKey("tk1", "vgg16", 1, scenario), item(None, pytest.mark.ddperf(**{marked: 50}))
    with pytest.raises(ConfigurationError) as caught:
        check_budget(make_settings(folder, platform="tk1", load_requests=str(asked)), key, [key], test)
    assert_names(caught, f"--ddperf-load-requests={asked}", key, f"--ddperf-load-requests={enough}")
    check_budget(make_settings(folder, platform="tk1", load_requests=str(enough)), key, [key], test)
    check_budget(make_settings(folder, platform="tk1"), key, [key], test)


def test_at_a_rate_the_default_may_be_too_small_for_a_percentile(folder: Path) -> None:
    key, test = CellKey("tk1", "vgg16", 1, "r20"), item(None, pytest.mark.ddperf(p99_ms=50))
    with pytest.raises(ConfigurationError) as caught:
        check_budget(make_settings(folder, platform="tk1", npasses="1"), key, [key], test)
    assert_names(caught, "--ddperf-load-requests=40", "default", "368", "--ddperf-load-requests=62")


def test_too_few_requests_are_fine_where_no_percentile_is_limited(folder: Path) -> None:
    key, test = CellKey("tk1", "vgg16", 1, "c2"), item(None, pytest.mark.ddperf(max_latency_ms=50))
    check_budget(make_settings(folder, platform="tk1", load_requests="2"), key, [key], test)
