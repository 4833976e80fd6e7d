"""Conversion of class probabilities to the predictions of a response."""

from __future__ import annotations

import random
import zlib
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from pytest_ddperf.embedded.wire import JsonObject, OutputSettings


def reorder_rows(uris: Sequence[str]) -> list[tuple[str, int]]:
    """Return each distinct uri with its row, in an order that is reproducible but differs from the request's."""
    rows = list({uri: row for row, uri in enumerate(uris)}.items())
    # DeepDetect returns images in the order in which its threads finish: clients must not rely on the request's order
    asked = list(rows)
    random.Random(zlib.crc32("\n".join(uris).encode())).shuffle(rows)  # noqa: S311 - not used for security
    if rows == asked:
        rows.reverse()
    return rows


def build_predictions(
    uris: Sequence[str], probabilities: NDArray[np.float32], output: OutputSettings
) -> list[JsonObject]:
    """Return one prediction for each distinct uri, in the order of `reorder_rows`."""
    rows = reorder_rows(uris)
    chosen = probabilities[[row for _, row in rows]]
    count = None if output.best < 0 else output.best
    order = np.argsort(-chosen, axis=1, kind="stable")[:, :count]
    values = np.take_along_axis(chosen, order, axis=1)
    kept = (values >= output.confidence_threshold).sum(axis=1)
    return [
        {"uri": uri, "classes": _classes(order[i, : kept[i]].tolist(), values[i, : kept[i]].tolist()), "images": []}
        for i, (uri, _) in enumerate(rows)
    ]


def _classes(indices: list[int], values: list[float]) -> list[JsonObject]:
    return mark_last(
        [{"prob": value, "cat": f"n{index:08d} class_{index}"} for index, value in zip(indices, values, strict=True)]
    )


def mark_last(listed: list[JsonObject]) -> list[JsonObject]:
    """Mark the last entry of a list, as DeepDetect does."""
    if listed:
        listed[-1]["last"] = True
    return listed
