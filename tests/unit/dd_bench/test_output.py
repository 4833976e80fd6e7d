"""dd_bench's output, letter by letter."""

from __future__ import annotations

import csv
import io
import json
import math
import re

from pytest_ddperf.dd_bench.output import BatchResult, format_closing_line, format_passes, render_csv, render_json

TWO = BatchResult(2, (20.0, 30.0))
FAILED = BatchResult(4, failure="HTTP 500")


def test_a_pass_has_a_line() -> None:
    assert list(format_passes(TWO)) == [
        "pass 1 batch size = 2 / processing time = 20.0 / time per image = 10.0",
        "pass 2 batch size = 2 / processing time = 30.0 / time per image = 15.0",
    ]


def test_a_batch_size_is_closed_by_its_means() -> None:
    assert format_closing_line(TWO) == (
        ">>> batch size = 2 / mean processing time = 25.0 / mean time per image = 12.5 / fps = 80.0 / fail = False"
    )


def test_a_batch_size_that_failed_is_closed_by_a_line_of_the_same_form_without_a_figure() -> None:
    assert format_closing_line(FAILED) == (
        ">>> batch size = 4 / mean processing time = nan / mean time per image = nan / fps = nan / fail = True"
    )
    form = (
        r">>> batch size = (\d+) / mean processing time = (\S+) / mean time per image = (\S+) / fps = (\S+) / fail = "
    )
    match = re.match(form, format_closing_line(FAILED))
    assert match is not None
    assert all(math.isnan(float(one)) for one in match.groups()[1:])


def test_the_csv_is_dd_benchs_with_a_row_for_what_was_measured() -> None:
    assert render_csv([TWO, FAILED]) == "batch_size,mean processing time,mean time per img\r\n2,25.0,12.5\r\n"
    assert list(csv.DictReader(io.StringIO(render_csv([TWO])))) == [
        {"batch_size": "2", "mean processing time": "25.0", "mean time per img": "12.5"}
    ]


def test_the_json_is_dd_benchs_with_an_entry_for_what_was_measured() -> None:
    assert json.loads(render_json([TWO, FAILED])) == [
        {"batch_size": 2, "mean_processing_time": 25.0, "mean_time_per_img": 12.5}
    ]
