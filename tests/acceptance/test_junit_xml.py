"""JUnit XML: each testcase has the properties of its cell, once, whatever became of it."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest
from bench_project import SQUEEZENET, BenchProject, TableServer
from scripted_deepdetect import internal_error
from workers import plain_and_xdist

if TYPE_CHECKING:
    from pathlib import Path

B1, B8 = "test_predict[tk1-squeezenet_v1.1-b1]", "test_predict[tk1-squeezenet_v1.1-b8]"
XML = "--junitxml=junit.xml"


def properties(project: BenchProject) -> list[tuple[str, dict[str, str]]]:
    """Of each testcase its name and its properties, none of which it has twice."""
    cases = []
    for case in ET.parse(project.path / "junit.xml").getroot().iter("testcase"):  # noqa: S314 - written by this run
        assert len(case.findall("properties")) <= 1
        pairs = [(str(one.get("name")), str(one.get("value"))) for one in case.iterfind("properties/property")]
        assert len(pairs) == len(dict(pairs))
        cases.append((str(case.get("name")), dict(pairs)))
    return sorted(cases, key=lambda case: case[0])


def write_test(project: BenchProject, text: str) -> Path:
    path = project.path / "benchmarks" / "test_predict.py"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(("how", "family"), [("-n0", "xunit1"), pytest.param("-n1", "xunit2", marks=pytest.mark.slow)])
def test_a_cell_that_passed_and_one_that_regressed(tk1: BenchProject, how: str, family: str) -> None:
    tk1.server.slow("squeezenet_v1.1", 8, 1.3)  # measured several times until that is sure
    tk1.run(*SQUEEZENET, XML, how, "-o", f"junit_family={family}")
    (name1, b1), (name8, b8) = properties(tk1)
    assert (name1, name8) == (B1, B8)
    records = {record.key.batch_size: record for record in tk1.records()}
    for size, read in ((1, b1), (8, b8)):
        record = records[size]
        assert record.now_ms is not None
        assert record.change is not None
        assert record.baseline_ms is not None
        assert record.measurement is not None
        assert float(read["ms_per_image"]) == pytest.approx(record.now_ms, rel=1e-5)
        assert float(read["baseline_ms_per_image"]) == pytest.approx(record.baseline_ms, rel=1e-5)
        assert float(read["limit_percent"]) >= float(read["tolerance_percent"]) == 10
        assert float(read["change_percent"]) == pytest.approx(record.change * 100, abs=0.005)
        assert read["rounds"] == str(len(record.measurement.rounds))
    common = {"platform": "tk1", "model": "squeezenet_v1.1", "clock": "predict", "server_version": "v0.28.0"}
    assert b1.items() >= (common | {"batch_size": "1", "verdict": "ok", "rounds": "1"}).items()
    assert b8.items() >= (common | {"batch_size": "8", "verdict": "regressed"}).items()
    assert int(b8["rounds"]) > 1


@plain_and_xdist
def test_a_cell_that_was_skipped_and_one_that_could_not_be_measured(tk1: BenchProject, how: tuple[str, ...]) -> None:
    tk1.server.fault = lambda _: internal_error()
    tk1.run("--ddperf-models=squeezenet_v1.1,vgg16", "--ddperf-batch-sizes=8", XML, *how)
    (name, broken), (_, unavailable) = properties(tk1)
    assert name == B8
    assert broken["verdict"] == "error"
    assert broken["batch_size"] == "8"
    assert not broken.keys() & {"ms_per_image", "change_percent", "clock"}
    assert unavailable == {"platform": "tk1", "model": "vgg16", "batch_size": "8", "verdict": "unavailable"}


def test_a_cell_whose_service_is_missing(tk1: BenchProject) -> None:
    with TableServer("tk1", services=[]) as server:
        tk1.server = server
        tk1.run("--ddperf-models=googlenet", "--ddperf-batch-sizes=1", "--ddperf-missing-service=skip", XML)
    ((_, read),) = properties(tk1)
    assert read["verdict"] == "unavailable"


def test_a_cell_that_is_new(tk1: BenchProject) -> None:
    tk1.run("--ddperf-models=squeezenet_v1.1", "--ddperf-batch-sizes=3", XML)
    ((_, read),) = properties(tk1)
    assert read["verdict"] == "new"
    assert not read.keys() & {"baseline", "baseline_ms_per_image", "change_percent"}


def test_a_cell_that_could_not_be_confirmed(tk1: BenchProject) -> None:
    marked = "n = {}\n\ndef test_predict(ddperf, once):\n    ddperf.measure()\n"
    fixture = (
        "import pytest\n\n@pytest.fixture\ndef once(request):\n    n[request.node.name] = request.node.name in n\n"
    )
    fixture += "    assert not n[request.node.name]\n\n"
    write_test(tk1, fixture + marked)
    tk1.server.slow("squeezenet_v1.1", 8, 1.3)
    tk1.run(*SQUEEZENET, XML)
    (_, b1), (_, b8) = properties(tk1)
    assert (b1["verdict"], b8["verdict"]) == ("ok", "error")
    assert float(b8["ms_per_image"]) == pytest.approx(69.8, abs=0.1)


def test_a_failing_teardown_is_a_testcase_with_properties_of_its_own(tk1: BenchProject) -> None:
    fixture = "import pytest\n\n@pytest.fixture\ndef broken():\n    yield\n    assert 0\n\n"
    write_test(
        tk1, f"{fixture}def test_predict(ddperf, broken):\n    ddperf.measure()\n    assert ddperf.batch_size == 1\n"
    )
    tk1.run(*SQUEEZENET, XML)
    cases = properties(tk1)
    assert [name for name, _ in cases] == [B1, B8, B8]  # a failure and an error make two, says JUnit's schema
    assert [read["verdict"] for _, read in cases] == ["ok"] * 3


def test_properties_of_the_users_own_stay(tk1: BenchProject) -> None:
    write_test(
        tk1, "def test_predict(ddperf, record_property):\n    record_property('board', 'A1')\n    ddperf.measure()\n"
    )
    tk1.server.slow("squeezenet_v1.1", 8, 1.3)
    tk1.run(*SQUEEZENET, XML, "-o", "junit_family=xunit1")
    assert [(read["board"], read["verdict"]) for _, read in properties(tk1)] == [("A1", "ok"), ("A1", "regressed")]


def test_other_tests_have_none(tk1: BenchProject) -> None:
    (tk1.path / "benchmarks" / "test_other.py").write_text("def test_other():\n    pass\n", encoding="utf-8")
    tk1.run(*SQUEEZENET, XML)
    assert dict(properties(tk1))["test_other"] == {}


def test_without_a_measurement_there_is_no_verdict(tk1: BenchProject) -> None:
    tk1.run(*SQUEEZENET, XML, "--benchmark-disable")
    assert [read for _, read in properties(tk1)] == [{}, {}]
