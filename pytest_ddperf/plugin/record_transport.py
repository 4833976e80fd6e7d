"""How the record of a cell gets from its test to the controller: on the test's report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_ddperf.core.record_codec import from_json, to_json
from pytest_ddperf.core.records import CellRecord

if TYPE_CHECKING:
    import pytest

REPORT_ATTRIBUTE = "ddperf"
"""The record rides on the test's report, as text: reports survive xdist, failing tests and killed workers, and a
string costs nothing to keep, where lists and dicts make every later collection of garbage dearer."""


FAILED_BY_TEST = "ddperf_failed_by_test"
"""On a report: what ended its test is not our verdict, whatever record the cell has."""


def put_record(report: pytest.TestReport, record: CellRecord | None) -> None:
    """Send a record with a report; None says that the test is gated and has none yet."""
    text = None if record is None else to_json(record).decode()
    setattr(report, REPORT_ATTRIBUTE, text)
    if text is not None:
        _read_last[:] = text, record


def mark_failed_by_test(report: pytest.TestReport) -> None:
    """Say with a report that something else than our verdict ended its test."""
    setattr(report, FAILED_BY_TEST, True)


def is_failed_by_test(report: pytest.TestReport) -> bool:
    """Whether something else than our verdict ended the test of a report."""
    return hasattr(report, FAILED_BY_TEST)


def is_from_cell(report: pytest.TestReport) -> bool:
    """Whether a report is that of a test that uses the `ddperf` fixture."""
    return hasattr(report, REPORT_ATTRIBUTE)


def get_record(report: pytest.TestReport) -> CellRecord | None:
    """The record that came with a report."""
    text = getattr(report, REPORT_ATTRIBUTE, None)
    if text is None:
        return None
    if _read_last[0] is not text:  # several hooks ask, one after the other; the report itself takes builtins only
        _read_last[:] = text, from_json(text, CellRecord)
    record: CellRecord = _read_last[1]
    return record


_read_last: list[Any] = [None, None]
"""What a report carried, as text, and the record that it stands for."""
