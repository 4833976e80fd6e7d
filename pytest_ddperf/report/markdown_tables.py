"""Tables of the Markdown report: the report's raw tables, in its layout. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_ddperf.core.records import Outcome
from pytest_ddperf.report import phrases
from pytest_ddperf.report.markdown_escape import inline
from pytest_ddperf.text import change_text, ms_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from pytest_ddperf.core.catalog import Catalog
    from pytest_ddperf.core.results import Result


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """A table of GitHub's Markdown; its cells are Markdown already. Nothing where there is no row."""
    body = [_row(row) for row in rows]
    return [_row(head), _row([":---:"] * len(head)), *body] if body else []


def accuracy_text(catalog: Catalog, model: str) -> str:
    """Top-1 accuracy in percent as the report prints it: `missing` where it is silent."""
    network = catalog.networks.get(model)
    if network is None or network.top1_accuracy_percent is None:
        return "missing"
    return f"{network.top1_accuracy_percent:.15g}"


def raw_table(cells: Sequence[Result], catalog: Catalog) -> list[str]:
    """What one platform is held against, in the report's layout: batch size down, model across, accuracy above.

    A cell that no baseline knows is empty; one that it marks as not measurable is `x`.
    """

    def shown(cell: Result) -> str:
        if cell.baseline_ms is None:
            return "x" if cell.unavailable else ""
        if cell.baseline_kind == "report":
            return phrases.published_text(cell.baseline_ms, catalog.platforms.get(cell.key.platform))
        return ms_text(cell.baseline_ms)

    return _layout([cell for cell in cells if cell.side not in {"none", "measured"}], catalog, shown)


def measured_table(cells: Sequence[Result], catalog: Catalog) -> list[str]:
    """What a run measured of one platform, in the same layout: value, change, and the verdict where it is not `ok`."""

    def shown(cell: Result) -> str:
        if cell.now_ms is None:
            return "x" if cell.outcome is Outcome.UNAVAILABLE else str(cell.outcome or "")
        parts = [ms_text(cell.now_ms)]
        if cell.change is not None:
            parts.append(f"({change_text(cell.change)})")
        if cell.outcome is not Outcome.OK:
            parts.append(f"**{cell.outcome}**" if cell.fails else str(cell.outcome))
        return " ".join(parts)

    return _layout([cell for cell in cells if cell.outcome is not None], catalog, shown)


def _layout(cells: Sequence[Result], catalog: Catalog, shown: Callable[[Result], str]) -> list[str]:
    by_place = {(cell.key.model, cell.key.batch_size): cell for cell in cells}
    models = sorted({cell.key.model for cell in cells}, key=catalog.model_order)
    batch_sizes = sorted({cell.key.batch_size for cell in cells})
    rows = [["batch size", *(inline(model) for model in models)]]
    for batch_size in batch_sizes:
        row = [by_place.get((model, batch_size)) for model in models]
        rows.append([str(batch_size), *("" if cell is None else shown(cell) for cell in row)])
    return table(["Top 1 accuracy", *(accuracy_text(catalog, model) for model in models)], rows)


def _row(cells: Sequence[str]) -> str:
    return f"|{'|'.join(f' {cell} ' for cell in cells)}|"
