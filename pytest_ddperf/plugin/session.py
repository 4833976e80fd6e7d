"""The session of one pytest process, where its parts are put together."""

from __future__ import annotations

import contextlib
import sys
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pytest
from pytest_benchmark.utils import get_commit_info

from pytest_ddperf.config.load_catalog import load_catalog
from pytest_ddperf.config.resolve import resolve_settings
from pytest_ddperf.core.records import CellRecord, Outcome
from pytest_ddperf.plugin.given import read_given
from pytest_ddperf.plugin.record_transport import STARTED, encode, send_to_controller
from pytest_ddperf.plugin.run_cells import RunCells
from pytest_ddperf.plugin.run_history import RunHistory
from pytest_ddperf.report.terminal import format_verdict
from pytest_ddperf.runner.plan import create_plans
from pytest_ddperf.runner.runner import Runner

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_ddperf.config.settings import Settings
    from pytest_ddperf.core.results import Trend
    from pytest_ddperf.runner.plan import PlatformPlan

SESSION_KEY = pytest.StashKey["BenchSession"]()


class BenchSession:
    """One pytest process: its options, cells, runner and history.

    Args:
        config: configuration of the process, controller or worker.

    Attributes:
        is_worker: whether this is an xdist worker, which measures while the controller stores the records.
        started: when the run started, UTC; the same in xdist's controller and workers.
        refused: whether the configuration or a marker is wrong, so that no test runs.
        not_run: number of cells not measured because the run ended early, and number of all cells.
        trends: the histories of the cells before this run, if figures or reports were requested.
        warnings: warnings of the run.
        written: lines about the files that were written.
    """

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.given = read_given(config)
        self.is_worker = hasattr(config, "workerinput")
        given: str | None = getattr(config, "workerinput", {}).get(STARTED)
        self.started = datetime.now(UTC) if given is None else datetime.fromisoformat(given)
        self.cells = RunCells(config)
        self.history: RunHistory | None = None
        self.refused = False
        self.not_run = (0, 0)
        self.warnings: list[str] = []
        self.written: list[str] = []
        self.trends: Sequence[Trend] = ()
        self._runner: Runner | None = None

    @property
    def measures(self) -> bool:
        """Whether cells are measured and judged; if not, each makes one checked prediction."""
        return not self.config.getoption("benchmark_disable", default=False) or bool(
            self.config.getoption("benchmark_enable", default=False)
        )

    @cached_property
    def settings(self) -> Settings:
        """The settings, resolved on first use.

        Raises:
            ConfigurationError: an option, ddperf.toml or the package's own data is invalid.
        """
        config = self.config
        project_dir = config.inipath.parent if config.inipath is not None else config.rootpath
        return resolve_settings(self.given, load_catalog(project_dir), project_dir)

    @property
    def runner(self) -> Runner:
        """The runner of the measured platforms, created on first use.

        Raises:
            ConfigurationError: a baseline cannot be read.
        """
        if self._runner is None:
            plans, problems = create_plans(self.settings, self.started, self._commit)
            self.warnings += [one for one in problems if one not in self.warnings]
            self._runner = Runner(plans, self.settings.catalog.networks, self.say, self._run_id)
        return self._runner

    @property
    def plans(self) -> dict[str, PlatformPlan]:
        """The plans of the platforms, by id; empty if nothing was to be measured."""
        return {} if self._runner is None else {name: run.plan for name, run in self._runner.platforms.items()}

    @cached_property
    def _commit(self) -> dict[str, Any]:
        """Facts of the tested commit."""
        found: dict[str, Any] = get_commit_info()  # type: ignore[no-untyped-call] # pytest-benchmark's
        return found

    @property
    def _run_id(self) -> str:
        """Id of the run, the same in xdist's controller and workers; "" without xdist."""
        if self.is_worker:
            return str(self.config.workerinput["testrunuid"])  # type: ignore[attr-defined] # xdist's
        manager = getattr(self.config.pluginmanager.get_plugin("dsession"), "nodemanager", None)
        return str(getattr(manager, "testrunuid", ""))

    def say(self, line: str) -> None:
        """Show a line to the user during the run; a worker writes it to standard error, which the user sees."""
        reporter = self.config.pluginmanager.get_plugin("terminalreporter")
        capture = self.config.pluginmanager.get_plugin("capturemanager")
        # output is captured while a test runs
        with contextlib.nullcontext() if capture is None else capture.global_and_fixture_disabled():
            if self.is_worker:
                sys.stderr.write(f"\n{line}\n")
                sys.stderr.flush()
            elif reporter is not None:
                reporter.ensure_newline()
                if reporter._tw.width_of_current_line:  # noqa: SLF001 - with -q, pytest does not end a line of dots
                    reporter.line("")
                reporter.write_line(line)
                reporter.flush()  # otherwise a pipe would show the line only with later output

    def keep(self, record: CellRecord) -> None:
        """Store a record and write it to disk at once. Called in the controller only."""
        self.cells.records[record.nodeid] = record
        if record.outcome is Outcome.UNAVAILABLE and record.measurement is None:
            return
        if self.history is None:
            self.history = RunHistory(self.settings, self.started, self._commit, self.cells, self.say)
        self.history.append(record)
        if record.outcome is Outcome.REMEASURE and self.config.get_verbosity() > 0:
            self.say(f"ddperf: {record.key}: {format_verdict(record)}, undecided; will be measured again")

    def keep_unreported(self, record: CellRecord) -> None:
        """Store a record that is in no report: of a deferred attempt, or of a test that ends the run."""
        if self.is_worker:
            send_to_controller(self.config, "record", encode(record))
        else:
            self.keep(record)

    def close(self) -> None:
        """Release every server. May be called twice."""
        if self._runner is not None:
            self._runner.close()
            if not self.is_worker:
                self._runner.make_up()
