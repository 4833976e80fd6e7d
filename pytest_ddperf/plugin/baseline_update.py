"""Recording of a run as the baseline of its platforms, for --ddperf-update-baselines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_benchmark.utils import get_commit_info

from pytest_ddperf.baselines.recordings import TAKEN, check_recordable, write_recorded
from pytest_ddperf.baselines.resolution import compute_resolutions
from pytest_ddperf.baselines.store import BaselineStore
from pytest_ddperf.core.records import Outcome
from pytest_ddperf.core.results import select_reddest
from pytest_ddperf.errors import DdperfError
from pytest_ddperf.report import benchmark_json
from pytest_ddperf.report.phrases import describe_noisy_recording, format_resolutions
from pytest_ddperf.report.terminal import recorded_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_ddperf.core.records import CellKey, CellRecord
    from pytest_ddperf.plugin.session import BenchSession
    from pytest_ddperf.runner.plan import PlatformPlan


def check_updates(bench: BenchSession, cells: Sequence[CellKey]) -> None:
    """Check before the first measurement that the run can be recorded, if that was requested.

    Raises:
        ConfigurationError: a baseline cannot be written.
    """
    settings = bench.settings
    if settings.value("update-baselines") is None:
        return
    store = BaselineStore(settings.catalog, project_dir=settings.project_dir)
    for platform in dict.fromkeys(key.platform for key in cells):
        check_recordable(store.recorded_path(platform))


def update_baselines(bench: BenchSession, mode: str) -> None:
    """Record the run; the files are listed in `bench.written`, errors in `bench.warnings`.

    Args:
        bench: the session.
        mode: which cells are recorded: the value of --ddperf-update-baselines.
    """
    settings = bench.settings
    store = BaselineStore(settings.catalog, project_dir=settings.project_dir)
    for platform, plan in bench.plans.items():
        own = (record for record in bench.cells.records.values() if _may_be_recorded(record, plan))
        records = list(select_reddest(own).values())
        measured = [record for record in records if record.now_ms is not None]
        if not measured:
            continue
        try:
            update = write_recorded(
                store.recorded_path(platform),
                records,
                machine_info=benchmark_json.build_machine_info(benchmark_json.list_servers(measured, settings.catalog)),
                commit_info=get_commit_info(),  # type: ignore[no-untyped-call] # pytest-benchmark's
                mode=mode,
            )
        except DdperfError as error:
            bench.warnings.append(str(error))
            continue
        left = [record for record in measured if record.key in update.left_out]
        kept = f"; {len(left)} unchanged" if left else ""
        taken = sum(record.comparison in TAKEN["all"] for record in left)
        if taken and mode != "all":
            which = f"{taken} of them" if taken < len(left) else "it" if taken == 1 else "them"
            kept += f", --ddperf-update-baselines=all also records {which}"
        count = f"{len(update.written)} cell{'' if len(update.written) == 1 else 's'}"
        bench.written.append(f"baseline: {update.path} ({count} recorded{kept})")
        resolutions = compute_resolutions(update.after, plan.tolerance)
        bench.written += [
            f"  {recorded_text(key, update.before.get(key), update.after[key])}" for key in update.written
        ]
        if resolutions:
            bench.written.append(f"  resolution of later runs: {format_resolutions(resolutions)}")
        if noisy := describe_noisy_recording(platform, resolutions, plan.tolerance):
            bench.warnings.append(noisy)


def _may_be_recorded(record: CellRecord, plan: PlatformPlan) -> bool:
    """Return whether a record may enter the platform's baseline; a missing service does not mark a cell `x`."""
    if record.key.platform != plan.platform.id:
        return False
    return record.outcome is not Outcome.UNAVAILABLE or plan.marked_unavailable(record.key) is not None
