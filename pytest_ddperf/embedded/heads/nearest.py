"""Exact search for nearest neighbours, by comparison with every vector in the index."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from pytest_ddperf.embedded.wire import JsonObject


@dataclass(frozen=True)
class Index:
    """Vectors [entries, numbers], with the JSON of an entry for each."""

    vectors: NDArray[np.float32]
    entries: Sequence[JsonObject]

    def nearest(self, vector: NDArray[np.float32], count: int) -> list[JsonObject]:
        """Return the `count` nearest entries, nearest first, each with its Euclidean distance as `dist`."""
        distances = np.linalg.norm(self.vectors - vector, axis=1)
        order = np.argsort(distances, kind="stable")[: max(0, count)]
        return [{"dist": float(distances[place]), **self.entries[place]} for place in order]


def normalise(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scale each vector to length 1. Vectors of length 0 are unchanged."""
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    divided: NDArray[np.float32] = np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0)
    return divided
