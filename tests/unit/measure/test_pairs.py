"""Rounds of pairs."""

from __future__ import annotations

from pytest_ddperf.measure.pairs import draw_orders


def test_every_two_pairs_hold_both_orders() -> None:
    orders = draw_orders(64, "1")
    assert len(orders) == 64
    assert all(one is not other for one, other in zip(orders[::2], orders[1::2], strict=True))


def test_the_order_is_random_and_that_of_its_seed() -> None:
    assert draw_orders(64, "1") == draw_orders(64, "1")
    assert draw_orders(64, "1") != draw_orders(64, "2")
    assert {draw_orders(2, str(seed)) for seed in range(20)} == {(True, False), (False, True)}
