"""Transport of a cell's record to the controller: as an attribute of the test's report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_ddperf.core.record_codec import from_json, to_json
from pytest_ddperf.core.records import CellRecord

if TYPE_CHECKING:
    import pytest

REPORT_ATTRIBUTE = "ddperf"
"""Attribute of a test's report that holds the record as JSON text.

Reports survive xdist, failing tests and killed workers. A string costs nothing to keep, whereas lists and dicts would
make every later garbage collection slower.
"""


FAILED_BY_TEST = "ddperf_failed_by_test"
"""On a report: the test failed for a reason other than our verdict; the cell may still have a record."""


def put_record(report: pytest.TestReport, record: CellRecord | None) -> None:
    """Attach a record to a report; None marks the report of a gated test that has no record yet."""
    text = None if record is None else to_json(record).decode()
    setattr(report, REPORT_ATTRIBUTE, text)
    if text is not None:
        _read_last[:] = text, record


def mark_failed_by_test(report: pytest.TestReport) -> None:
    """Mark a report whose test failed for a reason other than our verdict."""
    setattr(report, FAILED_BY_TEST, True)


def is_failed_by_test(report: pytest.TestReport) -> bool:
    """Return whether the test of a report failed for a reason other than our verdict."""
    return hasattr(report, FAILED_BY_TEST)


def is_from_cell(report: pytest.TestReport) -> bool:
    """Return whether a report belongs to a test that uses the `ddperf` fixture."""
    return hasattr(report, REPORT_ATTRIBUTE)


def get_record(report: pytest.TestReport) -> CellRecord | None:
    """Return the record attached to a report, or None."""
    text = getattr(report, REPORT_ATTRIBUTE, None)
    if text is None:
        return None
    if _read_last[0] is not text:  # cached for the other hooks; reports can hold builtins only
        _read_last[:] = text, from_json(text, CellRecord)
    record: CellRecord = _read_last[1]
    return record


_read_last: list[Any] = [None, None]
"""The text attached to the last report that was read, and its record."""
