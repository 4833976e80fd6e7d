"""One measurement's way: a test measures its cell, the gate judges it, and the test passes or fails."""

from __future__ import annotations

import traceback
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest

from pytest_ddperf.core.budgets import describe_over
from pytest_ddperf.core.records import FAILING, CellRecord, Measurement, Outcome
from pytest_ddperf.errors import DdperfError, ServiceNotFoundError
from pytest_ddperf.plugin import rerun_command
from pytest_ddperf.plugin.collection import get_cell, warn
from pytest_ddperf.plugin.failure_summary import CellFailed
from pytest_ddperf.plugin.platform_option import ALIAS_KEY
from pytest_ddperf.report.terminal import describe_over_budget, describe_regression

if TYPE_CHECKING:
    from collections.abc import Generator

    from pytest_ddperf.core.records import Baseline, CellKey
    from pytest_ddperf.plugin.fixture import Bench
    from pytest_ddperf.plugin.session import BenchSession


@dataclass(slots=True)
class Attempts:
    """The attempts of a test at its cell; one object per item.

    Args:
        measured: the rounds of all attempts.
        undecided: the record of an earlier attempt that did not decide.
        record: the record of this attempt, once there is one.
        failed_by_test: whether this attempt was ended by something other than our verdict.
    """

    measured: Measurement | None = None
    undecided: CellRecord | None = None
    record: CellRecord | None = None
    failed_by_test: bool = False

    @property
    def is_deferred(self) -> bool:
        """Whether this attempt did not decide, so that the cell is measured again later."""
        return self.record is not None and self.record.outcome is Outcome.REMEASURE

    def begin(self) -> None:
        """Begin an attempt."""
        if self.is_deferred:
            self.undecided = self.record
        self.record, self.failed_by_test = None, False


_KEY = pytest.StashKey[Attempts]()


def attempts_of(item: pytest.Item) -> Attempts:
    """Return the attempts of a test."""
    return item.stash.setdefault(_KEY, Attempts())


def run_cell(
    bench: BenchSession, item: pytest.Item, cell: Bench
) -> Generator[None, object, tuple[CellRecord | None, BaseException | None]]:
    """Run the test of a cell, at the `yield`, and judge what it measured.

    Returns:
        The record, None if there is none, and the error that the test raised, None if it did not.
    """
    attempts, run = attempts_of(item), bench.runner.platforms[cell.platform]
    failed: BaseException | None = None
    try:
        yield
    except BaseException as error:  # noqa: BLE001 - `raise_for` raises it again
        failed = error
    if isinstance(failed, DdperfError):
        skips = isinstance(failed, ServiceNotFoundError) and bench.settings.value("missing-service") == "skip"
        attempts.record = (
            CellRecord(cell.key, item.nodeid, Outcome.UNAVAILABLE, str(failed))
            if skips
            else run.records.record_failure(cell.key, item.nodeid, failed, attempts.measured)
        )
    elif cell.measurement is not None:
        record = run.records.judge(cell.measurement, item.nodeid, cell.budget, bench.cells.limited_figures)
        if failed is not None:  # its measurement still counts
            attempts.failed_by_test, record = True, settle_undecided(record, failed)
        elif record.outcome is Outcome.NEW and record.baseline is None and bench.settings.value("require-baseline"):
            why = "; ".join(record.notes) or record.reason
            record = replace(
                record,
                cause=f"no baseline ({why}), but --ddperf-require-baseline requires one. Record one with "
                "--ddperf-update-baselines.",
            )
        attempts.record = record
    elif isinstance(failed, pytest.exit.Exception):
        attempts.record = record_unmeasured(bench, item, cell.key, failed)
    if isinstance(failed, (KeyboardInterrupt, pytest.exit.Exception)) and attempts.record is not None:
        bench.keep_unreported(attempts.record)  # these errors produce no report
    return attempts.record, failed


def raise_for(bench: BenchSession, item: pytest.Item, record: CellRecord | None, error: BaseException | None) -> None:
    """Raise what a record means for its test; an undecided cell raises nothing, because its attempt is not reported.

    Args:
        bench: the session.
        item: the test.
        record: the record of the attempt.
        error: the error of the test, which is raised unless it is one of ours.
    """
    if error is not None and not isinstance(error, DdperfError):
        raise error
    if record is None:
        return
    if record.outcome is Outcome.UNAVAILABLE:
        raise pytest.skip.Exception(record.reason, _use_item_location=True)
    if record.outcome is Outcome.UNSTABLE:
        warn(item, f"{record.key} is unstable: {record.reason}")
    elif record.outcome is Outcome.REGRESSED and record.baseline is not None:
        _raise_for_slower(bench, record, record.baseline)
    elif record.outcome is Outcome.OVER_BUDGET:
        raise CellFailed(describe_over_budget(record, _again(bench, record)))
    elif record.outcome in FAILING:
        raise CellFailed(record.reason)
    elif record.outcome is Outcome.NEW and record.cause:
        raise CellFailed(f"{record.key} has {record.cause}")


def _raise_for_slower(bench: BenchSession, record: CellRecord, baseline: Baseline) -> None:
    """Fail a regressed cell, unless it is recorded as the new baseline and within its budget."""
    if bench.settings.value("update-baselines") != "all":
        raise CellFailed(describe_regression(record, baseline, _again(bench, record)))
    if over := describe_over(record.budgets):  # a slower baseline does not change what the application requires
        raise CellFailed(f"{record.key} is {over}.")


def _again(bench: BenchSession, record: CellRecord) -> str:
    """Return the command that measures a cell again."""
    config = bench.config
    return rerun_command.build_command(
        bench.settings,
        record.key,
        record.nodeid,
        config.rootpath,
        platform_flag="--platform" if config.stash.get(ALIAS_KEY, False) else "--ddperf-platform",
        of_pytest=rerun_command.configuration_options(config.option),
    )


def record_phase(bench: BenchSession, item: pytest.Item, call: pytest.CallInfo[None]) -> CellRecord | None:
    """Return the record after setup or call: every cell that was started has one, however its test ended."""
    attempts = attempts_of(item)
    key, error = get_cell(item), None if call.excinfo is None else call.excinfo.value
    if error is None or key is None or (attempts.record is not None and not attempts.is_deferred):
        return attempts.record if call.when == "call" or error is not None else None
    if attempts.record is not None:  # undecided, then its test failed or was skipped
        attempts.record = settle_undecided(attempts.record, error)
    elif call.when == "call" or attempts.undecided is not None or not isinstance(error, pytest.skip.Exception):
        attempts.record = record_unmeasured(bench, item, key, error)
    else:
        return None  # not started: skipped by a mark or a fixture
    attempts.failed_by_test = True
    return attempts.record


def record_unmeasured(bench: BenchSession, item: pytest.Item, key: CellKey, error: BaseException) -> CellRecord:
    """Return the record of a cell whose test ended before the cell was measured or remeasured."""
    undecided = attempts_of(item).undecided
    if undecided is not None:
        return settle_undecided(undecided, error)
    if isinstance(error, pytest.skip.Exception):
        return CellRecord(key, item.nodeid, Outcome.UNAVAILABLE, f"{key}: skipped by its test: {error}")
    return bench.runner.platforms[key.platform].records.record_failure(
        key, item.nodeid, DdperfError(_first_line(error))
    )


def settle_undecided(record: CellRecord, error: BaseException) -> CellRecord:
    """Return the final record of a cell whose test failed or was skipped: an undecided cell is not measured again."""
    if record.outcome is not Outcome.REMEASURE:
        return record
    if isinstance(error, pytest.skip.Exception):
        reason = (
            f"{record.key}: not confirmed. {record.reason}; it was not measured again, because its test was skipped."
        )
        return replace(record, outcome=Outcome.NOT_CONFIRMED, reason=reason)
    reason = f"{record.key}: its test failed ({_first_line(error)}) before the cell was decided. {record.reason}."
    return replace(record, outcome=Outcome.ERROR, reason=reason)


def _first_line(error: BaseException) -> str:
    """Return an exception as one line, even if its message has several."""
    lines = traceback.format_exception_only(error)
    return next((line for line in lines if not line.startswith(" ")), type(error).__name__).splitlines()[0]
