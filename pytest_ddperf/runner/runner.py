"""The platforms of a run, one server open at a time. Without pytest."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

from pytest_ddperf.boards.board import Board, marker_path
from pytest_ddperf.runner.platform_run import PlatformRun
from pytest_ddperf.runner.server_health import ServerHealth
from pytest_ddperf.servers.connection import Connection
from pytest_ddperf.servers.target import Target

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from pytest_ddperf.core.networks import Network
    from pytest_ddperf.runner.plan import PlatformPlan


class Runner:
    """Measures and judges cells; opens each platform's server when it is first needed.

    Only one server is open at a time, or one pair: it is closed before another platform is measured. So two runs that
    measure the same servers in opposite order cannot deadlock, and platforms that share a server take turns.

    Args:
        run_id: an id shared by all processes of a run, "" for a single process.
        now: a monotonic clock, seconds, for waiting for vanished servers.

    Attributes:
        platforms: each platform's part of the run, by id.
    """

    def __init__(
        self,
        plans: Mapping[str, PlatformPlan],
        networks: Mapping[str, Network],
        say: Callable[[str], None],
        run_id: str = "",
        *,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        servers = {name: plan.server.identity for name, plan in plans.items()}
        health = {server: ServerHealth(say, now, sleep) for server in servers.values()}
        self.platforms: dict[str, PlatformRun] = {}
        for name, plan in plans.items():
            ours = health[servers[name]]
            board = _create_board(plan, say, marker_path(run_id, name) if run_id else None)
            target = Target(Connection(plan.server, say, board, ours.in_flight, locks=plan.locks))
            reference = None
            if plan.against is not None:
                theirs = ServerHealth(say, now, sleep)
                if plan.is_one_server:
                    theirs.in_flight = ours.in_flight
                under_test = target if plan.is_self else None
                reference = _create_reference(plan.for_reference(), networks, theirs, say, under_test)
            self.platforms[name] = PlatformRun(
                plan, networks, target, health=ours, board=board, say=say, reference=reference
            )
        self._current: PlatformRun | None = None

    def open(self, platform: str) -> PlatformRun:
        """Open a platform's server after closing that of another platform.

        Raises:
            DdperfError: the server cannot be measured, see `PlatformRun.open`.
        """
        run = self.platforms[platform]
        if run is not self._current and run.down is None:
            if self._current is not None:
                self._current.finish()
            self._current = run
        run.open()
        return run

    def close(self) -> None:
        """Close all servers. May be called twice."""
        with contextlib.ExitStack() as stack:  # a failure does not keep the other servers from being closed
            for run in self.platforms.values():
                stack.callback(run.finish)
        self._current = None

    def make_up(self) -> None:
        """Restore the boards of processes that died before they could do so."""
        for run in self.platforms.values():
            run.board.make_up()


def _create_reference(
    plan: PlatformPlan,
    networks: Mapping[str, Network],
    health: ServerHealth,
    say: Callable[[str], None],
    under_test: Target | None,
) -> PlatformRun:
    """Create the part of a reference; its server is locked by the connection of the server under test.

    That server is given if the reference is a second service on it.
    """
    host = None if under_test is None else under_test.connection
    target = Target(Connection(plan.server, say, None, health.in_flight, locks=(), host=host))
    return PlatformRun(plan, networks, target, health=health, board=_create_board(plan, say), say=say)


def _create_board(plan: PlatformPlan, say: Callable[[str], None], marker: Path | None = None) -> Board:
    gpuid = max(plan.server.parameters.gpuid, 0)  # of all GPUs (-1), the first
    return Board(plan.platform, plan.server.display_url, say, gpuid=gpuid, tune=plan.tune, marker=marker)
