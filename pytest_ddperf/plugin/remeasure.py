"""Remeasuring of undecided cells, deferred until the other cells of their platform have run.

If a cell is undecided after its test, that attempt is not reported. The test runs again after the last cell of its
platform, as an ordinary item of pytest's main loop or of xdist's worker. Only the attempt that decides is reported, as
the pass or failure of the test. Other plugins therefore see one result per cell, only outcomes that pytest defines, and
no test that runs within another one.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pytest
from _pytest.runner import call_and_report

from pytest_ddperf.gate.pairs import PAIRS_PER_ROUND
from pytest_ddperf.plugin.cell_run import attempts_of
from pytest_ddperf.plugin.collection import get_cell
from pytest_ddperf.plugin.record_transport import send_to_controller

if TYPE_CHECKING:
    from pytest_ddperf.plugin.session import BenchSession

ROUNDS_AT_MOST = 12
"""Maximum number of remeasuring rounds of a platform; the gate decides after six rounds of a cell.

In pairs it decides after --ddperf-max-pairs, which may be more rounds.
"""


class Remeasuring:
    """Run protocol of gated tests, in the process that runs them: an xdist worker, or the only process.

    Args:
        bench: the session of this process.
    """

    def __init__(self, bench: BenchSession) -> None:
        self._bench = bench
        self._deferred: list[pytest.Item] = []
        self._round: list[pytest.Item] = []
        self._rounds = 0
        self._last: dict[str, pytest.Item] = {}
        self._worker: Any = None
        self._places: dict[pytest.Item, int] = {}

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Find the last cell of each platform; tests that measure nothing may run between the cells."""
        if self._bench.is_worker:  # a worker gets the cells of a platform in one block
            plugins = session.config.pluginmanager.get_plugins()
            self._worker = next((one for one in plugins if type(one).__name__ == "WorkerInteractor"), None)
            self._places = {item: place for place, item in enumerate(session.items)}
        else:
            self._last = {key.platform: item for item in session.items if (key := get_cell(item)) is not None}

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
        """Run a cell; after the last cell of a platform, queue the deferred ones."""
        key = get_cell(item)
        if key is None:
            return None
        if self._bench.is_worker:  # the reports of a cell are sent after its attempt; its worker may die before that
            send_to_controller(item.config, "begun", item.nodeid)
        option = item.config.option
        if option.setuponly or option.setupplan or not self._bench.measures:  # nothing can be undecided
            return None
        if self._round and item is self._round[0]:
            del self._round[0]
            ends = not self._round
        else:
            ends = not self._more_follow(item, key.platform, nextitem)
            self._rounds = 0
        self._attempt(item, nextitem, ends=ends)
        if ends and self._is_another_round_due(item.session):
            self._queue_round(item, nextitem)
        return True

    def _more_follow(self, item: pytest.Item, platform: str, nextitem: pytest.Item | None) -> bool:
        if self._last:
            return item is not self._last.get(platform)
        follows = get_cell(nextitem) if nextitem is not None else None
        return follows is not None and follows.platform == platform

    def _is_another_round_due(self, session: pytest.Session) -> bool:
        most = max(ROUNDS_AT_MOST, self._bench.settings.value("max-pairs") // PAIRS_PER_ROUND)
        return bool(self._deferred) and self._rounds < most and not _is_stopping(session)

    def _queue_round(self, item: pytest.Item, nextitem: pytest.Item | None) -> None:
        """Queue all deferred cells to run next, so that other cells run between two rounds of the same cell."""
        self._round, self._deferred = self._deferred, []
        self._rounds += 1
        if self._worker is None:
            items = item.session.items  # the main loop reads this list while it runs
            place = _last_place(items, item, nextitem) + 1
            items[place:place] = self._round
            return
        first, *others = (self._places[one] for one in self._round)
        with self._worker.torun.lock() as waiting:
            waiting.extendleft(reversed([*others, self._worker.nextitem_index]))
        self._worker.nextitem_index = first

    def _attempt(self, item: pytest.Item, nextitem: pytest.Item | None, *, ends: bool) -> None:
        """Run setup, call and teardown. Log the reports only after the call, if the cell is then decided."""
        if not item._request:  # type: ignore[attr-defined] # noqa: SLF001 - as pytest does for an item run again
            item._initrequest()  # type: ignore[attr-defined] # noqa: SLF001 - the same
        properties, sections = list(item.user_properties), len(item._report_sections)  # noqa: SLF001 - restored below
        attempts = attempts_of(item)
        attempts.begin()
        try:
            reports = _setup_and_call(item)
            deferred = attempts.is_deferred
            if deferred and attempts.record is not None:
                self._deferred.append(item)
                self._bench.keep_unreported(attempts.record)
            else:
                _log(item, reports)
            teardown = call_and_report(item, "teardown", log=not deferred, nextitem=self._follows(item, nextitem, ends))
        finally:
            item._request = False  # type: ignore[attr-defined] # noqa: SLF001 - as pytest itself does
            item.funcargs = None  # type: ignore[attr-defined]
        if not deferred:
            item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
            return
        if not teardown.passed:  # a failed teardown is reported even if the cell is deferred
            _log(item, [teardown])
            item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
        # keep only the output and properties of the attempt that decides
        item.user_properties[:] = properties
        del item._report_sections[sections:]  # noqa: SLF001 - pytest has no other way to run a test again
        _withdraw_from_allure(item)

    def _follows(self, item: pytest.Item, nextitem: pytest.Item | None, ends: bool) -> pytest.Item | None:
        """Return the next item, for which fixtures of wider scopes stay set up; a copy if it is the same item."""
        if _is_stopping(item.session):
            return None
        if not ends or not self._is_another_round_due(item.session):
            return nextitem
        first = self._deferred[0]
        return copy.copy(first) if first is item else first


def _setup_and_call(item: pytest.Item) -> list[pytest.TestReport]:
    """Run setup and call; return their reports without logging them."""
    setup = call_and_report(item, "setup", log=False)
    if not setup.passed:
        return [setup]
    if item.config.getoption("setupshow", default=False):
        _show(item)
    return [setup, call_and_report(item, "call", log=False)]


def _log(item: pytest.Item, reports: list[pytest.TestReport]) -> None:
    hook = item.ihook
    hook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    for report in reports:
        hook.pytest_runtest_logreport(report=report)


def _show(item: pytest.Item) -> None:
    """Write the line of a test for --setup-show as pytest does, whose own function differs between versions."""
    fixtures = ", ".join(sorted(getattr(item, "fixturenames", ())))
    writer = item.config.get_terminal_writer()
    writer.line()
    writer.write(f"{' ' * 8}{item.nodeid}{f' (fixtures used: {fixtures})' if fixtures else ''} ")
    writer.flush()


def _last_place(items: list[pytest.Item], item: pytest.Item, nextitem: pytest.Item | None) -> int:
    """Return the position of the main loop: the last index at which `item` is followed by `nextitem`."""
    for place in range(len(items) - 1, -1, -1):
        if items[place] is item and (items[place + 1] if place + 1 < len(items) else None) is nextitem:
            return place
    return len(items) - 1


def _withdraw_from_allure(item: pytest.Item) -> None:
    """Keep allure-pytest from writing a result for a deferred attempt; it writes one at the end of each protocol."""
    listener: Any = item.config.pluginmanager.get_plugin("allure_listener")
    started = getattr(listener, "_cache", None)  # private; if it is missing, the attempt appears as a retry of the test
    if started is not None and (uuid := started.pop(item.nodeid)):
        listener.allure_logger.drop_test(uuid)


def _is_stopping(session: pytest.Session) -> bool:
    return bool(session.shouldfail or session.shouldstop)
