from __future__ import annotations

import threading

from pytest_ddperf.core.platform import Platform
from pytest_ddperf.servers.state import ServerState, query_servers


def test_servers_are_asked_side_by_side() -> None:
    platforms = [Platform(name, name) for name in ("a", "b", "c")]
    all_there = threading.Barrier(len(platforms), timeout=30)

    def meet(platform: Platform) -> ServerState:
        all_there.wait()
        return ServerState(True, platform.id)

    assert [state.text for state in query_servers(platforms, meet)] == ["a", "b", "c"]


def test_one_that_does_not_come_to_an_end_is_down() -> None:
    never = threading.Event()
    states = query_servers([Platform("a", "A")], lambda _: ServerState(never.wait(), ""), timeout_s=0.05)
    assert [state.up for state in states] == [False]
    never.set()
