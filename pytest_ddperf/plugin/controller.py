"""Hooks of the controller process: store records as they arrive, report them and update baselines at the end."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import pytest

from pytest_ddperf.core.records import Outcome
from pytest_ddperf.plugin import benchmark_bridge, failure_summary
from pytest_ddperf.plugin.baseline_update import update_baselines
from pytest_ddperf.plugin.collection import REFUSED
from pytest_ddperf.plugin.outputs import explain_missing_outputs, ineffective_options, present
from pytest_ddperf.plugin.record_transport import get_record, is_failed_by_test, is_from_cell, put_record
from pytest_ddperf.report import junit, terminal
from pytest_ddperf.report.benchmark_json import build_machine_info, list_servers

if TYPE_CHECKING:
    from collections.abc import Generator

    from pytest_ddperf.core.records import CellRecord
    from pytest_ddperf.core.results import Results
    from pytest_ddperf.plugin.session import BenchSession


INFRASTRUCTURE = frozenset({Outcome.ERROR, Outcome.CRASHED, Outcome.INVALID})
"""Verdicts that say nothing about a model's speed: a server, its board or the connection to it failed."""


_STOPPED = (pytest.ExitCode.INTERRUPTED, pytest.ExitCode.TESTS_FAILED)
"""Exit statuses of a run that may have ended before all cells were run."""


class Controller:
    """Hooks of the process that the user started; never registered in an xdist worker.

    Args:
        bench: the session of this process.
    """

    def __init__(self, bench: BenchSession) -> None:
        self._bench = bench
        self._others_ran = False
        self._gated = False
        self._failed_of_itself = False
        self._ended: set[str] = set()
        self._cell_failed = False
        self._writes_junit = bool(bench.config.getoption("xmlpath", default=None))
        self._results: Results | None = None

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> Generator[None, None, None]:
        """Write the record to disk as soon as the cell has ended."""
        record = get_record(report)
        if record is not None:
            self._bench.keep(record)
        if report.failed and (record is None or record.outcome not in INFRASTRUCTURE or is_failed_by_test(report)):
            self._failed_of_itself = True
        if is_from_cell(report):
            self._add_properties(report)
            if report.when == "call" or not report.passed:
                self._ended.add(report.nodeid)
            self._cell_failed = self._cell_failed or report.failed
            self._gated = self._gated or report.when == "call" or report.skipped
        else:
            self._others_ran = self._others_ran or report.when == "call"
        yield

    def _add_properties(self, report: pytest.TestReport) -> None:
        """Add the cell's JUnit properties to its last call report and to the teardown report, which JUnit reads.

        This is done here and not where the test runs, because only the controller knows the final outcome of a cell
        that could not be confirmed.
        """
        if not self._writes_junit or report.when == "setup":
            return
        record = self._bench.cells.records.get(report.nodeid)
        if record is not None:
            report.user_properties = [*report.user_properties, *junit.list_properties(record)]

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Turn a wrong configuration or marker into a usage error (exit status 4), also with xdist."""
        if hasattr(report, REFUSED):
            self._bench.refused = True
            raise pytest.UsageError(str(report.longrepr))

    @pytest.hookimpl(optionalhook=True)
    def pytest_benchmark_update_machine_info(self, machine_info: dict[str, Any]) -> None:
        """Add the measured servers to pytest-benchmark's machine_info."""
        if measured := self._bench.cells.measured:
            machine_info.update(build_machine_info(list_servers(measured, self._bench.settings.catalog)))

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None, None, None]:
        """Add the cells to pytest-benchmark before it saves, and release the servers after all other hooks."""
        bench = self._bench
        self._fail_unconfirmed(session)
        if bench.cells.records:
            benchmark_bridge.add_benchmarks(session.config, bench.cells.measured)
        try:
            yield
        finally:
            bench.close()

    def _fail_unconfirmed(self, session: pytest.Session) -> None:
        """Fail deferred cells that were not measured again because the run was stopped or their worker died."""
        for record in [one for one in self._bench.cells.records.values() if one.outcome is Outcome.REMEASURE]:
            why = "the run ended before the cell was measured again. Run the cell again."
            reason = f"{record.key}: not confirmed. {record.reason}; {why}"
            unconfirmed = replace(record, outcome=Outcome.NOT_CONFIRMED, reason=reason, cause=f"not confirmed: {why}")
            log_failure(session.config, unconfirmed)
            if session.exitstatus == pytest.ExitCode.OK:
                session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def end(self, session: pytest.Session) -> None:
        """Update baselines, history and exit status; runs after pytest-benchmark has saved and before the summary."""
        bench = self._bench
        nothing = not bench.cells.measured and bench.measures
        if self._gated and nothing and not self._others_ran and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.NO_TESTS_COLLECTED
        if not bench.cells.records:
            session.exitstatus = self._exit_status(int(session.exitstatus))
            return

        exit_status = int(session.exitstatus)
        if (reporter := session.config.pluginmanager.get_plugin("terminalreporter")) is not None:
            failure_summary.fold(reporter)
        bench.not_run = self._count_not_run()
        bench.warnings += self._ineffective_options(exit_status)
        benchmark_bridge.hide_table(session.config)
        mode = bench.settings.value("update-baselines")
        if mode is not None and exit_status == pytest.ExitCode.INTERRUPTED:
            bench.warnings.append("The run was interrupted: no baseline was recorded.")
        elif mode is not None:
            update_baselines(bench, mode)
        if bench.history is not None:
            bench.warnings += bench.history.close(exit_status, whole=bench.cells.is_complete())
            if bench.history.path.exists():
                bench.written.insert(0, f"history: {bench.history.path}")
        self._results = present(bench, exit_status)
        session.exitstatus = self._exit_status(exit_status)

    def _exit_status(self, exit_status: int) -> int:
        """Return pytest's exit status, or that of --ddperf-infra-exit-code if the run says nothing about speed."""
        given = self._bench.given.get("infra-exit-code")  # a run without cells reads no further settings
        if given is None:
            return exit_status
        unstable = any(record.outcome is Outcome.UNSTABLE for record in self._bench.cells.records.values())
        unclear: dict[int, bool] = {
            pytest.ExitCode.OK: unstable,
            pytest.ExitCode.TESTS_FAILED: not self._failed_of_itself,
            pytest.ExitCode.NO_TESTS_COLLECTED: True,
        }
        return int(given.value) if unclear.get(exit_status) else exit_status

    def _count_not_run(self) -> tuple[int, int]:
        bench = self._bench
        plans = bench.plans
        return bench.cells.count_not_run(bench.settings, plans, len(self._ended)) if plans else (0, 0)

    def _ineffective_options(self, exit_status: int) -> list[str]:
        predicted = self._gated and not self._bench.measures
        expected = not self._cell_failed and not predicted
        return ineffective_options(self._bench, exit_status, expected=expected, gated=self._gated)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter, exitstatus: int) -> None:
        """Print one table per platform, the failures, the totals, and the paths of written files."""
        bench, results = self._bench, self._results
        if results is None:
            not_run = self._count_not_run() if exitstatus in _STOPPED and bench.measures else (0, 0)
            if not_run[0]:
                terminalreporter.write_sep("=", "ddperf")
                terminalreporter.write_line(f"{not_run[0]} of {not_run[1]} cells not measured", red=True)
            for warning in self._ineffective_options(exitstatus):
                terminalreporter.write_line(f"ddperf: warning: {warning}", yellow=True)
            for text in explain_missing_outputs(bench):
                terminalreporter.write_line(text)
            return

        terminalreporter.write_sep("=", "ddperf")
        lines = terminal.run_lines(
            results,
            width=terminalreporter._tw.fullwidth,  # noqa: SLF001 - the reporter offers no other way to its width
            recorded=bench.settings.value("update-baselines") is not None,
            not_run=bench.not_run,
        )
        for line in lines:
            for text, style in line:
                terminalreporter.write(text, **({style: True} if style else {}))
            terminalreporter.write("\n")
        for written in bench.written:
            terminalreporter.write_line(written)


def log_failure(config: pytest.Config, record: CellRecord) -> None:
    """Log the failure of a cell whose test will not run again, with reports for setup, call and teardown.

    Other plugins expect all three phases.
    """
    location = location_of(record.nodeid)
    config.hook.pytest_runtest_logstart(nodeid=record.nodeid, location=location)
    phases: tuple[Literal["setup", "call", "teardown"], ...] = ("setup", "call", "teardown")
    for when in phases:
        failed = when == "call"
        text = record.reason if failed else None
        report = pytest.TestReport(record.nodeid, location, {}, "failed" if failed else "passed", text, when)
        put_record(report, record if failed else None)
        config.hook.pytest_runtest_logreport(report=report)
    config.hook.pytest_runtest_logfinish(nodeid=record.nodeid, location=location)


def location_of(nodeid: str) -> tuple[str, None, str]:
    """Return the location of a test as in its reports, without the line."""
    path, _, name = nodeid.partition("::")
    return path, None, name.replace("::", ".")
