"""The way of records to the controller: on the report of a test, or by a channel of their own from an xdist worker.

A record is encoded only where a report leaves the process.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from pytest_ddperf.core.records import CellRecord

if TYPE_CHECKING:
    from collections.abc import Generator

RECORD = "ddperf"
"""On a report: the record of a cell; None on other reports of tests that use the `ddperf` fixture."""

FAILED_BY_TEST = "ddperf_failed_by_test"
"""On a report: the test failed for a reason other than our verdict; the cell may still have a record."""

TO_CONTROLLER = "ddperf_channel"
"""Key in a worker's `workerinput`: the execnet channel for data that no report carries."""

STARTED = "ddperf_started"
"""Key in a worker's `workerinput`: when the run started, ISO 8601."""


def put_record(report: pytest.TestReport, record: CellRecord | None, *, failed_by_test: bool = False) -> None:
    """Attach a record to a report; None marks the report of a gated test that has no record yet."""
    setattr(report, RECORD, record)
    if record is not None and failed_by_test:
        setattr(report, FAILED_BY_TEST, True)


def is_failed_by_test(report: pytest.TestReport) -> bool:
    """Return whether the test of a report failed for a reason other than our verdict."""
    return hasattr(report, FAILED_BY_TEST)


def is_from_cell(report: pytest.TestReport) -> bool:
    """Return whether a report belongs to a test that uses the `ddperf` fixture."""
    return hasattr(report, RECORD)


def get_record(report: pytest.TestReport) -> CellRecord | None:
    """Return the record attached to a report, or None."""
    return getattr(report, RECORD, None)


def encode(record: CellRecord) -> str:
    """Encode a record for another process."""
    return msgspec.json.encode(record).decode()


def decode(text: str) -> CellRecord:
    """Decode a record from another process."""
    return msgspec.json.decode(text, type=CellRecord)


@pytest.hookimpl(wrapper=True)
def pytest_report_to_serializable(report: pytest.TestReport) -> Generator[None, Any, Any]:
    """Encode the record of a report that leaves the process."""
    data = yield
    record = get_record(report)
    if record is not None:
        data[RECORD] = encode(record)
    return data


@pytest.hookimpl(wrapper=True)
def pytest_report_from_serializable(data: dict[str, Any]) -> Generator[None, Any, Any]:
    """Decode the record of a report from another process."""
    if data.get(RECORD) is not None:
        data[RECORD] = decode(data[RECORD])
    return (yield)


def send_to_controller(config: pytest.Config, kind: str, value: object) -> None:
    """Send builtins from a worker; they arrive before anything that xdist sends later."""
    channel = config.workerinput.get(TO_CONTROLLER)  # type: ignore[attr-defined] # xdist's
    if channel is not None:
        channel.send((kind, value))
