"""Add cells to pytest-benchmark's session, so that its own options work on them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from pytest_benchmark.stats import Metadata

from pytest_ddperf.baselines.recordings import is_cell
from pytest_ddperf.report.benchmark_json import OPTIONS, build_extra_info, build_fields, list_given, per_image_s

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_ddperf.core.records import CellRecord


SHOWING_OPTIONS = (
    "--benchmark-columns",
    "--benchmark-compare",
    "--benchmark-group-by",
    "--benchmark-histogram",
    "--benchmark-name",
    "--benchmark-sort",
    "--benchmark-verbose",
)
"""Options of pytest-benchmark that request its own table. Without any of them only our table is printed."""


def add_benchmarks(config: Any, records: Sequence[CellRecord]) -> None:  # noqa: ANN401 - pytest's Config
    """Add our measured cells to pytest-benchmark's session as benchmarks."""
    session = getattr(config, "_benchmarksession", None)
    if session is None:
        return
    for record in records:
        seconds = per_image_s(record)
        if not seconds:
            continue
        stands_for = SimpleNamespace(
            **build_fields(record.key, record.nodeid, build_extra_info(record)), cprofile_stats=None, has_error=False
        )
        metadata = Metadata(stands_for, iterations=1, options=dict(OPTIONS))
        for one in seconds:
            metadata.update(one)
        session.benchmarks.append(metadata)


def hide_table(config: Any) -> None:  # noqa: ANN401 - pytest's Config
    """Remove our cells from pytest-benchmark's table, unless one of `SHOWING_OPTIONS` was given."""
    session = getattr(config, "_benchmarksession", None)
    groups = getattr(session, "groups", None)
    if session is None or not groups or list_given(SHOWING_OPTIONS, config.invocation_params.args):
        return
    session.groups = [
        (title, left) for title, members in groups if (left := [each for each in members if not is_cell(each)])
    ]
