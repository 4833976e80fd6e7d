"""Python's garbage collection: rare once benchmark tests are collected, disabled during a timed round."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_YOUNG: Final = 100_000
"""New objects before a collection of the youngest generation. Python's own threshold is reached every few cells, and
every few collected tests."""


def collect_rarely() -> Callable[[], None]:
    """Exclude all existing objects from garbage collection, and collect new ones less often.

    A run keeps its tests and measurements until its end, so that repeated collections of them free nothing.

    `gc.freeze` also excludes the objects created since, until the settings are restored.

    Returns:
        A function that restores the previous settings.
    """
    usual = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(max(_YOUNG, usual[0]) if usual[0] else 0, *usual[1:])

    def as_usual() -> None:
        gc.set_threshold(*usual)
        gc.unfreeze()

    return as_usual


class PausedCollection:
    """Disable garbage collection within a `with` block, as `timeit` does.

    A collection stops this process, and its time would be counted in a pass.
    """

    def __enter__(self) -> None:
        self._was_enabled = gc.isenabled()
        gc.disable()

    def __exit__(self, *_: object) -> None:
        if self._was_enabled:
            gc.enable()
