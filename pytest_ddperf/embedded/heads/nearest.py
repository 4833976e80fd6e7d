"""Exact search for nearest neighbours, by comparison with every vector in the index."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

T = TypeVar("T")


@dataclass(frozen=True)
class Index(Generic[T]):
    """Vectors, with an entry for each.

    Args:
        vectors: [entries, numbers].
        entries: what each vector stands for.
    """

    vectors: NDArray[np.float32]
    entries: tuple[T, ...]

    def nearest(self, vector: NDArray[np.float32], count: int) -> list[tuple[float, T]]:
        """Return the `count` nearest entries with their Euclidean distances, nearest first."""
        distances = np.linalg.norm(self.vectors - vector, axis=1)
        order = np.argsort(distances, kind="stable")[: max(0, count)]
        return [(float(distances[place]), self.entries[place]) for place in order]


def normalise(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scale each vector to length 1. Vectors of length 0 are unchanged."""
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    divided: NDArray[np.float32] = np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0)
    return divided
