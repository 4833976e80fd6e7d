"""xdist: one worker a server. Registered only where xdist is; all else works without it."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

import pytest

from pytest_ddperf.errors import ConfigurationError, ServerError
from pytest_ddperf.records import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pytest_ddperf.session import BenchSession


def by_server(
    config: pytest.Config,
    log: Any,  # noqa: ANN401 - xdist's
    scope_of: Callable[[str], str],
    is_done: Callable[[str], bool],
) -> Any:  # noqa: ANN401 - xdist's
    """A scheduler that hands out the cells of a server as one unit, all other tests one by one.

    Args:
        config: of the controller.
        log: xdist's own.
        scope_of: a node id's unit.
        is_done: whether a node id has its verdict, and others of its unit were measured again when their worker died.
    """
    from xdist.scheduler import LoadScopeScheduling  # noqa: PLC0415 - in the controller alone

    class ServerScheduling(LoadScopeScheduling):  # type: ignore[misc] # xdist ships no types
        def _split_scope(self, nodeid: str) -> str:
            return scope_of(nodeid)

        def remove_node(self, node: Any) -> str | None:  # noqa: ANN401 - xdist's
            """What a worker was at when it died is not run again: it has failed, and may kill the next one, too."""
            for unit in self.assigned_work[node].values():
                for nodeid, completed in unit.items():
                    if not completed:
                        unit[nodeid] = True
                        super().remove_node(node)
                        return None if is_done(nodeid) else nodeid
            return super().remove_node(node)  # type: ignore[no-any-return] # xdist ships no types

    return ServerScheduling(config, log)


class LateScheduling:
    """The user's own scheduler until the first collection comes in; by server from then on, if it holds cells.

    The scheduler is chosen before anything is collected, and a run without cells must stay as the user asked for it.

    Args:
        usual: what xdist would have used.
        for_cells: makes the scheduler to use where there are cells.
        has_cells: whether a collection holds any.
    """

    def __init__(
        self,
        usual: Any,  # noqa: ANN401 - xdist's
        for_cells: Callable[[], Any],
        has_cells: Callable[[Sequence[str]], bool],
    ) -> None:
        self._scheduling = usual
        self._for_cells = for_cells
        self._has_cells = has_cells
        self._chosen = False

    def add_node_collection(self, node: Any, collection: Sequence[str]) -> None:  # noqa: ANN401 - xdist's
        """Choose by the first collection, and pass it on."""
        if not self._chosen:
            self._chosen = True
            if self._has_cells(collection):
                usual, self._scheduling = self._scheduling, self._for_cells()
                for known in usual.nodes:
                    self._scheduling.add_node(known)
        self._scheduling.add_node_collection(node, collection)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever xdist asks its scheduler for
        return getattr(self._scheduling, name)


class XdistHooks:
    """The controller's and the workers' hooks.

    Args:
        bench: the session of this process.
    """

    def __init__(self, bench: BenchSession) -> None:
        self._config = config = bench.config
        self._bench = bench
        self._asked = False
        self._only = False
        if self.is_active and config.getoption("benchmark_only", default=False):
            # pytest-benchmark refuses --benchmark-only under xdist, where its own benchmarks cannot run; ours can.
            config.option.benchmark_only = False
            self._only = True

    @property
    def is_active(self) -> bool:
        """Whether tests run in workers."""
        return self._config.getoption("dist", default="no") != "no" or "PYTEST_XDIST_WORKER" in os.environ

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """--benchmark-only under xdist: our cells run, everything else is skipped."""
        from pytest_ddperf.collecting import cell_of, skip  # noqa: PLC0415 - only under xdist

        if self._only:
            for item in items:
                if cell_of(item) is None:
                    skip(item, "Skipping what is no ddperf cell (--benchmark-only with xdist).")

    @pytest.hookimpl(wrapper=True)
    def pytest_xdist_make_scheduler(self, config: pytest.Config, log: Any) -> Any:  # noqa: ANN401 - xdist's
        """Let cells be scheduled by server, whatever --dist says."""
        usual = yield
        return LateScheduling(
            usual,
            lambda: by_server(config, log, self._scope_of, self._is_done),
            lambda ids: any(map(self._platform_of, ids)),
        )

    def _is_done(self, nodeid: str) -> bool:
        """Whether a cell has its verdict while others have not: its worker died at those, within its protocol."""
        outcomes = {name: record.outcome for name, record in self._bench.records.items()}
        return (
            outcomes.get(nodeid, Outcome.REMEASURE) is not Outcome.REMEASURE and Outcome.REMEASURE in outcomes.values()
        )

    def _platform_of(self, nodeid: str) -> str | None:
        """The platform of a cell's node id; None for any other test."""
        for platform in sorted(self._bench.settings.platforms, key=len, reverse=True):
            if re.search(rf"[\[-]{re.escape(platform)}-[\w.]+-b\d+[^\]]*\]$", nodeid):
                return platform
        return None

    def _scope_of(self, nodeid: str) -> str:
        platform = self._platform_of(nodeid)
        return nodeid if platform is None else f"server {self._bench.settings.url(platform)}"

    def pytest_xdist_node_collection_finished(self, ids: Sequence[str]) -> None:
        """Find the servers before the first test, once."""
        if self._asked:
            return
        self._asked = True
        cells = [platform for platform in map(self._platform_of, ids) if platform is not None]
        self._bench.collected = len(cells)
        platforms = list(dict.fromkeys(cells))
        if not platforms:
            return
        if self._config.getoption("dist") == "each":
            raise pytest.UsageError(
                "ddperf: --dist each would let every worker measure the same server; use --dist load."
            )
        from pytest_ddperf.targets import probe  # noqa: PLC0415 - loads the client

        down: list[ServerError] = []
        try:
            self._bench.prepare()
            for platform in platforms:
                try:
                    probe(self._bench.settings.server_options(platform))
                except ServerError as error:
                    down.append(error)
        except ConfigurationError as error:
            raise pytest.UsageError(f"ddperf: {error}") from None
        if down and len(down) == len(platforms):
            raise pytest.UsageError(self._bench.no_server_text(platforms, down))
