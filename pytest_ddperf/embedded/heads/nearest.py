"""Exact nearest neighbours: every indexed vector is compared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

T = TypeVar("T")


@dataclass(frozen=True)
class Index(Generic[T]):
    """Vectors, and what each stands for.

    Args:
        vectors: [entries, numbers].
        entries: one for each.
    """

    vectors: NDArray[np.float32]
    entries: tuple[T, ...]

    def nearest(self, vector: NDArray[np.float32], count: int) -> list[tuple[float, T]]:
        """The `count` entries that are nearest, and their Euclidean distances, nearest first."""
        distances = np.linalg.norm(self.vectors - vector, axis=1)
        order = np.argsort(distances, kind="stable")[: max(0, count)]
        return [(float(distances[place]), self.entries[place]) for place in order]


def normalise(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Each vector at length 1; one of length 0 stays."""
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    divided: NDArray[np.float32] = np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0)
    return divided
