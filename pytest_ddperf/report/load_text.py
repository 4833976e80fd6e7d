"""Format cells under load: lines for the terminal and columns for reports. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_ddperf.core.load_summary import compute_images_per_second
from pytest_ddperf.core.percentiles import PERCENTS
from pytest_ddperf.core.records import Outcome
from pytest_ddperf.core.results import format_decided
from pytest_ddperf.core.scenarios import describe_scenario, format_rate
from pytest_ddperf.report.phrases import format_decision, style_of, wrap_text
from pytest_ddperf.text import format_ms

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pytest_ddperf.core.load_summary import LoadSummary
    from pytest_ddperf.core.percentiles import Percentile
    from pytest_ddperf.core.results import Result
    from pytest_ddperf.report.phrases import Line

TITLE = "under load"
RULE = (
    "More than one client measures queueing, not the network: latencies are per request, including waiting, by the "
    "client's clock."
)
TABLE_RULE = f"{RULE} In brackets: 95 % confidence interval. A percentile that needs more requests is empty."
COLUMNS = (
    "cell", "verdict", "change", "images/s", "answered/s", "requests", *(f"p{percent}, ms" for percent in PERCENTS),
)  # fmt: skip
"""Headings of the table in reports; each percentile is shown with its 95 % confidence interval."""


def format_percentile(one: Percentile) -> str:
    """Format a percentile and its confidence interval, milliseconds: `52.1 (51.8 to 53)`."""
    return f"{format_ms(one.value_ms)} ({format_ms(one.low_ms)} to {format_ms(one.high_ms)})"


def format_rates(load: LoadSummary) -> str:
    """Format the answered and the requested requests per second: `31.2 of 50`.

    "" without a given rate, when each client waits for its answer.
    """
    if load.asked_per_second is None:
        return ""
    return f"{format_ms(load.requests_per_second)} of {format_rate(load.asked_per_second)}"


def load_row(cell: Result) -> list[str]:
    """Return the values of `COLUMNS` for a cell under load; "" for values without enough measurements."""
    names = [str(cell.key), str(cell.outcome or ""), format_decided(cell)]
    if cell.load is None:
        return names + [""] * (len(COLUMNS) - len(names))
    texts = {one.percent: format_percentile(one) for one in cell.load.percentiles}
    return [
        *names,
        format_ms(cell.images_per_second),
        format_rates(cell.load),
        str(cell.load.requests),
        *(texts.get(percent, "") for percent in PERCENTS),
    ]


def select_loaded(cells: Iterable[Result]) -> list[Result]:
    """Return the cells under load that have a verdict."""
    return [cell for cell in cells if cell.key.scenario and cell.outcome is not None]


def load_lines(cells: Sequence[Result], *, width: int) -> list[Line]:
    """Format the cells under load of one platform, each with its throughput and its percentiles.

    Args:
        cells: cells of the platform; those without load are ignored.
        width: columns of the terminal.
    """
    own = [cell for cell in cells if cell.key.scenario]
    if not own:
        return []
    title = f"{own[0].key.platform} {TITLE}. {RULE} In brackets: 95 % confidence interval. High percentiles need many "
    lines = wrap_text(f"{title}requests (--ddperf-load-requests).", width, "bold")
    for cell in own:
        (first, *further), details = wrap_text(_heading(cell), width), _details(cell.load)
        lines += [[(first[0][0], style_of(cell))], *further]
        lines += [[(f"    {text}", "")] for detail in details for ((text, _),) in wrap_text(detail, width - 4)]
    return lines


def _heading(cell: Result) -> str:
    key = cell.key
    said = "" if cell.outcome is Outcome.OK else f" {cell.outcome}"
    change = "" if cell.change is None else f" {format_decision(cell)}"
    rate = None if cell.load is None else compute_images_per_second(key, cell.now_ms, cell.load)
    figures = "" if rate is None else f" {format_ms(rate)} images/s"
    return f"{key.model} b{key.batch_size}, {describe_scenario(key.scenario)}:{figures}{change}{said}"


def _details(load: LoadSummary | None) -> list[str]:
    if load is None:
        return []
    texts = ", ".join(f"p{one.percent} {format_percentile(one)}" for one in load.percentiles)
    lacking = [f"p{percent}" for percent in PERCENTS if percent not in {one.percent for one in load.percentiles}]
    of = f"{load.requests} requests"
    few = f", too few for {' and '.join(lacking)}" if lacking else ""
    details = [f"{f'{texts} ms' if texts else 'no percentile'}; {of}{few}"]
    if load.shortfall:
        details.append(load.shortfall)
    return details
