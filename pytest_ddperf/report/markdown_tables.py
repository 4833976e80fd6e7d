"""Tables of the Markdown report, in the layout of the published report's raw tables. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_ddperf.core.records import Outcome
from pytest_ddperf.core.results import format_decided
from pytest_ddperf.report import phrases
from pytest_ddperf.report.markdown_escape import escape_inline
from pytest_ddperf.text import format_ms

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from pytest_ddperf.core.catalog import Catalog
    from pytest_ddperf.core.results import Result


def render_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Render a table of GitHub's Markdown from cells that are already Markdown; empty without rows."""
    body = [_row(row) for row in rows]
    return [_row(head), _row([":---:"] * len(head)), *body] if body else []


def format_accuracy(percent: float | None) -> str:
    """Format an accuracy in percent as the report prints it; `missing` if the report does not state it."""
    return "missing" if percent is None else f"{percent:.15g}"


def render_raw_table(cells: Sequence[Result], catalog: Catalog) -> list[str]:
    """Render the baseline of one platform in the report's layout: one row per batch size, one column per model.

    The header contains the accuracy of each model. A cell without a baseline is empty; one that the baseline marks as
    not measurable is `x`.
    """

    def cell_text(cell: Result) -> str:
        stored_ms = cell.baseline_ms if cell.stored_ms is None else cell.stored_ms
        if stored_ms is None:
            return "x" if cell.unavailable else ""
        if cell.baseline_kind == "report":
            return phrases.format_published(stored_ms, catalog.find_platform(cell.key.platform))
        return format_ms(stored_ms)

    return _layout([cell for cell in cells if cell.side not in {"none", "measured"}], catalog, cell_text)


def render_measured_table(cells: Sequence[Result], catalog: Catalog) -> list[str]:
    """Render the measurements of one platform in the same layout: value, change, and the verdict unless it is `ok`."""

    def cell_text(cell: Result) -> str:
        if cell.now_ms is None:
            return "x" if cell.outcome is Outcome.UNAVAILABLE else str(cell.outcome or "")
        parts = [format_ms(cell.now_ms)]
        if cell.change is not None:
            parts.append(f"({format_decided(cell)})")
        if cell.outcome is not Outcome.OK:
            parts.append(f"**{cell.outcome}**" if cell.fails else str(cell.outcome))
        return " ".join(parts)

    return _layout([cell for cell in cells if cell.outcome is not None], catalog, cell_text)


def _layout(cells: Sequence[Result], catalog: Catalog, cell_text: Callable[[Result], str]) -> list[str]:
    by_place = {(cell.key.model, cell.key.batch_size): cell for cell in cells}
    models = sorted({cell.key.model for cell in cells}, key=catalog.model_order)
    batch_sizes = sorted({cell.key.batch_size for cell in cells})
    rows = [["batch size", *(escape_inline(model) for model in models)]]
    for batch_size in batch_sizes:
        row = [by_place.get((model, batch_size)) for model in models]
        rows.append([str(batch_size), *("" if cell is None else cell_text(cell) for cell in row)])
    top1 = [format_accuracy(catalog.find_network(model).top1_accuracy_percent) for model in models]
    return render_table(["Top 1 accuracy", *top1], rows)


def _row(cells: Sequence[str]) -> str:
    return f"|{'|'.join(f' {cell} ' for cell in cells)}|"
