"""Scheduler for xdist whose unit is the server, so that only one worker at a time measures it.

This module does not import xdist. xdist's own schedulers by scope are similar but not used, for three reasons: they
recount all pending tests at every event (minutes for 10,000 cells), they rerun a test that killed its worker again and
again, and they shut down every worker as soon as all tests are distributed, so that none is left to take over from a
worker that dies.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

DEATHS_AT_MOST = 3
"""Worker deaths at one server after which its remaining cells are dropped; other servers continue."""

LOOKAHEAD = 2
"""Tests that a worker must have queued: it starts a test only if it knows the next one or was asked to shut down."""


class Node(Protocol):
    """A worker, as xdist's controller sees it."""

    @property
    def shutting_down(self) -> bool:
        """Whether the worker was asked to shut down."""

    def send_runtest_some(self, indices: Sequence[int]) -> None:
        """Queue the tests at these indices of the worker's collection."""

    def shutdown(self) -> None:
        """Tell the worker to end when its queue is empty."""


@dataclass(slots=True, eq=False)
class Unit:
    """Tests that must run in one worker at a time.

    Args:
        name: name of the unit, as `unit_of` returns it.
        waiting: node ids that have not run, in running order.
        deferred: node ids that have run and will run again in the same worker, without being distributed again.
        deaths: number of workers that died while they ran this unit.
    """

    name: str
    waiting: dict[str, None] = field(default_factory=dict)
    deferred: set[str] = field(default_factory=set)
    deaths: int = 0


class Story(Protocol):
    """The state of the tests, as known from reports and messages of the workers."""

    def under_way(self, unit: str) -> str | None:
        """Return the test of a unit that has begun and not ended."""

    def is_begun(self, nodeid: str) -> bool:
        """Return whether a test has begun."""

    def is_deferred(self, nodeid: str) -> bool:
        """Return whether a test that ran will run again in the same worker."""


class ServerScheduling:
    """Scheduler that distributes units, the longest first, and reassigns those of workers that die.

    Args:
        workers: number of workers that are expected to collect.
        unit_of: returns the unit of a node id: one per server for cells, one per test for other tests.
        story: the state of the tests.
        weigh: returns how long a test takes, in any time unit; None keeps the units in collection order.
        differ: called if two workers collected different tests.
    """

    def __init__(
        self,
        workers: int,
        *,
        unit_of: Callable[[str], str],
        story: Story,
        weigh: Callable[[str], float] | None,
        differ: Callable[[Node, Sequence[str], Node, Sequence[str]], None],
    ) -> None:
        self._workers = workers
        self._unit_of = unit_of
        self._story = story
        self._weigh = weigh
        self._differ = differ
        self._collected: dict[Node, list[str]] = {}
        self._official: list[str] | None = None
        self._places: dict[str, int] = {}
        self._queue: deque[Unit] = deque()
        self._assigned: dict[Node, list[Unit]] = {}
        self.given_up: dict[str, int] = {}
        """Cells that are not tried any more: by node id, how many workers died at their server."""

    @property
    def nodes(self) -> list[Node]:
        """The current workers."""
        return list(self._assigned)

    @property
    def collection(self) -> Sequence[str]:
        """All tests, once every worker has collected them."""
        return self._official or ()

    @property
    def collection_is_completed(self) -> bool:
        """Whether as many workers as expected have collected."""
        return len(self._collected) >= self._workers

    @property
    def tests_finished(self) -> bool:
        """Whether no unit is queued and no worker has two or more tests waiting."""
        return self.collection_is_completed and not self._queue and all(self._pending(node) < 2 for node in self.nodes)

    @property
    def has_pending(self) -> bool:
        """Whether any unit is queued or assigned."""
        return bool(self._queue) or any(self._assigned.values())

    def add_node(self, node: Node) -> None:
        """Add a worker."""
        self._assigned[node] = []

    def add_node_collection(self, node: Node, collection: Sequence[str]) -> None:
        """Record a worker's collection; shut down a replacement worker that collected different tests."""
        if self._official is not None and list(collection) != self._official:
            first = next(iter(self._collected))
            self._differ(first, self._official, node, collection)
            node.shutdown()
            return
        self._collected[node] = list(collection)

    def schedule(self) -> None:
        """Distribute the first units; called again when a worker replaces one that died."""
        if self._official is None and not self._make_units():
            return
        for node in self.nodes:  # one each before any worker gets a second one
            if self._queue and not self._assigned[node] and not node.shutting_down:
                self._assign(node)
        for node in self.nodes:
            self._feed(node)

    def mark_test_complete(self, node: Node, item_index: int, duration: float = 0) -> None:  # noqa: ARG002 - xdist's
        """Remove a finished test from its unit, and send the worker more tests before its queue is empty."""
        nodeid = self._collected[node][item_index]
        units = self._assigned[node]
        for unit in units:
            if nodeid in unit.waiting or nodeid in unit.deferred:
                unit.waiting.pop(nodeid, None)
                unit.deferred.discard(nodeid)
                if self._story.is_deferred(nodeid):
                    unit.deferred.add(nodeid)
                if not unit.waiting and not unit.deferred:
                    units.remove(unit)
                break
        self._feed(node)

    def mark_test_pending(self, item: str) -> None:
        """Queue a test again whose worker died while running it; called by plugins that rerun failed tests."""
        name = self._unit_of(item)
        unit = next((one for one in self._queue if one.name == name), None)
        if unit is None:
            unit = Unit(name)
            self._queue.appendleft(unit)
        unit.waiting = {item: None} | unit.waiting
        for node in self.nodes:
            self._feed(node)

    def remove_node(self, node: Node) -> str | None:
        """Remove a worker that has ended or died; the units of a dead one go to others, without the test that it ran.

        Returns:
            The node id of the test that was running; None if there was none.

        Raises:
            KeyError: the worker is unknown or was already removed.
        """
        units = self._assigned.pop(node)
        if not units:
            return None
        crashed = self._died_at(units[0])
        left = [unit for unit in units if unit.waiting]
        self._queue.extendleft(reversed(left))
        for other in self.nodes:
            self._feed(other)
        return crashed

    def _died_at(self, unit: Unit) -> str | None:
        """Remove the test that killed its worker from a unit, or all tests after `DEATHS_AT_MOST` deaths.

        Returns:
            The node id of the test that was running; None if there was none.
        """
        unit.deaths += 1
        crashed = self._story.under_way(unit.name)
        unit.deferred.clear()  # their measurements were lost with the worker
        first = next(iter(unit.waiting), None)
        if first is not None and self._story.is_begun(first):
            del unit.waiting[first]
        if unit.deaths >= DEATHS_AT_MOST:
            self.given_up |= dict.fromkeys(unit.waiting, unit.deaths)
            unit.waiting.clear()
        return crashed

    def _make_units(self) -> bool:
        (first, official), *others = self._collected.items()
        for node, collection in others:
            if collection != official:
                self._differ(first, official, node, collection)
                return False
        self._official = official
        self._places = {nodeid: place for place, nodeid in enumerate(official)}
        units: dict[str, Unit] = {}
        weights: dict[str, float] = {}
        for nodeid in official:
            name = self._unit_of(nodeid)
            units.setdefault(name, Unit(name)).waiting[nodeid] = None
            if self._weigh is not None:
                weights[name] = weights.get(name, 0.0) + self._weigh(nodeid)
        self._queue = deque(sorted(units.values(), key=lambda unit: -weights.get(unit.name, 0.0)))
        return True

    def _pending(self, node: Node) -> int:
        return sum(len(unit.waiting) for unit in self._assigned[node])

    def _assign(self, node: Node) -> None:
        unit = self._queue.popleft()
        self._assigned[node].append(unit)
        node.send_runtest_some([self._places[nodeid] for nodeid in unit.waiting])

    def _feed(self, node: Node) -> None:
        """Send a worker its next tests, or shut it down at its last one; until then it can take over other units."""
        if node.shutting_down or node not in self._collected:
            return
        while self._queue and self._pending(node) < LOOKAHEAD:
            self._assign(node)
        if not self._queue and self._pending(node) < LOOKAHEAD:
            node.shutdown()
