"""Checks before the first test: the history, the baselines, the options and the servers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_ddperf.config.resolve import check_services
from pytest_ddperf.errors import ConfigurationError, DdperfError, HookError, ServerError, ServerLockedError
from pytest_ddperf.history.writer import check_writable
from pytest_ddperf.plugin.baseline_update import check_updates
from pytest_ddperf.plugin.outputs import read_trends
from pytest_ddperf.plugin.sigterm import treat_as_interrupt
from pytest_ddperf.report.benchmark_json import MEASURING_OPTIONS, list_given
from pytest_ddperf.servers.probe import probe_all
from pytest_ddperf.servers.services import check_parameters

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_ddperf.core.networks import Network
    from pytest_ddperf.core.records import CellKey
    from pytest_ddperf.plugin.session import BenchSession


def prepare_run(bench: BenchSession, cells: Sequence[CellKey], *, opens: bool) -> None:
    """Check everything before the first test, and handle SIGTERM from now on.

    Args:
        bench: the session of the process that the user started.
        cells: the cells to measure.
        opens: whether this process measures; then the server is opened if there is only one platform. Several servers
            are only probed: each is opened when its cells are measured. If some of them are down, their cells get the
            verdict `error`.

    Raises:
        pytest.UsageError: the options do not fit the server, the history or a baseline to record cannot be written, a
            baseline cannot be read, or all servers are down; exit status 4.
    """
    bench.config.add_cleanup(treat_as_interrupt())
    if ignored := list_given(MEASURING_OPTIONS, bench.config.invocation_params.args):
        bench.warnings.append(
            f"pytest-benchmark's {', '.join(ignored)} had no effect on ddperf cells; use --ddperf-npasses, "
            "--ddperf-max-passes, --ddperf-warmup and --ddperf-timer."
        )
    settings = bench.settings
    try:
        check_services(settings, cells)
        check_writable(settings.storage_dir)
        check_updates(bench, cells)
        bench.warnings += [
            f"{' and '.join(names)} use the same server, {server}; they are measured one after the other."
            for server, names in settings.shared_servers().items()
        ]
        bench.warnings += _list_unchecked_percentiles(bench, cells)
        read_trends(bench)
        _check_servers(bench, cells, opens=opens)
    except ConfigurationError as error:
        raise pytest.UsageError(f"ddperf: {error}") from None


def _list_unchecked_percentiles(bench: BenchSession, cells: Sequence[CellKey]) -> list[str]:
    """Warn of each platform of which budgets limit percentiles, but no cell is measured under load."""
    no_load = "no cell is measured under load; add --ddperf-concurrency=N or --ddperf-rate=R."
    in_pairs = "--ddperf-against compares single requests; omit it to check them under load."
    return [
        f"The budgets of {platform} limit percentiles, which are not checked, because "
        f"{no_load if bench.settings.reference_url(platform) is None else in_pairs}"
        for platform in sorted(bench.cells.limited_percentiles - {key.platform for key in cells if key.scenario})
    ]


def _check_servers(bench: BenchSession, cells: Sequence[CellKey], *, opens: bool) -> None:
    runner, known = bench.runner, bench.settings.catalog.networks
    networks: dict[str, list[Network]] = {}
    for platform, model in dict.fromkeys((key.platform, key.model) for key in cells):
        networks.setdefault(platform, []).append(known[model])
    platforms = list(networks)
    if opens and len(platforms) == 1:
        try:
            run = runner.open(platforms[0])
            for one in (run,) if run.reference is None else (run, run.reference):
                one.open()
                check_parameters(one.plan.server, networks[platforms[0]], one.target.info)
        except HookError as error:  # each of its cells then fails with this error
            bench.say(f"ddperf: {platforms[0]}: {error}")
        except ServerError as error:
            raise _no_server(bench, {platforms[0]: error}) from None
        return
    runs = {name: runner.platforms[name] for name in platforms}
    for name, run in list(runs.items()):
        if run.reference is not None and not run.plan.is_self:
            runs[f"reference of {name}"] = run.reference
            networks[f"reference of {name}"] = networks[name]
    down = probe_all({name: run.plan.server for name, run in runs.items()}, bench.say, networks)
    if all(name in down or f"reference of {name}" in down for name in platforms):
        raise _no_server(bench, down)
    for name, problem in down.items():
        runs[name].down = problem


def _no_server(bench: BenchSession, down: Mapping[str, DdperfError]) -> Exception:
    """Return the error that ends the run; its exit status is 4, or that of --ddperf-infra-exit-code."""
    causes = " ".join(f"{platform}: {str(error).rstrip('.')}." for platform, error in down.items())
    text = f"ddperf: no server to measure. {causes}"
    if not all(isinstance(error, ServerLockedError) for error in down.values()):  # they say what to do
        text += (
            " Start it, use another one with --ddperf-url=URL, wait for it with --ddperf-wait=SECONDS, or run on this "
            "machine with --ddperf-url=embedded."
        )
    code = bench.settings.value("infra-exit-code")
    return pytest.UsageError(text) if code is None else pytest.exit.Exception(text, returncode=code)
