"""The platforms of a run, one server open at a time. Without pytest."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

from pytest_ddperf.boards.board import marker_path
from pytest_ddperf.runner.platform_run import PlatformRun
from pytest_ddperf.runner.server_health import ServerHealth

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pytest_ddperf.core.networks import Network
    from pytest_ddperf.runner.plan import PlatformPlan


class Runner:
    """Measures and judges cells; opens each platform's server when it is first needed.

    Only one server is open at a time, or one pair: it is closed before another platform is measured. So two runs that
    measure the same servers in opposite order cannot deadlock, and platforms that share a server take turns.

    Args:
        plans: the platforms, by id.
        networks: the networks, by id.
        say: prints a line for the user.
        run_id: an id shared by all processes of a run, "" for a single process.
        now: a monotonic clock, seconds, for waiting for vanished servers.
        sleep: sleeps for a number of seconds.

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
        self.platforms = {
            name: PlatformRun(plan, networks, health[servers[name]], say, marker_path(run_id, name) if run_id else None)
            for name, plan in plans.items()
        }
        for run in self.platforms.values():
            if run.plan.against is not None:
                run.add_reference(ServerHealth(say, now, sleep))
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
