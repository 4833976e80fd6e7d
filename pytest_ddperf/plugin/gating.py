"""Hooks of gated tests, registered when the first one is collected, so that other runs do not pay for them."""

from __future__ import annotations

import traceback
from dataclasses import replace
from typing import TYPE_CHECKING, NoReturn

import pytest

from pytest_ddperf.config.options import FIXTURE
from pytest_ddperf.config.settings import check_services
from pytest_ddperf.core.records import FAILING, CellRecord, Outcome
from pytest_ddperf.errors import ConfigurationError, DdperfError, ServiceNotFoundError
from pytest_ddperf.measure import gc_pause
from pytest_ddperf.plugin import collection, fixture, rerun_command
from pytest_ddperf.plugin.collection import get_cell
from pytest_ddperf.plugin.failure_summary import CellFailed
from pytest_ddperf.plugin.platform_option import ALIAS_KEY
from pytest_ddperf.plugin.record_transport import get_record, mark_failed_by_test, put_record
from pytest_ddperf.plugin.session import FAILED_BY_TEST_KEY, RECORD_KEY, SESSION_KEY, UNDECIDED_KEY
from pytest_ddperf.report.terminal import describe_regression, format_verdict

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from pytest_ddperf.core.records import CellKey
    from pytest_ddperf.plugin.fixture import Bench
    from pytest_ddperf.plugin.session import BenchSession


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> Generator[None, None, None]:
    """Put the cells in measuring order, and apply --benchmark-only and --benchmark-skip to them."""
    yield
    gated = [item for item in items if get_cell(item) is not None]
    if not gated:
        return
    only = config.getoption("benchmark_only", default=False)
    for item in gated:
        if only:
            collection.unskip_benchmark_only(item)
        elif config.getoption("benchmark_skip", default=False):
            collection.skip(item, "--benchmark-skip")
    items[:] = collection.sort_for_measuring(items, config.stash[SESSION_KEY].settings)


def pytest_deselected(items: Sequence[pytest.Item]) -> None:
    """Count the deselected cells."""
    for item in items:
        if get_cell(item) is not None:
            item.config.stash[SESSION_KEY].deselected += 1


@pytest.hookimpl(tryfirst=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """Check the servers before the first test; in a worker, send the controller the list of cells."""
    config = session.config
    bench = config.stash[SESSION_KEY]
    gated = [(item, key) for item in session.items if (key := get_cell(item)) is not None]
    bench.collected = [key for _, key in gated]
    if bench.is_worker and gated:  # must arrive before the collection that xdist sends
        marked = {item.nodeid: (key.platform, key.model, key.batch_size, key.scenario) for item, key in gated}
        bench.send_to_controller("cells", marked)
    cells = [key for item, key in gated if not any(item.iter_markers("skip"))]
    option = config.option
    plans_only = option.collectonly or option.setuponly or option.setupplan
    plans_only = plans_only or option.showfixtures or option.show_fixtures_per_test
    if not cells or bench.refused or plans_only:
        return
    gc_pause.leave_out()
    if bench.is_worker:
        return
    collection.warn_of_ignored_options(bench)
    platforms = list(dict.fromkeys(key.platform for key in cells))
    try:
        check_services(bench.settings, cells)
        bench.check_servers(platforms)
    except ConfigurationError as error:
        raise pytest.UsageError(f"ddperf: {error}") from None


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Release the servers of a worker while xdist still waits for it; xdist kills it a few seconds later."""
    bench = session.config.stash[SESSION_KEY]
    if bench.is_worker:
        bench.close()


@pytest.hookimpl(tryfirst=True)
def pytest_fixture_setup(request: pytest.FixtureRequest) -> None:
    """Tell the fixture for which test it is about to be set up."""
    if request.fixturename == FIXTURE:
        fixture.is_set_up_for(request)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Judge the cell after its test, still in the call phase: JUnit, -x, --lf and strict xfail see the verdict."""
    cell: Bench | None = getattr(item, "funcargs", {}).get("ddperf")
    if cell is None:
        return (yield)
    bench = item.config.stash[SESSION_KEY]
    failed: DdperfError | None = None
    result: object = None
    try:
        result = yield
    except DdperfError as error:
        failed = error
    except BaseException as error:
        if cell.measurement is not None:  # the test itself failed; its measurement still counts
            record = bench.runner.platforms[cell.platform].judge(cell.measurement, item.nodeid)
            item.stash[RECORD_KEY] = _as_it_stands(record, error)
            item.stash[FAILED_BY_TEST_KEY] = True
        if isinstance(error, (KeyboardInterrupt, pytest.exit.Exception)):  # these produce no report
            _keep_interrupted(bench, item, cell.key, error)
        raise
    if failed is not None:  # raised outside of `except`: pytest would show both errors as a chain
        _raise_error(bench, item, cell.key, failed)
    if cell.measurement is not None:
        record = bench.runner.platforms[cell.platform].judge(cell.measurement, item.nodeid)
        item.stash[RECORD_KEY] = record
        if record.outcome is Outcome.UNSTABLE:
            collection.warn(item, f"{record.key} is unstable: {record.reason}")
        _raise_verdict(bench, item, record)
    elif not cell.predicted:
        pytest.fail("The test uses `ddperf` but measured nothing; call ddperf.measure().", pytrace=False)
    return result


def _raise_error(bench: BenchSession, item: pytest.Item, key: CellKey, error: DdperfError) -> NoReturn:
    if isinstance(error, ServiceNotFoundError) and bench.settings.value("missing-service") == "skip":
        item.stash[RECORD_KEY] = CellRecord(key, item.nodeid, Outcome.UNAVAILABLE, str(error))
        raise pytest.skip.Exception(str(error), _use_item_location=True)
    measured = bench.measurements.get(item.nodeid)
    record = bench.runner.platforms[key.platform].record_failure(key, item.nodeid, error, measured)
    item.stash[RECORD_KEY] = record
    if record.outcome is Outcome.UNAVAILABLE:  # could not be measured, and has no baseline
        raise pytest.skip.Exception(record.reason, _use_item_location=True)
    raise CellFailed(record.reason)


def _keep_interrupted(bench: BenchSession, item: pytest.Item, key: CellKey, error: BaseException) -> None:
    """Keep the record of a cell whose test ends the run; after Ctrl-C, a cell without a measurement gets no record."""
    record = item.stash.get(RECORD_KEY, None)
    if record is None and not isinstance(error, KeyboardInterrupt):
        record = _not_measured(bench, item, key, error)
    if record is not None:
        bench.keep_unreported(record)


def _not_measured(bench: BenchSession, item: pytest.Item, key: CellKey, error: BaseException) -> CellRecord:
    """Return the record of a cell whose test ended before the cell was measured or remeasured."""
    undecided = item.stash.get(UNDECIDED_KEY, None)
    if undecided is not None:
        return _as_it_stands(undecided, error)
    if isinstance(error, pytest.skip.Exception):
        return CellRecord(key, item.nodeid, Outcome.UNAVAILABLE, f"{key}: skipped by its test: {error}")
    run = bench.runner.platforms[key.platform]
    return run.record_failure(key, item.nodeid, DdperfError(_first_line(error)))


def _first_line(error: BaseException) -> str:
    """Return an exception as one line, even if its message has several."""
    lines = traceback.format_exception_only(error)
    return next((line for line in lines if not line.startswith(" ")), type(error).__name__).splitlines()[0]


def _as_it_stands(record: CellRecord, error: BaseException) -> CellRecord:
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


def _raise_verdict(bench: BenchSession, item: pytest.Item, record: CellRecord) -> None:
    if record.outcome is Outcome.REMEASURE:  # this attempt is deferred and not reported
        return
    if record.outcome is Outcome.REGRESSED and record.baseline is not None:
        if bench.settings.value("update-baselines") != "all":
            raise CellFailed(describe_regression(record, record.baseline, _again(bench, record)))
    elif record.outcome in FAILING:
        raise CellFailed(record.reason)
    elif record.outcome is Outcome.NEW and record.baseline is None and bench.settings.value("require-baseline"):
        why = (
            f"no baseline ({'; '.join(record.notes) or record.reason}), but --ddperf-require-baseline requires one. "
            "Record one with --ddperf-update-baselines."
        )
        item.stash[RECORD_KEY] = replace(record, cause=why)
        raise CellFailed(f"{record.key} has {why}")


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


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Attach the record to the report of the phase that produced it."""
    report = yield
    if FIXTURE not in getattr(item, "fixturenames", ()):
        return report
    record = None if report.when == "teardown" else _record_of_phase(item, call)
    put_record(report, record)
    if record is not None and item.stash.get(FAILED_BY_TEST_KEY, False):
        mark_failed_by_test(report)
    unconfirmed = record is not None and record.outcome is Outcome.NOT_CONFIRMED
    if record is not None and unconfirmed and report.skipped and not hasattr(report, "wasxfail"):
        report.when, report.outcome, report.longrepr = "call", "failed", record.reason
    elif call.excinfo is not None and isinstance(call.excinfo.value, CellFailed):
        report.longrepr = call.excinfo.value.message
    return report


def _record_of_phase(item: pytest.Item, call: pytest.CallInfo[None]) -> CellRecord | None:
    """Return the record after setup or call: every cell that was started has one, however its test ended."""
    key, error = get_cell(item), None if call.excinfo is None else call.excinfo.value
    record = item.stash.get(RECORD_KEY, None)
    if error is None or key is None or (record is not None and record.outcome is not Outcome.REMEASURE):
        return record if call.when == "call" or error is not None else None
    if record is not None:  # undecided, then its test failed or was skipped
        record = _as_it_stands(record, error)
    elif call.when == "call" or UNDECIDED_KEY in item.stash or not isinstance(error, pytest.skip.Exception):
        record = _not_measured(item.config.stash[SESSION_KEY], item, key, error)
    else:
        return None  # not started: skipped by a mark or a fixture
    item.stash[RECORD_KEY] = record
    item.stash[FAILED_BY_TEST_KEY] = True
    return record


@pytest.hookimpl(tryfirst=True)
def pytest_report_teststatus(
    report: pytest.TestReport,
) -> tuple[str, str, str] | None:
    """Show the verdict of a cell in verbose output, such as `PASSED 88.7 ms/img -1.7 %`."""
    record = get_record(report) if report.when == "call" else None
    if record is None or report.skipped or hasattr(report, "wasxfail"):
        return None
    letter, word = (".", "PASSED") if report.passed else ("F", "FAILED")
    return report.outcome, letter, f"{word} {format_verdict(record)}"
