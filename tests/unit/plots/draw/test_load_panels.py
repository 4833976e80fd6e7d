from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from figure_results import figure_of
from load_made import loaded, result
from results_made import CATALOG, RUN

from pytest_ddperf.core.records import Outcome
from pytest_ddperf.core.results import Results
from pytest_ddperf.plots import api
from pytest_ddperf.plots.describe.charts import LoadChart, LoadLine
from pytest_ddperf.plots.draw import parallel

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_ddperf.core.records import CellRecord
    from pytest_ddperf.plots.describe.charts import Chart


def chart(name: str, *records: CellRecord) -> LoadChart:
    found = described(*records)[name]
    assert isinstance(found, LoadChart)
    return found


def described(*records: CellRecord) -> dict[str, Chart]:
    results = Results(CATALOG, tuple(result(record) for record in records), {"tk1": RUN})
    return api.describe(results, [], ["tk1"])


def line(shown: LoadChart, panel: int, label: str) -> LoadLine:
    (found,) = [one for one in shown.panels[panel].lines if one.label == label]
    return found


def test_throughput_and_percentiles_stand_over_the_clients() -> None:
    shown = chart("concurrency/tk1/squeezenet_v1.1_b1", loaded("c4"), loaded("c1", count=10), loaded("c16", count=80))
    assert shown.ticks == (1.0, 4.0, 16.0)
    answered = line(shown, 0, "answered")
    assert answered.x == (1.0, 4.0, 16.0)
    assert [round(value) for value in answered.y] == [79, 77, 74]
    median = line(shown, 1, "p50")
    assert median.x == (1.0, 4.0, 16.0)
    assert all(low <= value <= high for low, value, high in zip(median.low, median.y, median.high, strict=True))
    assert line(shown, 1, "p95").x == (4.0, 16.0)  # fifty requests cannot tell it
    assert line(shown, 1, "p99").x == (16.0,)
    assert "More than one client measures queueing, not the network." in shown.text.notes


def test_what_was_answered_and_asked_for_stand_over_the_rate() -> None:
    shown = chart("rate/tk1/squeezenet_v1.1_b1", loaded("r50", kept_up=False), loaded("r10"))
    assert shown.ticks == (10.0, 50.0)
    assert line(shown, 0, "requested").y == (10.0, 50.0)
    assert line(shown, 0, "answered").y == (10.0, 25.0)
    assert "The server did not keep up at 50 requests per second." in shown.text.notes


def test_each_network_and_batch_size_has_a_figure_of_its_own() -> None:
    names = described(loaded("c4"), loaded("c4", batch_size=8), loaded("c4", model="resnet50"), loaded("r10"))
    assert {name for name in names if name.startswith(("concurrency", "rate"))} == {
        "concurrency/tk1/squeezenet_v1.1_b1", "concurrency/tk1/squeezenet_v1.1_b8", "concurrency/tk1/resnet50_b1",
        "rate/tk1/squeezenet_v1.1_b1",
    }  # fmt: skip


def test_cells_under_load_are_in_no_figure_of_plain_latency() -> None:
    names = described(loaded("c4"), loaded("r10"))
    assert not [name for name in names if name.startswith(("latency", "throughput", "model", "efficiency", "pareto"))]


def test_what_failed_is_not_drawn() -> None:
    assert not [name for name in described(loaded("c4", outcome=Outcome.CRASHED)) if name.startswith("concurrency")]
    failed = replace(loaded("c4"), measurement=None, now_ms=None, outcome=Outcome.ERROR)
    assert not [name for name in described(failed) if name.startswith("concurrency")]


def test_the_lines_and_their_intervals_are_drawn(tmp_path: Path) -> None:
    shown = chart("concurrency/tk1/squeezenet_v1.1_b1", loaded("c1"), loaded("c4"))
    figure = figure_of(shown)
    drawn = {artist.get_gid() for axes in figure.axes for artist in axes.get_children()} - {None}
    assert drawn == {
        "load:0:answered", "load:1:p50", "load:1:p50:interval", "load:1:p90", "load:1:p90:interval", "load:1:p95",
        "load:1:p95:interval",
    }  # fmt: skip
    parallel.draw_all({"a": shown}, tmp_path)
    assert (tmp_path / "a.png").stat().st_size > 1000


def test_a_single_load_is_drawn_too() -> None:
    assert figure_of(chart("rate/tk1/squeezenet_v1.1_b1", loaded("r10"))).axes
