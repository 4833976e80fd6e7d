"""Hooks for xdist, which give each server to one worker.

They are registered only in xdist's controller and workers; the rest of the plugin works without xdist.
"""

from __future__ import annotations

import contextlib
import queue
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from xdist.report import report_collection_diff
from xdist.workermanage import parse_tx_spec_config

from pytest_ddperf.core.records import CellKey, CellRecord, Outcome
from pytest_ddperf.plugin.collection import get_cell
from pytest_ddperf.plugin.controller import location_of, log_failure
from pytest_ddperf.plugin.preparation import prepare_run
from pytest_ddperf.plugin.record_transport import STARTED, TO_CONTROLLER, decode, put_record
from pytest_ddperf.plugin.xdist_scheduler import ServerScheduling

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from pytest_ddperf.plugin.session import BenchSession

ON_ITS_WAY_S = 0.5
"""Time for reports sent by workers to reach the controller, seconds."""


class LateScheduling:
    """Scheduler that uses the user's own one unless the first collection contains cells, then one by server.

    xdist asks for the scheduler before anything is collected, and a run without cells must keep the user's choice.

    Args:
        config: configuration of the controller; other plugins read it from xdist's schedulers.
        usual: the scheduler that xdist would have used.
        choose: returns the scheduler to use, from the usual one and the first collection.
    """

    def __init__(self, config: pytest.Config, usual: Any, choose: Callable[[Any, Sequence[str]], Any]) -> None:  # noqa: ANN401 - xdist's
        self.config = config
        self._scheduling = usual
        self._choose = choose
        self._chosen = False

    def add_node_collection(self, node: Any, collection: Sequence[str]) -> None:  # noqa: ANN401 - xdist's
        """Choose the scheduler when the first collection arrives, and pass every collection on."""
        if not self._chosen:
            self._chosen = True
            self._scheduling = self._choose(self._scheduling, collection)
        self._scheduling.add_node_collection(node, collection)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - any attribute of xdist's schedulers
        return getattr(self._scheduling, name)


class XdistHooks:
    """Hooks of xdist's controller and workers.

    Args:
        bench: the session of this process.
    """

    def __init__(self, bench: BenchSession) -> None:
        self._config = config = bench.config
        self._bench = bench
        self._cells: dict[str, CellKey] = {}
        self._sent: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
        self._scheduling: ServerScheduling | None = None
        self._collected: Sequence[str] | None = None
        self._only = False
        self._deaths = 0
        self._begun: set[str] = set()
        self._reported: set[str] = set()
        self._under_way: dict[str, str] = {}
        if config.getoption("benchmark_only", default=False):
            # pytest-benchmark rejects --benchmark-only with xdist, where its own benchmarks cannot run; cells can.
            config.option.benchmark_only = False
            self._only = True

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """For --benchmark-only with xdist: skip every test that is not a cell."""
        if self._only:
            reason = "Skipped, because it is not a ddperf cell (--benchmark-only with xdist)."
            for item in items:
                if get_cell(item) is None:
                    item.add_marker(pytest.mark.skip(reason=reason))

    @pytest.hookimpl(wrapper=True)
    def pytest_xdist_make_scheduler(self) -> Any:  # noqa: ANN401 - xdist's
        """Schedule cells by server, regardless of --dist."""
        usual = yield
        return LateScheduling(self._config, usual, self._choose_scheduler)

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:  # noqa: ANN401 - xdist's
        """Give each worker the start of the run, and a channel for data that no report carries: cells, records."""
        channel = node.gateway.newchannel()
        channel.setcallback(self._sent.put)  # called in execnet's thread
        node.workerinput[TO_CONTROLLER] = channel
        node.workerinput[STARTED] = self._bench.started.isoformat()

    def _take_in_sent(self) -> None:
        """Process the messages that workers have sent on their channels.

        Raises:
            pytest.UsageError: a worker found that a marker is wrong.
        """
        with contextlib.suppress(queue.Empty):
            while True:
                kind, value = self._sent.get_nowait()
                if kind == "cells":
                    self._cells |= {nodeid: CellKey(*parts) for nodeid, parts in value.items()}
                elif kind == "limited percentiles":
                    self._bench.cells.limited_percentiles |= set(value)
                elif kind == "refused":
                    raise pytest.UsageError(value)
                elif kind == "begun":
                    self._begin(value)
                else:
                    record = decode(value)
                    self._bench.keep(record)
                    self._end(record.nodeid)

    def _choose_scheduler(self, usual: Any, collection: Sequence[str]) -> Any:  # noqa: ANN401 - xdist's
        """Return a scheduler by server if a collection contains cells, else the usual one."""
        if not any(nodeid in self._cells for nodeid in collection):
            return usual
        longest_first = self._config.getoption("loadscopereorder", default=True)
        self._scheduling = ServerScheduling(
            len(parse_tx_spec_config(self._config)),
            unit_of=self._unit_of,
            story=self,
            weigh=self._weigh if longest_first else None,
            differ=self._report_difference,
        )
        for known in usual.nodes:
            self._scheduling.add_node(known)
        return self._scheduling

    def _report_difference(self, one: Any, ids: Sequence[str], other: Any, theirs: Sequence[str]) -> None:  # noqa: ANN401 - xdist's
        """Fail the run if two workers collected different tests, and report the difference."""
        name = other.gateway.id
        if text := report_collection_diff(ids, theirs, one.gateway.id, name):
            report = pytest.CollectReport(name, "failed", longrepr=text, result=[])
            self._config.hook.pytest_collectreport(report=report)

    def _unit_of(self, nodeid: str) -> str:
        key = self._cells.get(nodeid)
        return nodeid if key is None else f"server {self._server(key.platform)}"

    def _server(self, platform: str) -> str:
        return self._bench.settings.servers_of[platform]

    def _weigh(self, nodeid: str) -> float:
        key = self._cells.get(nodeid)
        return 0.0 if key is None else self._bench.runner.platforms[key.platform].plan.expected_ms(key)

    def pytest_xdist_node_collection_finished(self, ids: Sequence[str]) -> None:
        """Check the servers once, before the first test."""
        self._take_in_sent()
        if self._collected is not None:
            return
        self._collected = ids
        cells = [self._cells[nodeid] for nodeid in ids if nodeid in self._cells]
        self._bench.cells.collected = cells
        if not cells:
            return
        dist = self._config.getoption("dist")
        if dist == "each":
            raise pytest.UsageError(
                "ddperf: --dist each would let every worker measure the same server; use --dist load."
            )
        if dist != "load":
            self._bench.warnings.append(
                f"--dist {dist} is ignored: a server may have only one client, so all its cells run in one worker."
            )
        prepare_run(self._bench, cells, opens=False)

    # messages from workers, and handling of workers that die

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Note that a test has begun, in this process or in a worker."""
        if nodeid not in self._cells:  # for a cell, this hook is called only after its attempt
            self._begin(nodeid)

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        """Note that a test has ended."""
        self._reported.add(nodeid)
        self._end(nodeid)

    def _begin(self, nodeid: str) -> None:
        self._begun.add(nodeid)
        if self._scheduling is not None:
            self._under_way[self._unit_of(nodeid)] = nodeid

    def _end(self, nodeid: str) -> None:
        unit = self._unit_of(nodeid) if self._scheduling is not None else ""
        if self._under_way.get(unit) == nodeid:  # its worker may already run the next test
            del self._under_way[unit]

    def under_way(self, unit: str) -> str | None:
        """Return the test of a unit that has begun and not ended, and forget it."""
        self._take_in_sent()
        return self._under_way.pop(unit, None)

    def is_begun(self, nodeid: str) -> bool:
        """Return whether a test has begun."""
        return nodeid in self._begun

    def is_deferred(self, nodeid: str) -> bool:
        """Return whether a cell is undecided and will run again in the same worker."""
        self._take_in_sent()
        record = self._bench.cells.records.get(nodeid)
        return record is not None and record.outcome is Outcome.REMEASURE

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, error: object | None) -> None:
        """Count workers that died."""
        self._deaths += bool(error)

    @pytest.hookimpl(optionalhook=True)
    def pytest_handlecrashitem(self, crashitem: str, report: pytest.TestReport) -> None:
        """Give the cell whose worker died the verdict `crashed`, and keep its earlier measurements."""
        self._begun.discard(crashitem)  # another plugin may rerun it
        key = self._cells.get(crashitem)
        if key is None:
            return
        reason = f"{key} crashed: the worker that measured it on {self._server(key.platform)} died."
        self._reported.add(crashitem)
        report.when, report.longrepr, report.location = "call", reason, location_of(crashitem)
        put_record(report, self._crashed(key, crashitem, reason))

    def _crashed(self, key: CellKey, nodeid: str, reason: str) -> CellRecord:
        measured = self._bench.cells.records.get(nodeid)
        if measured is None:
            return CellRecord(key, nodeid, Outcome.CRASHED, reason)
        return replace(measured, outcome=Outcome.CRASHED, reason=reason)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtestloop(self) -> Generator[None, object, object]:
        """Fail cells that were not run because no worker was left, so that none is missing silently."""
        try:
            result = yield
        except KeyboardInterrupt:
            self._take_in_what_was_sent()
            self._take_in_sent()
            raise
        self._take_in_sent()
        if self._scheduling is not None and self._deaths:
            # if workers die before all have collected, xdist ends the run and no test was distributed
            for nodeid in self._scheduling.collection or self._collected or ():
                key = self._cells.get(nodeid)
                if key is not None and nodeid not in self._reported and not self.is_deferred(nodeid):
                    self._fail_unrun(key, nodeid, self._scheduling.given_up.get(nodeid))
        return result

    def _take_in_what_was_sent(self) -> None:
        """Log reports that workers had sent but xdist had not processed before Ctrl-C, to keep their measurements."""
        xdist: Any = self._config.pluginmanager.get_plugin("dsession")
        until_s = time.monotonic() + ON_ITS_WAY_S  # workers continue and may send further reports
        with contextlib.suppress(queue.Empty):
            while (left_s := until_s - time.monotonic()) > 0:
                name, arguments = xdist.queue.get(timeout=left_s)
                if name == "testreport":
                    self._config.hook.pytest_runtest_logreport(report=arguments["rep"])

    def _fail_unrun(self, key: CellKey, nodeid: str, deaths: int | None) -> None:
        if deaths is None:
            why = "a worker died and no other was left (--max-worker-restart)"
        else:
            why = f"{deaths} workers died while they measured on {self._server(key.platform)}"
        what = f"it was not run, because {why}."
        record = self._crashed(key, nodeid, f"{key} crashed: {what}")
        log_failure(self._config, replace(record, cause=what, detail=what))
