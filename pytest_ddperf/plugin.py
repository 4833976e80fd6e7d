"""pytest's hooks, thin: what they do stands in `collecting`, `session`, `runner`, `terminal` and `benchmark_json`.

Every pytest run on the machine loads this module, so it imports nothing that such a run does not need.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, NoReturn

import pytest

from pytest_ddperf import collecting
from pytest_ddperf.collecting import FIXTURE, MARKER_HELP, cell_of
from pytest_ddperf.errors import ConfigurationError, DdperfError, ServiceNotFoundError
from pytest_ddperf.options import register, spell_out_bare
from pytest_ddperf.records import FAILING, CellRecord, Outcome
from pytest_ddperf.session import REFUSED, SESSION_KEY, BenchSession, put_record, record_of

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from pytest_ddperf.fixture import Bench
    from pytest_ddperf.records import CellKey

RECORD_KEY = pytest.StashKey[CellRecord]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options and ini keys."""
    register(parser)


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config, parser: pytest.Parser, args: list[str]) -> None:
    """Keep options that may stand bare from swallowing the path behind them."""
    if spell_out_bare(args):
        early_config.known_args_namespace = parser.parse_known_args(args, namespace=copy.copy(early_config.option))


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Refuse wrong options at once; load nothing where none was given."""
    config.addinivalue_line("markers", MARKER_HELP)
    try:
        session = BenchSession(config)
        config.stash[SESSION_KEY] = session
        if session.given:
            _ = session.settings
    except ConfigurationError as error:
        raise pytest.UsageError(f"ddperf: {error}") from None
    config.add_cleanup(session.close)
    if not session.is_worker:
        from pytest_ddperf.keeping import Keeper, SessionEnd  # noqa: PLC0415 - a worker keeps nothing

        keeper = Keeper(session)
        config.pluginmanager.register(keeper, "ddperf-keeper")
        config.pluginmanager.register(SessionEnd(keeper), "ddperf-end")
    if config.pluginmanager.has_plugin("xdist"):
        from pytest_ddperf.distributed import XdistHooks  # noqa: PLC0415 - xdist may be absent or blocked

        config.pluginmanager.register(XdistHooks(config), "ddperf-xdist")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Parametrise tests that use the `ddperf` fixture."""
    if "ddperf" not in metafunc.fixturenames:
        return
    try:
        collecting.parametrise(metafunc, metafunc.config.stash[SESSION_KEY].settings)
    except ConfigurationError as error:
        # The controller makes a usage error of it, where it comes in as a report: here pytest would go on collecting.
        raise pytest.Collector.CollectError(f"{REFUSED}{error}") from None


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> Generator[None, None, None]:
    """Put the cells in measuring order; make pytest-benchmark's selecting options hold for them."""
    yield
    gated = [item for item in items if cell_of(item) is not None]
    if not gated:
        return
    only = config.getoption("benchmark_only", default=False)
    for item in gated:
        if only:
            collecting.unskip_benchmark_only(item)
        elif config.getoption("benchmark_skip", default=False):
            collecting.skip(item, "--benchmark-skip")
    items[:] = collecting.in_measuring_order(items, config.stash[SESSION_KEY].settings)


def pytest_deselected(items: Sequence[pytest.Item]) -> None:
    """Count what a full run would have measured."""
    for item in items:
        if cell_of(item) is not None:
            item.config.stash[SESSION_KEY].deselected += 1


def pytest_collection_finish(session: pytest.Session) -> None:
    """Find the servers before the first test."""
    config = session.config
    bench = config.stash[SESSION_KEY]
    gated = [item for item in session.items if cell_of(item) is not None]
    runnable = [item for item in gated if not any(item.iter_markers("skip"))]
    if not runnable or bench.is_worker or bench.refused or config.option.collectonly:
        return
    collecting.warn_of_ignored_options(config)
    platforms = list(dict.fromkeys(key.platform for item in runnable if (key := cell_of(item))))
    try:
        bench.check_servers(platforms)
    except ConfigurationError as error:
        raise pytest.UsageError(f"ddperf: {error}") from None


@pytest.fixture
def ddperf(request: pytest.FixtureRequest) -> Bench:
    """One cell of the matrix platform x model x batch size; `ddperf.measure()` times it."""
    from pytest_ddperf.fixture import Bench  # noqa: PLC0415 - only with gated tests

    bench = request.config.stash[SESSION_KEY]
    key = request.param
    marked = bench.runner.marked_unavailable(key)
    if marked is not None and not bench.settings.value("run-unavailable"):
        # The reason is the same for all cells of a platform, so that pytest folds them into one line.
        reason = f"the baseline of {key.platform} marks the cell x, not measurable there"
        record = bench.runner.unavailable(key, request.node.nodeid, f"{reason} ({marked.source})")
        request.node.stash[RECORD_KEY] = record
        pytest.skip(f"{reason}; --ddperf-run-unavailable runs it all the same")
    return Bench(key, bench)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Judge the cell when its test has ended, in the call phase: JUnit, -x, --lf and strict xfail see the verdict."""
    cell: Bench | None = getattr(item, "funcargs", {}).get("ddperf")
    if cell is None or item.get_closest_marker("skip"):
        return (yield)
    bench = item.config.stash[SESSION_KEY]
    try:
        result = yield
    except DdperfError as error:
        _raise_error(bench, item, cell.key, error)
    except BaseException:
        if cell.measurement is not None:  # the test's own failure; what was measured counts all the same
            item.stash[RECORD_KEY] = bench.runner.judge(cell.measurement, item.nodeid)
        raise
    if cell.measurement is not None:
        record = bench.runner.judge(cell.measurement, item.nodeid)
        item.stash[RECORD_KEY] = record
        _raise_verdict(bench, record)
    elif not cell.predicted:
        pytest.fail(f"{cell.key}: the test uses `ddperf` and measured nothing; call ddperf.measure().", pytrace=False)
    return result


def _raise_error(bench: BenchSession, item: pytest.Item, key: CellKey, error: DdperfError) -> NoReturn:
    if isinstance(error, ServiceNotFoundError) and bench.settings.value("missing-service") == "skip":
        item.stash[RECORD_KEY] = bench.runner.unavailable(key, item.nodeid, str(error))
        raise pytest.skip.Exception(str(error), _use_item_location=True)
    record = bench.runner.failed(key, item.nodeid, error)
    item.stash[RECORD_KEY] = record
    pytest.fail(record.reason, pytrace=False)


def _raise_verdict(bench: BenchSession, record: CellRecord) -> None:
    from pytest_ddperf.terminal import regression_text  # noqa: PLC0415 - only with gated tests

    if record.outcome is Outcome.REGRESSED and record.baseline is not None:
        if bench.settings.value("update-baselines") != "all":
            pytest.fail(regression_text(record, record.baseline), pytrace=False)
    elif record.outcome in FAILING:
        pytest.fail(record.reason, pytrace=False)
    elif record.outcome is Outcome.NEW and bench.settings.value("require-baseline"):
        pytest.fail(
            f"{record.key} has no baseline ({'; '.join(record.notes) or record.reason}), and --ddperf-require-baseline "
            "asks for one. Record it with --ddperf-update-baselines.",
            pytrace=False,
        )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Send the record with the report of the phase that made it."""
    report = yield
    if FIXTURE in getattr(item, "fixturenames", ()):
        ended = report.when == "call" or (report.when == "setup" and report.skipped)
        put_record(report, item.stash.get(RECORD_KEY, None) if ended else None)
    return report


@pytest.hookimpl(tryfirst=True)
def pytest_report_teststatus(
    report: pytest.TestReport,
) -> tuple[str, str, str] | None:
    """`PASSED 88.7 ms/img -1.7 %` in the verbose run."""
    record = record_of(report) if report.when == "call" else None
    if record is None or report.skipped or hasattr(report, "wasxfail"):
        return None
    from pytest_ddperf.terminal import verdict_text  # noqa: PLC0415 - only with gated tests

    letter, word = (".", "PASSED") if report.passed else ("F", "FAILED")
    return report.outcome, letter, f"{word} {verdict_text(record)}"
