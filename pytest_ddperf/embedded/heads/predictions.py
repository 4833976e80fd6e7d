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
    order = _best(chosen, output.best)
    values = np.take_along_axis(chosen, order, axis=1)
    kept = (values >= output.confidence_threshold).sum(axis=1)
    return [
        {"uri": uri, "classes": _classes(order[i, : kept[i]].tolist(), values[i, : kept[i]].tolist()), "images": []}
        for i, (uri, _) in enumerate(rows)
    ]


def _best(probabilities: NDArray[np.float32], best: int) -> NDArray[np.intp]:
    """Return the classes of the `best` highest values of each row, highest first; all classes if `best` is negative."""
    classes = probabilities.shape[1]
    count = classes if best < 0 else min(best, classes)
    if count == classes:
        return np.argsort(-probabilities, axis=1, kind="stable")
    if count == 0:
        return np.empty((len(probabilities), 0), np.intp)
    candidates = np.argpartition(-probabilities, count - 1, axis=1)[:, :count]
    ranks = np.argsort(-np.take_along_axis(probabilities, candidates, axis=1), axis=1, kind="stable")
    return np.take_along_axis(candidates, ranks, axis=1)


def _classes(indices: list[int], values: list[float]) -> list[JsonObject]:
    classes: list[JsonObject] = [
        {"prob": value, "cat": f"n{index:08d} class_{index}"} for index, value in zip(indices, values, strict=True)
    ]
    if classes:
        classes[-1]["last"] = True
    return classes
