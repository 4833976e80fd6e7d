"""When Python looks for garbage: rarely once gated tests are collected, and never in a timed round."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_YOUNG: Final = 100_000
"""New objects after which they are looked through; Python's own threshold is reached every few cells, and every few
tests that are collected."""


def collect_rarely() -> Callable[[], None]:
    """Leave what is there out of every later collection, and collect what is new in larger portions.

    A run keeps its tests and what it measured to its end: to look through them again and again finds nothing.

    Returns:
        What puts it back.
    """
    usual = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(max(_YOUNG, usual[0]) if usual[0] else 0, *usual[1:])

    def as_usual() -> None:
        gc.set_threshold(*usual)
        gc.unfreeze()

    return as_usual


def leave_out() -> None:
    """Leave what has come since out as well, until it is put back."""
    gc.freeze()


class PausedCollection:
    """As `timeit` does: a collection stops this process, and a pass would be charged for it."""

    def __enter__(self) -> None:
        self._was_enabled = gc.isenabled()
        gc.disable()

    def __exit__(self, *_: object) -> None:
        if self._was_enabled:
            gc.enable()
