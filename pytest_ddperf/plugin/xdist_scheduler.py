"""xdist's scheduler for cells: the unit is the server, so that one worker at a time measures it. Without xdist.

xdist's own schedulers by scope come near, and were left for three reasons: they count all that is pending anew for each
event (10,000 cells take minutes), they run what killed a worker again and again, and they tell every worker to end as
soon as all is handed out, so that nobody is left to take over from one that dies.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NoReturn, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

DEATHS_AT_MOST = 3
"""Workers that may die at one server: the cells that are left then are given up, and the other servers go on."""

LOOKAHEAD = 2
"""A worker starts a test when it knows what follows: it needs that many, or the order to end."""


class Node(Protocol):
    """A worker, as xdist's controller sees it."""

    @property
    def shutting_down(self) -> bool:
        """Whether it was told to end."""
        ...

    def send_runtest_some(self, indices: Sequence[int]) -> None:
        """Queue the tests at these places of its collection."""
        ...

    def shutdown(self) -> None:
        """Tell it to end when its queue is empty."""
        ...


@dataclass(slots=True, eq=False)
class Unit:
    """What one worker runs without another one beside it.

    Args:
        waiting: node ids that have not run, in the order they run.
        deferred: node ids that ran and run again in the same worker, without being handed out again.
        deaths: workers that died at it.
    """

    name: str
    waiting: dict[str, None] = field(default_factory=dict)
    deferred: set[str] = field(default_factory=set)
    deaths: int = 0


class Story(Protocol):
    """What the reports have told of the tests so far."""

    def under_way(self, unit: str) -> str | None:
        """The test of a unit that has begun and not ended."""
        ...

    def is_begun(self, nodeid: str) -> bool:
        """Whether a test has begun."""
        ...

    def is_deferred(self, nodeid: str) -> bool:
        """Whether a test that ran will run again in the same worker."""
        ...


class ServerScheduling:
    """Hands out units, the longest first, and takes them back from workers that die.

    Args:
        workers: how many are expected to collect.
        unit_of: a node id's unit; cells of one server have one, any other test has one to itself.
        story: what is known of the tests.
        weigh: how long a test takes, in whatever unit; None keeps the units in the order of the collection.
        differ: told where two workers did not collect the same.
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
        """By node id of a cell that is not tried any more: how many workers died at its server."""

    @property
    def nodes(self) -> list[Node]:
        """The workers that are there."""
        return list(self._assigned)

    @property
    def collection(self) -> Sequence[str]:
        """All tests, once every worker has collected them."""
        return self._official or ()

    @property
    def collection_is_completed(self) -> bool:
        """Whether every worker of the start has collected."""
        return len(self._collected) >= self._workers

    @property
    def tests_finished(self) -> bool:
        """Whether nothing is left but what the workers are at."""
        return self.collection_is_completed and not self._queue and all(self._pending(node) < 2 for node in self.nodes)

    @property
    def has_pending(self) -> bool:
        """Whether anything is left."""
        return bool(self._queue) or any(self._assigned.values())

    def add_node(self, node: Node) -> None:
        """A worker is there."""
        self._assigned[node] = []

    def add_node_collection(self, node: Node, collection: Sequence[str]) -> None:
        """A worker has collected; one that came later must have found the same."""
        if self._official is not None and list(collection) != self._official:
            first = next(iter(self._collected))
            self._differ(first, self._official, node, collection)
            node.shutdown()
            return
        self._collected[node] = list(collection)

    def schedule(self) -> None:
        """Hand out the first units; called again when a worker came in place of one that died."""
        if self._official is None and not self._make_units():
            return
        for node in self.nodes:  # one each, before any gets a second one
            if self._queue and not self._assigned[node] and not node.shutting_down:
                self._assign(node)
        for node in self.nodes:
            self._feed(node)

    def mark_test_complete(self, node: Node, item_index: int, duration: float = 0) -> None:  # noqa: ARG002 - xdist's
        """A worker has done a test: the next unit in time, so that it does not wait."""
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
        """Run a test again whose worker died at it: plugins that run failed tests again ask for it."""
        name = self._unit_of(item)
        unit = next((one for one in self._queue if one.name == name), None)
        if unit is None:
            unit = Unit(name)
            self._queue.appendleft(unit)
        unit.waiting = {item: None} | unit.waiting
        for node in self.nodes:
            self._feed(node)

    def remove_pending_tests_from_node(self, node: Node, indices: Sequence[int]) -> NoReturn:
        """Not asked of this scheduler: it steals no work."""
        raise NotImplementedError(node, indices)

    def remove_node(self, node: Node) -> str | None:
        """A worker has ended, or died: then its units go to others, without the test that it died at.

        Returns:
            The node id of that test; None where it was at none.

        Raises:
            KeyError: it is not known, or was removed before.
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
        """Take out of a unit what killed its worker, and all of it where too many have died at it."""
        unit.deaths += 1
        crashed = self._story.under_way(unit.name)
        unit.deferred.clear()  # what was measured of them died with it
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
        """Give a worker what follows, or the order to end: at its last test, so that it can take over until then."""
        if node.shutting_down or node not in self._collected:
            return
        while self._queue and self._pending(node) < LOOKAHEAD:
            self._assign(node)
        if not self._queue and self._pending(node) < LOOKAHEAD:
            node.shutdown()
