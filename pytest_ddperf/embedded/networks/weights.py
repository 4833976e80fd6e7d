"""Random weights drawn from a seed. The values have no meaning, and speed does not depend on them."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_ddperf.embedded.networks.graph import NetworkGraph, WeightSpec


def draw(spec: WeightSpec, seed: int) -> NDArray[np.float32]:
    """Draw the values of one tensor. They depend only on its specification and the seed, not on other tensors."""
    random = np.random.Generator(np.random.PCG64([seed, zlib.crc32(spec.name.encode())]))
    values = random.random(spec.shape, dtype=np.float32)
    filters = values.reshape(spec.shape[0], -1)
    if spec.centred:
        filters -= filters.mean(axis=1, keepdims=True) - np.float32(0.5)
    filters *= np.float32(spec.high - spec.low)
    filters += np.float32(spec.low)
    return values


def draw_weights(graph: NetworkGraph, seed: int) -> dict[str, NDArray[np.float32]]:
    """Draw all initializers of a network, by name. They take about 4 bytes per parameter."""
    drawn: dict[str, NDArray[np.float32]] = {}
    for spec in graph.weights:
        pieces = draw(spec, seed).reshape(spec.pieces, *spec.piece_shape)
        drawn.update(zip(spec.initializers, pieces, strict=True))
    return drawn
