"""How a cell ends that could not be measured: the verdict that its error stands for, and what is said of it. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_ddperf.core.records import Outcome
from pytest_ddperf.errors import BatchNotRunError, ServerGoneError, ServerOutOfMemoryError

if TYPE_CHECKING:
    from pytest_ddperf.errors import DdperfError


def of_a_gone_one(error: DdperfError, cause: str = "") -> DdperfError:
    """Why a server is down that was there before.

    Args:
        error: what happened to it.
        cause: that of its outage; see `DdperfError`.
    """
    return ServerGoneError(f"The server was there, and vanished in the middle of the run: {error}", cause=cause)


def ending(error: DdperfError, *, expected: bool) -> tuple[Outcome, str]:
    """The verdict on a cell that could not be measured, and what is said of it.

    Args:
        error: why.
        expected: whether its baseline has a value: then it could be measured once, and what keeps it from that now is a
            regression; else it is not measurable there.
    """
    if isinstance(error, ServerOutOfMemoryError):
        return (Outcome.OOM if expected else Outcome.UNAVAILABLE), "ran out of memory"
    if isinstance(error, BatchNotRunError):
        outcome = Outcome.CRASHED if error.died else Outcome.OOM
        return (outcome if expected else Outcome.UNAVAILABLE), "was not run"
    if isinstance(error, ServerGoneError):
        return Outcome.CRASHED, "crashed"
    return Outcome.ERROR, "could not be measured"
