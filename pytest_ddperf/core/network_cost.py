"""The cost of a network, counted as the performance report counts it, and Caffe's size after pooling. Pure.

The rules were recovered from the report's own table:

- Multiply-adds are the weights of convolutions and fully connected layers times their output positions.
- Parameters are those weights, and two per channel for each batch normalisation with its scale (mean and gamma). Biases
  are never counted.
- A depthwise convolution has no multiply-adds, because the report treats it as a separate layer type.
- In the printed "Giga flops", layers without multiply-adds count with their parameters instead. Only this rule
  reproduces every printed digit. All figures are truncated, not rounded.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

GIGA = 9
"""Exponent of ten of a GFLOP."""

MILLION = 6
"""Exponent of ten of a million parameters."""

_PRINTED_DIGITS = 5


@dataclass(frozen=True, slots=True)
class Cost:
    """The cost of one image.

    Args:
        multiply_adds: multiply-adds of convolutions and fully connected layers, without depthwise layers.
        true_multiply_adds: the same, including depthwise layers.
        parameters: number of weights, plus two per channel for each batch normalisation.
        other_parameters: the parameters of layers without multiply-adds (batch normalisation and depthwise).
        uncounted: name, type and reason of each layer that cannot be counted. If there are any, the counts are lower
            bounds.
    """

    multiply_adds: int
    true_multiply_adds: int
    parameters: int
    other_parameters: int
    uncounted: tuple[tuple[str, str, str], ...] = ()

    @property
    def reported_operations(self) -> int:
        """The count behind the report's "Giga flops": multiply-adds, or parameters for layers without multiply-adds."""
        return self.multiply_adds + self.other_parameters

    @property
    def giga_flops_text(self) -> str:
        """Giga multiply-adds as the report prints them: `3.8580`."""
        return format_count(self.reported_operations, GIGA)

    @property
    def million_params_text(self) -> str:
        """Millions of parameters as the report prints them: `25.556`."""
        return format_count(self.parameters, MILLION)


def format_count(count: int, power: int) -> str:
    """Format a count in units of 10**power, truncated to the report's five digits: `0.5687`, `11.282`, `138.34`."""
    whole = str(count // 10**power)
    decimals = _PRINTED_DIGITS - len(whole)
    digits = count * 10**decimals // 10**power % 10**decimals
    return f"{whole}.{digits:0{decimals}d}"


def add_up(layers: Iterable[tuple[int | None, int, bool]], uncounted: Iterable[tuple[str, str, str]]) -> Cost:
    """Return the cost of a network.

    Args:
        layers: multiply-adds (None if they cannot be counted) and parameters of each layer, and whether it is a
            depthwise convolution.
        uncounted: as `Cost.uncounted`.
    """
    multiply_adds = depthwise = parameters = other = 0
    for operations, own, is_depthwise in layers:
        parameters += own
        if operations is None:
            continue
        if is_depthwise:
            depthwise += operations
        else:
            multiply_adds += operations
        if is_depthwise or not operations:
            other += own
    return Cost(multiply_adds, multiply_adds + depthwise, parameters, other, tuple(uncounted))


def compute_pooled_size(size: int, kernel: int, stride: int, pad: int, *, floor: bool = False) -> int:
    """Return Caffe's size after pooling: rounded up (unless `floor`), without windows that start in the end padding."""
    span = size + 2 * pad - kernel
    count = (span // stride if floor else -(-span // stride)) + 1
    return count - 1 if pad and (count - 1) * stride >= size + pad else count
