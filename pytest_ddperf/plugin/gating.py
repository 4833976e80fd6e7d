"""Hooks of gated tests, registered when the first one is collected, so that other runs do not pay for them."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

import pytest

from pytest_ddperf.config.options import FIXTURE
from pytest_ddperf.core.records import Outcome
from pytest_ddperf.errors import ConfigurationError
from pytest_ddperf.plugin import collection
from pytest_ddperf.plugin.cell_run import attempts_of, raise_for, record_phase, run_cell
from pytest_ddperf.plugin.failure_summary import CellFailed
from pytest_ddperf.plugin.preparation import prepare_run
from pytest_ddperf.plugin.record_transport import get_record, put_record, send_to_controller
from pytest_ddperf.plugin.session import SESSION_KEY
from pytest_ddperf.report.terminal import format_verdict

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from pytest_ddperf.plugin.fixture import Bench


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> Generator[None, None, None]:
    """Put the cells in measuring order, and apply --benchmark-only and --benchmark-skip to them."""
    yield
    gated = [item for item in items if collection.get_cell(item) is not None]
    if not gated:
        return
    only = config.getoption("benchmark_only", default=False)
    for item in gated:
        if only:
            collection.unskip_benchmark_only(item)
        elif config.getoption("benchmark_skip", default=False):
            item.add_marker(pytest.mark.skip(reason="--benchmark-skip"))
    items[:] = collection.sort_for_measuring(items, config.stash[SESSION_KEY].settings)


def pytest_deselected(items: Sequence[pytest.Item]) -> None:
    """Count the deselected cells."""
    for item in items:
        if collection.get_cell(item) is not None:
            item.config.stash[SESSION_KEY].cells.deselected += 1


def pytest_exception_interact(call: pytest.CallInfo[None], report: pytest.CollectReport | pytest.TestReport) -> None:
    """Mark the report of a collection that failed because of a wrong configuration or marker."""
    if call.excinfo is not None and isinstance(call.excinfo.value, collection.RefusedError):
        setattr(report, collection.REFUSED, True)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """Check the servers before the first test; in a worker, send the controller the list of cells."""
    config = session.config
    bench = config.stash[SESSION_KEY]
    gated = [(item, key) for item in session.items if (key := collection.get_cell(item)) is not None]
    bench.cells.collected = [key for _, key in gated]
    try:
        bench.cells.budgets = {
            item.nodeid: collection.check_budget(bench.settings, key, collection.list_cells_of_test(bench, item), item)
            for item, key in gated
        }
        bench.cells.limited_percentiles = {
            key.platform for item, key in gated if bench.cells.budgets[item.nodeid].requests_needed
        }
        bench.cells.limited_figures = sum(bench.cells.budgets[item.nodeid].count_figures(key) for item, key in gated)
    except ConfigurationError as error:
        if not bench.is_worker:
            raise pytest.UsageError(f"ddperf: {error}") from None
        send_to_controller(config, "refused", f"ddperf: {error}")
    if bench.is_worker and gated:  # must arrive before the collection that xdist sends
        marked = {item.nodeid: (key.platform, key.model, key.batch_size, key.scenario) for item, key in gated}
        send_to_controller(config, "cells", marked)
        send_to_controller(config, "limited percentiles", sorted(bench.cells.limited_percentiles))
    cells = [key for item, key in gated if not any(item.iter_markers("skip"))]
    option = config.option
    plans_only = option.collectonly or option.setuponly or option.setupplan
    plans_only = plans_only or option.showfixtures or option.show_fixtures_per_test
    if not cells or bench.refused or plans_only:
        return
    gc.freeze()  # see `collect_rarely`
    if not bench.is_worker:
        prepare_run(bench, cells, opens=True)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """End the run, between the two halves of the wrappers of this hook and before the terminal summary.

    A worker releases its servers while xdist still waits for it; xdist kills it a few seconds later.
    """
    controller = session.config.pluginmanager.get_plugin("ddperf-controller")
    if controller is None:
        session.config.stash[SESSION_KEY].close()
    else:
        controller.end(session)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Judge the cell after its test, still in the call phase: JUnit, -x, --lf and strict xfail see the verdict."""
    cell: Bench | None = getattr(item, "funcargs", {}).get(FIXTURE)
    if cell is None:
        return (yield)
    bench = item.config.stash[SESSION_KEY]
    record, error = yield from run_cell(bench, item, cell)
    raise_for(bench, item, record, error)
    if record is None and not cell.predicted:
        pytest.fail("The test uses `ddperf` but measured nothing; call ddperf.measure().", pytrace=False)
    return None


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Attach the record to the report of the phase that produced it."""
    report = yield
    if FIXTURE not in getattr(item, "fixturenames", ()):
        return report
    record = None if report.when == "teardown" else record_phase(item.config.stash[SESSION_KEY], item, call)
    put_record(report, record, failed_by_test=attempts_of(item).failed_by_test)
    unconfirmed = record is not None and record.outcome is Outcome.NOT_CONFIRMED
    if record is not None and unconfirmed and report.skipped and not hasattr(report, "wasxfail"):
        report.when, report.outcome, report.longrepr = "call", "failed", record.reason
    elif call.excinfo is not None and isinstance(call.excinfo.value, CellFailed):
        report.longrepr = call.excinfo.value.message
    return report


@pytest.hookimpl(tryfirst=True)
def pytest_report_teststatus(report: pytest.TestReport) -> tuple[str, str, str] | None:
    """Show the verdict of a cell in verbose output, such as `PASSED 88.7 ms/img -1.7 %`."""
    record = get_record(report) if report.when == "call" else None
    if record is None or report.skipped or hasattr(report, "wasxfail"):
        return None
    letter, word = (".", "PASSED") if report.passed else ("F", "FAILED")
    return report.outcome, letter, f"{word} {format_verdict(record)}"
