"""dd_bench's output, reproduced exactly: its lines, its CSV and its JSON. Pure, standard library only.

All times are milliseconds. A batch size that could not be measured has a line but no row. This differs from dd_bench,
which divided the sum of the completed passes by the number of requested passes.
"""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

CSV_HEADER = ("batch_size", "mean processing time", "mean time per img")


@dataclass(frozen=True, slots=True)
class BatchResult:
    """Result of one batch size.

    Args:
        passes_ms: time of the whole batch, one per pass; empty if it could not be measured.
        transform_ms: time for fetching, decoding and resizing, mean of the passes; None if the server does not report
            it.
        failure: why it could not be measured; "" if it was measured.
    """

    batch_size: int
    passes_ms: tuple[float, ...] = ()
    transform_ms: float | None = None
    failure: str = ""

    @property
    def measured(self) -> bool:
        """Whether the batch size was measured."""
        return bool(self.passes_ms)

    @property
    def mean_ms(self) -> float:
        """Mean time of the whole batch; NaN if it was not measured."""
        return sum(self.passes_ms) / len(self.passes_ms) if self.measured else float("nan")

    @property
    def per_image_ms(self) -> float:
        """Mean time per image; NaN if it was not measured."""
        return self.mean_ms / self.batch_size


def format_passes(result: BatchResult) -> Iterator[str]:
    """Format one line per pass."""
    for number, ms in enumerate(result.passes_ms, start=1):
        yield (
            f"pass {number} batch size = {result.batch_size} / processing time = {ms} / "
            f"time per image = {ms / result.batch_size}"
        )


def format_closing_line(result: BatchResult) -> str:
    """Format the line that sums up a batch size."""
    per_image_ms = result.per_image_ms
    return (
        f">>> batch size = {result.batch_size} / mean processing time = {result.mean_ms} / "
        f"mean time per image = {per_image_ms} / fps = {1000 / per_image_ms} / fail = {not result.measured}"
    )


def render_csv(results: Iterable[BatchResult]) -> str:
    """Render the contents of the CSV file."""
    written = io.StringIO(newline="")
    rows = csv.writer(written)
    rows.writerow(CSV_HEADER)
    rows.writerows((one.batch_size, one.mean_ms, one.per_image_ms) for one in results if one.measured)
    return written.getvalue()


def render_json(results: Iterable[BatchResult]) -> str:
    """Render the contents of the JSON file."""
    return json.dumps(
        [
            {
                "batch_size": one.batch_size,
                "mean_processing_time": one.mean_ms,
                "mean_time_per_img": one.per_image_ms,
            }
            for one in results
            if one.measured
        ]
    )
