"""dd_bench's output: its lines, its CSV and its JSON, letter by letter. Pure, standard library only.

Milliseconds throughout. A batch size that could not be measured has a line and no row: dd_bench divided what passes
there were by the number that there should have been.
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
    """What became of one batch size.

    Args:
        passes_ms: of the whole batch, one a pass; empty where it could not be measured.
        transform_ms: fetching, decoding and resizing, the mean of the passes; None where the server does not tell.
        failure: why it could not be measured, "" where it was.
    """

    batch_size: int
    passes_ms: tuple[float, ...] = ()
    transform_ms: float | None = None
    failure: str = ""

    @property
    def measured(self) -> bool:
        """Whether there is a figure."""
        return bool(self.passes_ms) and not self.failure

    @property
    def mean_ms(self) -> float:
        """The mean of the whole batch; NaN where there is none."""
        return sum(self.passes_ms) / len(self.passes_ms) if self.measured else float("nan")

    @property
    def per_image_ms(self) -> float:
        """The mean per image; NaN where there is none."""
        return self.mean_ms / self.batch_size


def format_passes(result: BatchResult) -> Iterator[str]:
    """One line a pass."""
    for number, ms in enumerate(result.passes_ms, start=1):
        yield (
            f"pass {number} batch size = {result.batch_size} / processing time = {ms} / "
            f"time per image = {ms / result.batch_size}"
        )


def format_closing_line(result: BatchResult) -> str:
    """The line that closes a batch size."""
    per_image_ms = result.per_image_ms
    return (
        f">>> batch size = {result.batch_size} / mean processing time = {result.mean_ms} / "
        f"mean time per image = {per_image_ms} / fps = {1000 / per_image_ms} / fail = {not result.measured}"
    )


def render_csv(results: Iterable[BatchResult]) -> str:
    """The CSV file."""
    written = io.StringIO(newline="")
    rows = csv.writer(written)
    rows.writerow(CSV_HEADER)
    rows.writerows((one.batch_size, one.mean_ms, one.per_image_ms) for one in results if one.measured)
    return written.getvalue()


def render_json(results: Iterable[BatchResult]) -> str:
    """The JSON file."""
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
