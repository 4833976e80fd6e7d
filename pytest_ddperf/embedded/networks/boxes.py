"""Boxes of a single-shot detector (SSD): prior boxes, decoding and non-maximum suppression."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

PER_POSITION: Final = 4
"""Number of boxes at each position of a grid: two squares, one horizontal and one vertical rectangle."""

CANDIDATES: Final = 400
"""Most boxes of a class to compare with each other, the most probable ones; SSD's value."""

KEPT: Final = 200
"""Most objects in an image; SSD's value."""

_CENTRE_VARIANCE, _SIZE_VARIANCE = 0.1, 0.2
_SMALLEST, _LARGEST = 0.2, 0.9


def build_prior_boxes(grids: Sequence[int]) -> NDArray[np.float32]:
    """Build the prior boxes, to which the network's output is relative; coarser grids have larger boxes.

    Args:
        grids: side of each square grid, from fine to coarse.

    Returns:
        [boxes, (x, y, width, height)] from 0 to 1; x and y are the centre.
    """
    step = (_LARGEST - _SMALLEST) / max(1, len(grids) - 1)
    scales = [_SMALLEST + step * number for number in range(len(grids) + 1)]
    return np.array(
        [box for number, side in enumerate(grids) for box in _on_grid(side, scales[number], scales[number + 1])],
        np.float32,
    )


def _on_grid(side: int, scale: float, next_scale: float) -> Iterator[tuple[float, float, float, float]]:
    between = float(np.sqrt(scale * next_scale))
    lying = float(np.sqrt(2))
    for row in range(side):
        for column in range(side):
            x, y = (column + 0.5) / side, (row + 0.5) / side
            yield x, y, scale, scale
            yield x, y, between, between
            yield x, y, scale * lying, scale / lying
            yield x, y, scale / lying, scale * lying


def decode(offsets: NDArray[np.float32], priors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Convert offsets relative to the prior boxes to corners [boxes, (xmin, ymin, xmax, ymax)], from 0 to 1."""
    centres = priors[:, :2] + _CENTRE_VARIANCE * offsets[:, :2] * priors[:, 2:]
    halves = priors[:, 2:] * np.exp(np.clip(_SIZE_VARIANCE * offsets[:, 2:], -4, 4)) / 2
    corners = np.concatenate([centres - halves, centres + halves], axis=1)
    return corners.clip(0, 1).astype(np.float32, copy=False)


def select_objects(
    corners: NDArray[np.float32],
    probabilities: NDArray[np.float32],
    *,
    threshold: float,
    overlap: float,
    best: int = -1,
) -> list[tuple[int, float, int]]:
    """Return the objects of one image as (class, probability, index of the box), most probable first.

    Args:
        corners: corners of all boxes.
        probabilities: [boxes, classes]; class 0 is the background.
        threshold: boxes are dropped unless their probability is above this.
        overlap: if two boxes of a class overlap more than this (intersection over union), the less probable is dropped.
        best: most objects; below 1 for `KEPT`.
    """
    found: list[tuple[int, float, int]] = []
    for kind in range(1, probabilities.shape[1]):
        scores = probabilities[:, kind]
        candidates = np.flatnonzero(scores > threshold)
        candidates = candidates[np.argsort(-scores[candidates], kind="stable")[:CANDIDATES]]
        kept = suppress_overlaps(corners[candidates], overlap)
        found += [(kind, float(scores[candidates[place]]), int(candidates[place])) for place in kept]
    found.sort(key=lambda one: -one[1])
    return found[: best if best > 0 else KEPT]


def suppress_overlaps(corners: NDArray[np.float32], overlap: float) -> list[int]:
    """Return the indices of the boxes, given most probable first, that overlap no kept box more than `overlap`."""
    remaining = np.arange(len(corners))
    kept: list[int] = []
    while remaining.size:
        first, others = remaining[0], remaining[1:]
        kept.append(int(first))
        remaining = others[compute_overlap(corners[first], corners[others]) <= overlap]
    return kept


def compute_overlap(one: NDArray[np.float32], others: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the intersection over union of a box with others; 0 for two boxes without area."""
    low, high = np.maximum(one[:2], others[:, :2]), np.minimum(one[2:], others[:, 2:])
    both = np.prod(np.clip(high - low, 0, None), axis=1)
    union = np.prod(one[2:] - one[:2]) + np.prod(others[:, 2:] - others[:, :2], axis=1) - both
    share: NDArray[np.float32] = np.divide(both, union, out=np.zeros_like(both), where=union > 0)
    return share
