"""How a record travels from the process that measured a cell to the one that keeps it."""

from __future__ import annotations

import execnet
import pytest

from pytest_ddperf.core.records import CellKey, CellRecord, Clock, Conditions, Measurement, Outcome, Pass, Round
from pytest_ddperf.plugin import record_transport
from pytest_ddperf.plugin.record_transport import get_record, is_from_cell, put_record

KEY = CellKey("tk1", "googlenet", 8)
RECORD = CellRecord(
    KEY,
    "test_predict.py::test_predict[tk1-googlenet-b8]",
    Outcome.OK,
    now_ms=10.5,
    measurement=Measurement(
        KEY, Conditions(Clock.PREDICT, "caffe"), (Round(1.0, (Pass(84.5, 84.0, 84.25, None),)),), exclusive=True
    ),
)


def report() -> pytest.TestReport:
    return pytest.TestReport(RECORD.nodeid, ("test_predict.py", 1, "test_predict"), {}, "passed", None, "call")


@pytest.fixture
def config(pytester: pytest.Pytester) -> pytest.Config:
    config = pytester.parseconfig()
    config.pluginmanager.register(record_transport)
    return config


def over_xdist(config: pytest.Config, sent: pytest.TestReport) -> pytest.TestReport:
    """What the controller makes of a worker's report."""
    data = config.hook.pytest_report_to_serializable(config=config, report=sent)
    received = execnet.loads(execnet.dumps(data))
    back = config.hook.pytest_report_from_serializable(config=config, data=received)
    assert isinstance(back, pytest.TestReport)
    return back


def test_a_record_comes_with_the_report_of_its_test() -> None:
    sent = report()
    put_record(sent, RECORD)
    assert get_record(sent) is RECORD


def test_it_survives_the_way_from_a_worker_to_its_controller(config: pytest.Config) -> None:
    sent, other = report(), report()
    put_record(sent, RECORD)
    put_record(other, CellRecord(CellKey("tk1", "vgg16", 1), "test_predict.py::other", Outcome.NEW))
    received = over_xdist(config, sent)
    assert is_from_cell(received)
    assert get_record(received) == RECORD


def test_a_gated_test_without_a_record_is_distinguished_from_any_other_test(config: pytest.Config) -> None:
    gated, other = report(), report()
    put_record(gated, None)
    assert is_from_cell(over_xdist(config, gated))
    assert get_record(over_xdist(config, gated)) is None
    assert not is_from_cell(over_xdist(config, other))
