"""One cell on two servers, measured in pairs: which services are open, and whose failure an error is."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from pytest_ddperf.errors import (
    BatchNotRunError,
    DdperfError,
    ReferenceFailedError,
    ServerOutOfMemoryError,
    TimingError,
)
from pytest_ddperf.measure.pairs import UNDER_TEST, SideFailedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_ddperf.core.records import CellKey, Measurement
    from pytest_ddperf.measure.loop import Progress
    from pytest_ddperf.runner.cell_attempt import CellAttempt
    from pytest_ddperf.runner.platform_run import PlatformRun

_NO_ROOM: Final = (
    "The memory does not hold both services at once, so the two cannot be measured in pairs. Compare with a recording "
    "instead: run --ddperf-update-baselines with the reference alone, then measure the other server without "
    "--ddperf-against."
)


def measure_pairs(
    run: PlatformRun,
    reference: PlatformRun,
    key: CellKey,
    show: Callable[[Progress], None] | None,
    earlier: Measurement | None,
) -> Measurement:
    """Measure one round of pairs of a cell.

    Services that are ours are recreated before every round but the first of a cell, because start-up luck is the same
    for all pairs of one creation. `show` is called before every pair; the round is added to the earlier measurement of
    the cell in this run.

    Raises:
        ReferenceFailedError: the reference failed, or the two cannot be measured together.
        DdperfError: the server under test failed.
    """
    _release_services(run, reference, key, is_first=earlier is None or not earlier.rounds)

    def measure_with(mine: CellAttempt) -> Measurement:
        _choose_service(run, reference, mine)
        try:
            return reference.attempt(key, lambda other: _measure_both(mine, other, show, earlier))
        except SideFailedError as failed:
            raise failed.error from None
        except TimingError:  # of both sides
            raise
        except DdperfError as error:
            raise _explain_reference(run, reference, error) from error

    try:
        measured = run.attempt(key, measure_with)
    except ServerOutOfMemoryError as error:
        if run.plan.shares_memory:
            raise ReferenceFailedError(f"{_NO_ROOM} {error}", cause=_NO_ROOM) from error
        raise
    finally:
        if reference.target.is_open:
            reference.records.update_facts(reference.target.refresh_facts())
    reference.health.note_measured()
    return measured


def _measure_both(
    mine: CellAttempt, other: CellAttempt, show: Callable[[Progress], None] | None, earlier: Measurement | None
) -> Measurement:
    """Measure one round of pairs, and raise an error of the reference as its own.

    Raises:
        SideFailedError: the server under test failed; no handler of the reference catches it.
        DdperfError: the reference failed.
    """
    try:
        return mine.measure_against(other, show, earlier)
    except SideFailedError as failed:
        if failed.side == UNDER_TEST:
            raise
        raise failed.error from failed.error.__cause__


def _explain_reference(run: PlatformRun, reference: PlatformRun, error: DdperfError) -> ReferenceFailedError:
    """Return the error for a failure of the reference, or of both services together."""
    if isinstance(error, (ServerOutOfMemoryError, BatchNotRunError)) and run.plan.shares_memory:
        return ReferenceFailedError(f"{_NO_ROOM} {error}", cause=_NO_ROOM)
    failed = f"The reference server {reference.plan.server.display_url} failed:"
    return ReferenceFailedError(f"{failed} {error}", cause=f"{failed} {error.cause}")


def _release_services(run: PlatformRun, reference: PlatformRun, key: CellKey, *, is_first: bool) -> None:
    """Delete the services of ours that must be recreated, and those of another network before a new one is created."""
    for one in (reference, run):
        service = one.target.current_service
        if service is not None and (not is_first or service.model != key.model):
            one.target.release_service()


def _choose_service(run: PlatformRun, reference: PlatformRun, mine: CellAttempt) -> None:
    """Choose the second service on the same server: one that we create, or an existing one, which is asked twice."""
    if run.plan.is_self:
        options = run.plan.against if mine.created else run.plan.server
        assert options is not None  # noqa: S101 - there is a reference
        reference.target.options = replace(reference.target.options, service=options.service)
        if reference.target.is_open and reference.target.connection.url != run.target.connection.url:
            reference.target.close()  # the embedded server was restarted
