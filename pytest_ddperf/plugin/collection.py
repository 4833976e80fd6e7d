"""Collection of gated tests: the marker, the parametrisation with cells, and the measuring order."""

from __future__ import annotations

import warnings
from itertools import chain
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from pytest_ddperf.config.options import BY_NAME, FIXTURE
from pytest_ddperf.core.budgets import BUDGET_KEYS, PERCENTILE_KEYS, Budget
from pytest_ddperf.core.catalog import build_matrix
from pytest_ddperf.core.limits import BUDGET
from pytest_ddperf.core.records import CellKey
from pytest_ddperf.core.scenarios import Scenario, list_scenario_ids
from pytest_ddperf.errors import ConfigurationError
from pytest_ddperf.gate.noise import MAX_ROUNDS
from pytest_ddperf.measure.gc_pause import collect_rarely

V = TypeVar("V")

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pytest_ddperf.config.settings import Settings
    from pytest_ddperf.plugin.session import BenchSession

REFUSED = "ddperf_refused"
"""On the report of a failed collection: the user's configuration or marker is wrong, which is a usage error."""


class RefusedError(pytest.Collector.CollectError):
    """A test cannot be collected, because the user's configuration or marker is wrong."""


MARKER = "ddperf"
MARKER_KEYS = ("models", "batch_sizes", "platforms", "concurrency", "rate", *BUDGET_KEYS)


def get_cell(item: pytest.Item) -> CellKey | None:
    """Return the cell that a test measures, or None if the test is not gated."""
    callspec = getattr(item, "callspec", None)
    key = callspec.params.get(FIXTURE) if callspec is not None else None
    return key if isinstance(key, CellKey) else None


def parametrise(metafunc: pytest.Metafunc, bench: BenchSession) -> None:
    """Parametrise a test with its cells: platform by platform, model by model, batch sizes ascending.

    Raises:
        RefusedError: a setting is wrong, or the marker has an unknown key or an invalid value. A usage error raised
            here would not stop the collection.
    """
    try:
        cells = select_cells(bench.settings, read_restrictions(metafunc.definition))
    except ConfigurationError as error:
        raise RefusedError(f"ddperf: {error}") from None
    if not cells:
        none = pytest.mark.skip(reason="no cell matches the options and the test's marker")
        metafunc.parametrize(FIXTURE, [pytest.param(None, marks=none, id="no-cell")], indirect=True)
        return
    if not bench.cells.of_test:
        bench.config.add_cleanup(collect_rarely())
    bench.cells.of_test[metafunc.definition.nodeid] = cells
    metafunc.parametrize(FIXTURE, cells, ids=[str(key) for key in cells], indirect=True)


def read_restrictions(node: pytest.Item) -> dict[str, tuple[Any, ...]]:
    """Return the restrictions from the markers of a test, without budgets; the nearest marker with a key wins.

    Raises:
        ConfigurationError: a key of the marker is unknown, its value is not a list, or a name is not a string.
    """
    found: dict[str, tuple[Any, ...]] = {}
    for marker in node.iter_markers(MARKER):
        unknown = [key for key in marker.kwargs if key not in MARKER_KEYS]
        if marker.args or unknown:
            raise ConfigurationError(
                f"{node.nodeid}: @pytest.mark.{MARKER} takes {', '.join(MARKER_KEYS)} as keyword arguments, not "
                f"{', '.join(unknown) or 'positional ones'}."
            )
        for key, value in marker.kwargs.items():
            if key in BUDGET_KEYS:
                continue
            if isinstance(value, (str, bytes)) or not hasattr(value, "__iter__"):
                raise ConfigurationError(
                    f"{node.nodeid}: @pytest.mark.{MARKER}({key}=...) takes a list, such as [{value!r}], not {value!r}."
                )
            found.setdefault(key, tuple(value))
            if key in {"models", "platforms"} and not all(isinstance(name, str) for name in found[key]):
                raise ConfigurationError(f"{node.nodeid}: @pytest.mark.{MARKER}({key}=...) takes names, not {value!r}.")
    return found


def read_budget(node: pytest.Item) -> Budget:
    """Return the limits from the markers of a test; the nearest marker with a key wins.

    Raises:
        ConfigurationError: a limit is not a number above 0.
    """
    found: dict[str, float] = {}
    for marker in node.iter_markers(MARKER):
        for key in BUDGET_KEYS & marker.kwargs.keys():
            value = marker.kwargs[key]
            try:
                limit = BUDGET.convert(value if isinstance(value, (int, float)) and value is not True else 0)
            except ValueError as error:
                message = f"{node.nodeid}: @pytest.mark.{MARKER}({key}={value!r}): expected {error}."
                raise ConfigurationError(message) from None
            found.setdefault(key, limit)
    return Budget(**found)


def list_cells_of_test(bench: BenchSession, item: pytest.Item) -> Sequence[CellKey]:
    """List all cells of an item's test function, also those that are not selected."""
    parent, name = item.parent, getattr(item, "originalname", None)
    return bench.cells.of_test.get(f"{'' if parent is None else parent.nodeid}::{name}", ())


def check_budget(settings: Settings, key: CellKey, cells: Iterable[CellKey], node: pytest.Item) -> Budget:
    """Check the budget of a cell before anything is measured, and return it.

    Markers of a single parameter, and those that a conftest.py adds, exist only on the item.

    Args:
        settings: the settings of the run.
        key: the cell.
        cells: all cells of its test function.
        node: the item that measures the cell.

    Raises:
        ConfigurationError: a marker has an unknown key, a limit of it is not a number above 0 or applies to none of the
            cells, or --ddperf-load-requests is too small for the limit of a percentile.
    """
    read_restrictions(node)
    marked = read_budget(node)
    for name, value in marked.limits():
        applies = any(getattr(marked.of_cell(one), name) for one in chain((key,), cells))  # mostly to the first one
        if not applies and not any(settings.reference_url(one.platform) for one in cells):
            needs = (
                "under load, and the test has no such cell; add concurrency=[N] or rate=[R] to the marker, or "
                "--ddperf-concurrency=N"
                if name in PERCENTILE_KEYS
                else "if the rate of the requests is not given; use max_latency_ms, p95_ms or p99_ms"
            )
            raise ConfigurationError(f"{node.nodeid}: @pytest.mark.{MARKER}({name}={value:g}) applies only {needs}.")
    passes, budget = settings.value("npasses"), settings.budget(key.platform, key.model, marked)
    needed, scenario = budget.requests_needed, Scenario.parse(key.scenario)
    if not needed or scenario is None:
        return budget
    asked, rounds = settings.value("load-requests", key.platform), 1 if scenario.clients else MAX_ROUNDS
    requests = scenario.requests(asked, needed, passes)
    enough = -(-needed // (rounds * passes * (scenario.clients or 1)))
    if requests < enough:
        where = f"a round of {passes} passes" if rounds == 1 else f"{rounds} rounds of {passes} passes"
        of_each = " of each client, or no such option" if scenario.clients else ""
        raise ConfigurationError(
            f"--ddperf-load-requests={requests}{' (the default)' if asked is None else ''} is too small for the budget "
            f"of {key}: its highest percentile needs {needed} requests in {where}. Expected "
            f"--ddperf-load-requests={enough} or more{of_each}."
        )
    return budget


def select_cells(settings: Settings, restricted: dict[str, tuple[Any, ...]]) -> list[CellKey]:
    """Return the cells of a test: those selected by the options, restricted by the test's marker.

    A marker may name models and batch sizes that are not in the platform's own table. Models and batch sizes given as
    options narrow it further. A marker with `concurrency` or `rate` replaces the loads of the options: the test then
    has only cells under these loads, and none on a platform that is measured in pairs.

    Raises:
        ConfigurationError: the marker names an unknown model or platform, or an invalid batch size or load.
    """
    catalog = settings.catalog
    only_platforms = {catalog.platform(name).id for name in restricted.get("platforms", ())}
    models = tuple(dict.fromkeys(catalog.model(name).id for name in restricted.get("models", ())))
    batch_sizes = tuple(sorted({_batch_size(size) for size in restricted.get("batch_sizes", ())}))
    loads = _loads(restricted)
    cells: list[CellKey] = []
    for platform in settings.platforms:
        if (only_platforms and platform not in only_platforms) or (loads and settings.reference_url(platform)):
            continue
        sizes = settings.batch_sizes(platform)
        narrowed = any(settings.was_given(name) for name in ("batch-sizes", "max-batch-size", "batch-schedule"))
        cells += build_matrix(
            platform,
            _within(settings.models(platform), models, given=settings.was_given("models")),
            _within(sizes, batch_sizes, given=narrowed),
            loads or settings.scenarios(platform),
        )
    return cells


def _loads(restricted: dict[str, tuple[Any, ...]]) -> tuple[str, ...]:
    """Return the scenario ids of the loads that a marker names; empty if it names none."""
    found: dict[str, Any] = {"concurrency": (), "rate": ()}
    for key in found.keys() & restricted.keys():
        text = ",".join(map(str, restricted[key]))
        try:
            found[key] = BY_NAME[key].type.parse(text)
        except ValueError as error:
            named = list(restricted[key])
            message = f"@pytest.mark.{MARKER}({key}=...): {named!r} is not a load; expected {error}."
            raise ConfigurationError(message) from None
    return list_scenario_ids(found["concurrency"], found["rate"])


def _within(asked: Sequence[V], marked: Sequence[V], *, given: bool) -> Sequence[V]:
    if not marked:
        return asked
    return [each for each in marked if each in asked] if given else marked


def _batch_size(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ConfigurationError(
            f"@pytest.mark.{MARKER}(batch_sizes=...): {value!r} is not a batch size; expected 1 or more."
        )
    return value


def sort_for_measuring(items: Iterable[pytest.Item], settings: Settings) -> list[pytest.Item]:
    """Return the items with cells grouped by platform and then by model, so that each service is created only once.

    Tests that measure nothing keep their positions. Cells of the same model keep their order.
    """
    ordered = list(items)
    gated = [(place, key) for place, item in enumerate(ordered) if (key := get_cell(item)) is not None]
    platforms = {name: index for index, name in enumerate(settings.platforms)}
    models = {name: index for index, name in enumerate(settings.catalog.networks)}

    def rank(cell: tuple[int, CellKey]) -> tuple[int, int]:
        _, key = cell
        return platforms.get(key.platform, len(platforms)), models.get(key.model, len(models))

    measured = [ordered[place] for place, _ in sorted(gated, key=rank)]
    for (place, _), item in zip(gated, measured, strict=True):
        ordered[place] = item
    return ordered


def unskip_benchmark_only(item: pytest.Item) -> None:
    """Remove the skip mark that --benchmark-only adds to tests without a `benchmark` fixture: cells are benchmarks."""
    item.own_markers[:] = [
        mark
        for mark in item.own_markers
        if not (mark.name == "skip" and "--benchmark-only" in str(mark.kwargs.get("reason")))
    ]


def warn(item: pytest.Item, text: str) -> None:
    """Issue a pytest warning on a test, which stays a warning even if the user's filters turn warnings into errors.

    Only the verdict decides whether the test fails. A warning that the filters ignore stays ignored.
    """
    warning = pytest.PytestWarning(f"ddperf: {text}")
    try:
        item.warn(warning)
    except pytest.PytestWarning:
        with warnings.catch_warnings():
            warnings.simplefilter("always", pytest.PytestWarning)
            item.warn(warning)
