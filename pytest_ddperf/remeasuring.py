"""Measuring a cell again later in the run: undecided cells are put off to the end of their platform's cells.

An undecided attempt ends its call phase with `PutOff`; its report gets an outcome of its own and nobody takes it for
the last word. When the last cell of the platform has run, the undecided ones run again, one after the other, until each
has its verdict: then its report is an ordinary pass or failure of the same node id.

All of it happens within the protocol of the platform's last cell, so that neither pytest's main loop nor xdist's
scheduler has to know: a worker measures its own server's cells again.
"""

from __future__ import annotations

import contextlib
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from _pytest.outcomes import Skipped
from _pytest.runner import call_and_report

from pytest_ddperf.collecting import cell_of
from pytest_ddperf.session import RECORD_KEY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

OUTCOME = "remeasure"
"""The outcome of an undecided attempt's report."""

ROUNDS_AT_MOST = 12
"""How often a cell is run again at the most: the gate decides after six rounds, and each run measures one."""


class PutOff(Skipped):
    """Ends the call phase of an undecided attempt. A skip, so that no other plugin takes it for a failure."""


class Remeasuring:
    """The protocol of gated tests, in the process that runs them: a worker, or the only one."""

    def __init__(self) -> None:
        self._put_off: list[pytest.Item] = []
        self._last: dict[str, pytest.Item] = {}
        self._choose_next: Callable[[], pytest.Item | None] | None = None
        self._worker: Any = None
        self._places: dict[pytest.Item, int] = {}

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Find the last cell of each platform: tests that measure nothing may stand between them."""
        plugins = session.config.pluginmanager.get_plugins()
        self._worker = next((one for one in plugins if type(one).__name__ == "WorkerInteractor"), None)
        if self._worker is not None:
            self._places = {item: place for place, item in enumerate(session.items)}
        if not hasattr(session.config, "workerinput"):  # a worker gets a platform's cells side by side
            self._last = {key.platform: item for item in session.items if (key := cell_of(item)) is not None}

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
        """Run a cell; behind the last one of a platform, run those again that were put off."""
        key = cell_of(item)
        if key is None:
            return None
        if self._choose_next is not None:  # called from below, for a cell that is measured again
            choose_next, self._choose_next = self._choose_next, None
            self._attempt(item, choose_next)
        elif self._more_follow(item, key.platform, nextitem):
            self._attempt(item, lambda: nextitem)
        else:
            self._attempt(item, lambda: self._first_put_off(item, nextitem))
            self._measure_again(nextitem)
        return True

    def _more_follow(self, item: pytest.Item, platform: str, nextitem: pytest.Item | None) -> bool:
        if self._last:
            return item is not self._last.get(platform)
        follows = cell_of(nextitem) if nextitem is not None else None
        return follows is not None and follows.platform == platform

    def _measure_again(self, nextitem: pytest.Item | None) -> None:
        """Round by round, so that the rounds of a cell are apart in time."""
        for _ in range(ROUNDS_AT_MOST):
            again, self._put_off = self._put_off, []
            for position, one in enumerate(again):
                if _is_stopping(one.session):
                    return
                self._choose_next = partial(self._next, again[position + 1 :], one, nextitem)
                # The whole protocol: other plugins give each test its own warnings and its own timeout there.
                one.ihook.pytest_runtest_protocol(item=one, nextitem=nextitem)
                self._choose_next = None
        self._put_off = []

    def _next(self, rest: list[pytest.Item], item: pytest.Item, nextitem: pytest.Item | None) -> pytest.Item | None:
        return rest[0] if rest else self._first_put_off(item, nextitem)

    def _first_put_off(self, item: pytest.Item, nextitem: pytest.Item | None) -> pytest.Item | None:
        """What runs after the last cell; an item that follows itself is torn down up to its parent."""
        if not self._put_off:
            return nextitem
        first = self._put_off[0]
        return first if first is not item else first.parent  # type: ignore[return-value] # pytest takes any node here

    def _attempt(self, item: pytest.Item, choose_next: Callable[[], pytest.Item | None]) -> None:
        """Setup, call and teardown; what follows is chosen after the call, when it is known whether it was put off."""
        hook = item.ihook
        with contextlib.nullcontext() if self._worker is None else self._as_current(item):
            hook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
            if not item._request:  # type: ignore[attr-defined] # noqa: SLF001 - as pytest does for an item run again
                item._initrequest()  # type: ignore[attr-defined] # noqa: SLF001 - the same
            properties, sections = list(item.user_properties), len(item._report_sections)  # noqa: SLF001 - see below
            if RECORD_KEY in item.stash:
                del item.stash[RECORD_KEY]
            undecided = False
            try:
                undecided = _setup_and_call(item)
                if undecided:
                    self._put_off.append(item)
                follows = None if _is_stopping(item.session) else choose_next()
                # The passed teardown of an undecided attempt is not told: JUnit would close the test's case with it.
                teardown = call_and_report(item, "teardown", log=not undecided, nextitem=follows)
                if undecided and not teardown.passed:
                    hook.pytest_runtest_logreport(report=teardown)
            finally:
                item._request = False  # type: ignore[attr-defined] # noqa: SLF001 - as pytest itself does
                item.funcargs = None  # type: ignore[attr-defined]
            if undecided:  # its output and its properties are not those of the attempt that counts
                item.user_properties[:] = properties
                del item._report_sections[sections:]  # noqa: SLF001 - pytest has no other way to run a test again
            hook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)

    @contextlib.contextmanager
    def _as_current(self, item: pytest.Item) -> Iterator[None]:
        """In an xdist worker: tell it which item runs, since it sends that item's index with every report."""
        current = self._worker.item_index
        self._worker.item_index = self._places[item]
        try:
            yield
        finally:
            self._worker.item_index = current


def _setup_and_call(item: pytest.Item) -> bool:
    """Whether the cell is undecided."""
    if not call_and_report(item, "setup").passed:
        return False
    only_setup = item.config.getoption("setuponly", default=False)
    if item.config.getoption("setupshow", default=False):
        _show(item, end="" if only_setup else " ")
    return not only_setup and call_and_report(item, "call").outcome == OUTCOME


def _show(item: pytest.Item, *, end: str) -> None:
    """The line of a test under --setup-show, as pytest writes it; its own function is called differently by version."""
    fixtures = ", ".join(sorted(getattr(item, "fixturenames", ())))
    writer = item.config.get_terminal_writer()
    writer.line()
    writer.write(f"{' ' * 8}{item.nodeid}{f' (fixtures used: {fixtures})' if fixtures else ''}{end}")
    writer.flush()


def _is_stopping(session: pytest.Session) -> bool:
    return bool(session.shouldfail or session.shouldstop)
