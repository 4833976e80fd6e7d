"""Rounds of pairs: two servers are asked in turn, in balanced random order, never at the same time. Pure."""

from __future__ import annotations

import random


def draw_orders(pairs: int, seed: str) -> tuple[bool, ...]:
    """Draw the order of each pair: whether the reference is asked first.

    Every two pairs hold both orders, in random order: neither a drift of the host nor the place in a pair favours a
    server.

    Args:
        pairs: number of pairs.
        seed: the same seed draws the same orders.
    """
    chance = random.Random(seed)  # noqa: S311 - an order, not a secret
    orders: list[bool] = []
    while len(orders) < pairs:
        first = chance.random() < 0.5
        orders += first, not first
    return tuple(orders[:pairs])
