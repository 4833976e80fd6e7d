"""The plans of a run's platforms: of which of them the history is read, and what it warns of."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from every_row import every_row
from nightly import cell, write_night
from plans import make_plan
from settings_made import make_settings

from pytest_ddperf.config.server_options import ServerOptions
from pytest_ddperf.core.platform import Platform
from pytest_ddperf.core.records import Baseline, CellKey, Unavailable
from pytest_ddperf.measure.loop import Plan
from pytest_ddperf.runner.plan import UNKNOWN_MS, create_plans

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_ddperf.runner.plan import PlatformPlan

KEY = CellKey("tk1", "googlenet", 1)


def plans_of(folder: Path, **texts: str) -> tuple[dict[str, PlatformPlan], list[str]]:
    """The plans of two platforms whose history is in `folder`, and the warnings."""
    texts = {"platform": "tk1,tx1", "url": "tk1=http://a:1,tx1=http://b:1", "storage": str(folder), **texts}
    return create_plans(make_settings(folder, **texts), datetime.now(UTC), None)


def test_a_plan_knows_what_the_baseline_marks_and_how_long_each_cell_takes() -> None:
    known, unknown, marked = replace(KEY, batch_size=2), replace(KEY, batch_size=4), replace(KEY, model="vgg16")
    entries: dict[CellKey, Baseline | Unavailable] = {
        known: Baseline("report", 9.75, "line 3"),
        marked: Unavailable("line 2"),
    }
    server = ServerOptions("http://h:1")
    plan = make_plan(Platform("tk1", "Jetson TK1"), server, Plan(1, 5), 0.1, entries)
    assert [plan.marked_unavailable(key) for key in (known, unknown, marked)] == [None, None, Unavailable("line 2")]
    assert plan.expected() == {known}
    assert [plan.expected_ms(key) for key in (known, unknown, marked)] == [2 * 9.75, 4 * UNKNOWN_MS, 0.0]


def test_the_history_of_a_platform_with_a_reference_is_not_read(tmp_path: Path) -> None:
    cells = [cell(replace(KEY, platform=platform), [5.0, 5.1, 5.2]) for platform in ("tk1", "tx1")]
    write_night(tmp_path, 0, cells, platforms=("tk1", "tx1"))
    plans, _ = plans_of(tmp_path, against="tk1=http://c:1")
    assert {name: len(plan.history.started) for name, plan in plans.items()} == {"tk1": 0, "tx1": 1}


@every_row("kind", ["auto", "history", "recorded", "report"])
def test_a_file_of_the_history_that_is_skipped_is_reported_whatever_the_baseline_is(kind: str, tmp_path: Path) -> None:
    (tmp_path / "broken.jsonl").write_text("{}\n", encoding="utf-8")
    (warning,) = plans_of(tmp_path, baseline=kind)[1]
    assert "broken.jsonl" in warning


def test_the_night_of_a_step_is_known_whatever_the_baseline_is(tmp_path: Path) -> None:
    write_night(tmp_path, 0, [cell(KEY, [5.0, 5.1, 5.2])])
    plan = plans_of(tmp_path, baseline="report")[0]["tk1"]
    assert (len(plan.history.started), plan.nights) == (1, None)
