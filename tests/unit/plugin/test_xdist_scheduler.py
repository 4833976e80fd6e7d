from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_ddperf.plugin.xdist_scheduler import DEATHS_AT_MOST, ServerScheduling

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pytest_ddperf.plugin.xdist_scheduler import Node


@dataclass(eq=False)
class Worker:
    """Runs what is queued, as xdist's workers do: a test only when it knows what follows it."""

    name: str = ""
    queue: list[int] = field(default_factory=list)
    shutting_down: bool = False

    def send_runtest_some(self, indices: Sequence[int]) -> None:
        self.queue += indices

    def shutdown(self) -> None:
        self.shutting_down = True

    @property
    def can_run(self) -> bool:
        return len(self.queue) > 1 or (bool(self.queue) and self.shutting_down)


class Run:
    """A scheduler with its workers; what the reports would tell is kept here."""

    def __init__(
        self, collection: Sequence[str], workers: int, weigh: Callable[[str], float] | None = lambda _: 1.0
    ) -> None:
        self.collection = list(collection)
        self.begun: list[tuple[str, str]] = []
        self.done: list[str] = []
        self.crashed: list[str | None] = []
        self.differing: list[tuple[Node, Node]] = []
        self.at: dict[str, str] = {}
        self.deferred: set[str] = set()
        self.scheduling = ServerScheduling(
            workers,
            unit_of=unit_of,
            story=self,
            weigh=weigh,
            differ=lambda one, _, other, __: self.differing.append((one, other)),
        )
        self.workers: list[Worker] = []
        for number in range(workers):
            self.join(f"gw{number}")

    def join(self, name: str) -> Worker:
        worker = Worker(name)
        self.workers.append(worker)
        self.scheduling.add_node(worker)
        self.scheduling.add_node_collection(worker, self.collection)
        if self.scheduling.collection_is_completed:
            self.scheduling.schedule()
        return worker

    def under_way(self, unit: str) -> str | None:
        return self.at.pop(unit, None)

    def is_begun(self, nodeid: str) -> bool:
        return nodeid in [name for _, name in self.begun]

    def is_deferred(self, nodeid: str) -> bool:
        return nodeid in self.deferred

    def begin(self, worker: Worker) -> str:
        nodeid = self.collection[worker.queue[0]]
        self.begun.append((worker.name, nodeid))
        self.at[unit_of(nodeid)] = nodeid
        return nodeid

    def end(self, worker: Worker) -> None:
        place = worker.queue.pop(0)
        nodeid = self.collection[place]
        self.at.pop(unit_of(nodeid), None)
        self.done.append(nodeid)
        self.scheduling.mark_test_complete(worker, place, 0.0)

    def die(self, worker: Worker) -> None:
        self.workers.remove(worker)
        self.crashed.append(self.scheduling.remove_node(worker))

    def shut_down_at_the_end(self) -> None:
        """As xdist's session does after each event."""
        if self.scheduling.tests_finished:
            for worker in self.workers:
                worker.shutdown()

    def to_the_end(self) -> None:
        while True:
            self.shut_down_at_the_end()
            ready = [worker for worker in self.workers if worker.can_run]
            if not ready:
                return
            for worker in ready:
                self.begin(worker)
            for worker in ready:
                self.end(worker)

    def by_worker(self, unit: str) -> set[str]:
        return {worker for worker, nodeid in self.begun if unit_of(nodeid) == unit}


def unit_of(nodeid: str) -> str:
    return nodeid[0]


def cells(**counts: int) -> list[str]:
    return [f"{unit}{number}" for unit, count in counts.items() for number in range(count)]


def test_a_unit_goes_to_one_worker() -> None:
    run = Run(cells(a=5, b=5, c=5), 3)
    run.to_the_end()
    assert sorted(run.done) == cells(a=5, b=5, c=5)
    assert [len(run.by_worker(unit)) for unit in "abc"] == [1, 1, 1]
    assert len({worker for worker, _ in run.begun}) == 3


def test_its_tests_run_in_the_order_of_the_collection() -> None:
    run = Run(["a2", "b1", "a1", "b0"], 2)
    run.to_the_end()
    assert [one for one in run.done if one[0] == "a"] == ["a2", "a1"]


def test_fewer_workers_than_units_queue_them() -> None:
    run = Run(cells(a=3, b=3, c=3, d=3), 2)
    run.to_the_end()
    assert sorted(run.done) == cells(a=3, b=3, c=3, d=3)
    assert all(len(run.by_worker(unit)) == 1 for unit in "abcd")


def test_workers_without_a_unit_are_asked_to_end() -> None:
    run = Run(cells(a=3), 3)
    assert [worker.shutting_down for worker in run.workers] == [False, True, True]


def test_each_worker_gets_a_unit_before_any_gets_two() -> None:
    run = Run(cells(a=1, b=1, c=1), 2)
    assert [worker.queue for worker in run.workers] == [[0, 2], [1]]


def test_the_longest_units_come_first() -> None:
    weights = {"a": 1.0, "b": 5.0, "c": 2.0}
    run = Run(cells(a=4, b=1, c=4), 1, weigh=lambda nodeid: weights[nodeid[0]])
    run.to_the_end()
    assert list(dict.fromkeys(one[0] for one in run.done)) == ["c", "b", "a"]


def test_without_weights_they_keep_the_order_of_the_collection() -> None:
    run = Run(cells(b=1, a=4), 1, weigh=None)
    run.to_the_end()
    assert run.done[0] == "b0"


def test_a_worker_starts_a_unit_s_last_test_without_waiting_for_the_other_workers() -> None:
    run = Run(cells(a=1, b=9), 2)
    one = next(worker for worker in run.workers if worker.queue == [0])
    assert one.can_run


def test_what_a_dead_worker_was_at_is_reported_and_not_run_again() -> None:
    run = Run(cells(a=4), 1)
    (worker,) = run.workers
    run.begin(worker)
    run.end(worker)
    run.begin(worker)
    run.die(worker)
    assert run.crashed == ["a1"]
    run.join("gw1")
    run.to_the_end()
    assert run.done == ["a0", "a2", "a3"]


def test_a_deferred_test_is_the_one_that_is_reported_when_its_worker_dies_at_it() -> None:
    run = Run(cells(a=2), 1)
    (worker,) = run.workers
    run.deferred.add("a0")
    run.to_the_end()
    assert run.scheduling.has_pending
    run.at["a"] = "a0"
    run.die(worker)
    assert run.crashed == ["a0"]
    assert not run.scheduling.has_pending


def test_a_deferred_test_is_not_handed_out_again_and_keeps_no_worker_waiting() -> None:
    run = Run(cells(a=3), 1)
    (worker,) = run.workers
    run.deferred |= {"a0", "a1", "a2"}
    run.to_the_end()
    assert [nodeid for _, nodeid in run.begun] == cells(a=3)
    assert worker.shutting_down


def test_a_deferred_test_is_done_when_it_is_decided() -> None:
    run = Run(cells(a=2), 1)
    (worker,) = run.workers
    run.deferred.add("a0")
    run.to_the_end()
    run.scheduling.mark_test_complete(worker, 0)  # still undecided
    assert run.scheduling.has_pending
    run.deferred.clear()
    run.scheduling.mark_test_complete(worker, 0)
    assert not run.scheduling.has_pending


@pytest.mark.parametrize("left", [0, 2], ids=["the last of its unit", "before others"])
def test_what_killed_a_worker_runs_again_where_another_plugin_asks_for_it(left: int) -> None:
    run = Run(cells(a=1 + left, b=1), 1)
    (worker,) = run.workers
    run.begin(worker)
    run.die(worker)
    (crashed,) = run.crashed
    assert crashed is not None
    run.begun.clear()
    run.scheduling.mark_test_pending(crashed)
    run.join("gw1")
    run.to_the_end()
    assert sorted(run.done) == cells(a=1 + left, b=1)


def test_a_worker_that_dies_between_two_tests_loses_none() -> None:
    run = Run(cells(a=3), 1)
    (worker,) = run.workers
    run.begin(worker)
    run.end(worker)
    run.die(worker)
    assert run.crashed == [None]
    run.join("gw1")
    run.to_the_end()
    assert run.done == ["a0", "a1", "a2"]


def test_another_worker_takes_over_while_it_is_there() -> None:
    run = Run(cells(a=3, b=9), 2)
    first, second = run.workers
    assert run.collection[first.queue[0]] == "b0"
    run.begin(second)
    run.die(second)
    run.to_the_end()
    assert run.crashed == ["a0"]
    assert run.by_worker("a") == {"gw0", "gw1"}
    assert sorted(run.done) == sorted(set(run.collection) - {"a0"})


def test_a_unit_that_kills_its_workers_is_given_up_and_the_others_go_on() -> None:
    run = Run(cells(a=9, b=5), 1)
    for number in range(DEATHS_AT_MOST):
        worker = run.workers[0]
        run.begin(worker)
        run.die(worker)
        run.join(f"gw{number + 1}")
    run.to_the_end()
    assert run.crashed == ["a0", "a1", "a2"]
    assert run.scheduling.given_up == dict.fromkeys([f"a{number}" for number in range(3, 9)], 3)
    assert run.done == cells(b=5)


def test_a_worker_that_ends_by_itself_is_no_crash() -> None:
    run = Run(cells(a=2), 1)
    run.to_the_end()
    run.die(run.workers[0])
    assert run.crashed == [None]


def test_one_that_is_not_known_is_reported_by_a_key_error() -> None:
    with pytest.raises(KeyError):
        Run(cells(a=2), 1).scheduling.remove_node(Worker())


def test_workers_that_do_not_agree_run_nothing() -> None:
    run = Run([], 2)
    run.scheduling = ServerScheduling(
        2, unit_of=unit_of, story=run, weigh=None, differ=lambda one, _, other, __: run.differing.append((one, other))
    )
    one, other = Worker(), Worker()
    for worker, ids in ((one, ["a0"]), (other, ["a1"])):
        run.scheduling.add_node(worker)
        run.scheduling.add_node_collection(worker, ids)
    run.scheduling.schedule()
    assert run.differing == [(one, other)]
    assert run.scheduling.tests_finished
    assert one.queue == other.queue == []


def test_a_late_worker_that_does_not_agree_is_asked_to_end() -> None:
    run = Run(cells(a=4), 1)
    late = Worker()
    run.scheduling.add_node(late)
    run.scheduling.add_node_collection(late, ["a0"])
    run.scheduling.schedule()
    assert late.shutting_down
    assert late.queue == []


@given(
    st.lists(st.sampled_from("abcd"), min_size=1, max_size=12),
    st.integers(1, 5),
    st.lists(st.tuples(st.integers(0, 4), st.booleans()), max_size=60),
)
def test_whatever_dies_each_test_ends_once_and_no_unit_has_two_workers(
    units: list[str], workers: int, events: list[tuple[int, bool]]
) -> None:
    run = Run([f"{unit}{number}" for number, unit in enumerate(units)], workers)
    running: dict[Worker, str] = {}
    for number, dies in events:
        run.shut_down_at_the_end()
        if not run.workers:
            break
        worker = run.workers[number % len(run.workers)]
        if dies and worker.queue:
            running.pop(worker, None)
            run.die(worker)
            run.join(f"later{len(run.begun)}")
        elif worker in running:
            del running[worker]
            run.end(worker)
        elif worker.can_run:
            running[worker] = run.begin(worker)
            assert len({unit_of(nodeid) for nodeid in running.values()}) == len(running)
    for worker in list(running):
        run.end(worker)
    run.to_the_end()
    reported = [*run.done, *(one for one in run.crashed if one is not None), *run.scheduling.given_up]
    assert sorted(reported) == sorted(run.collection)
    assert not run.scheduling.has_pending
