"""A run that measures cells again, beside other pytest plugins: `tox -e plugins` installs them all.

Each run has an unchanged cell, one that is slow in its first round only, and one that is slow in every round: the last
two are deferred. What a plugin shows must be one result per cell, and what the run says must be what it says without.
"""

from __future__ import annotations

import html
import importlib.util
import json
import os
import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest
from bench_project import BenchProject, TableServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

CELLS = ("--ddperf-models=googlenet,squeezenet_v1.1", "--ddperf-batch-sizes=1,8")
OURS = ("benchmark", "xdist", "pytest_ddperf.plugin", "ddperf_platform")
PREDICTIONS = 6
"""Of a round: a warm-up and five passes."""

VERDICTS = {
    "tk1-googlenet-b1": "ok",
    "tk1-googlenet-b8": "regressed",
    "tk1-squeezenet_v1.1-b1": "ok",
    "tk1-squeezenet_v1.1-b8": "ok",
}
OUTCOMES = {cell: "failed" if verdict == "regressed" else "passed" for cell, verdict in VERDICTS.items()}

Shown = list[tuple[str, str]]
"""What a plugin shows: cells and their outcomes."""


def cell_in(name: str) -> str:
    """The cell in a test's name."""
    return name.partition("[")[2].partition("]")[0]


def shown_by_html(folder: Path) -> Shown:
    """The rows of pytest-html's page."""
    page = (folder / "r.html").read_text(encoding="utf-8")
    (blob,) = re.findall(r'data-jsonblob="([^"]*)"', page)
    tests = json.loads(html.unescape(blob))["tests"]
    return [(cell_in(one["testId"]), one["result"].lower()) for rows in tests.values() for one in rows]


def shown_by_json_report(folder: Path) -> Shown:
    """The tests of pytest-json-report's file; each has its three phases."""
    tests = json.loads((folder / "r.json").read_text(encoding="utf-8"))["tests"]
    assert all({"setup", "call", "teardown"} <= one.keys() for one in tests)
    return [(cell_in(one["nodeid"]), one["outcome"]) for one in tests]


def shown_by_allure(folder: Path) -> Shown:
    """The results that allure-pytest wrote, a file each."""
    results = [json.loads(path.read_text(encoding="utf-8")) for path in (folder / "allure").glob("*-result.json")]
    return [(cell_in(one["name"]), one["status"]) for one in results]


@dataclass(frozen=True)
class Other:
    """Another plugin.

    Args:
        name: of the case.
        modules: what is loaded, and what has to be installed.
        options: with which it has something to do.
        shown: reads what it shows; None where it shows nothing of its own.
    """

    name: str
    modules: tuple[str, ...]
    options: tuple[str, ...] = ()
    shown: Callable[[Path], Shown] | None = None

    @property
    def loaded(self) -> tuple[str, ...]:
        return tuple(word for module in self.modules for word in ("-p", module))


TIMEOUT = ("pytest_timeout",)
OTHERS = (
    Other("html", ("pytest_metadata.plugin", "pytest_html.plugin"), ("--html=r.html",), shown_by_html),
    Other("rerunfailures", ("pytest_rerunfailures",)),
    Other("rerunfailures-reruns", ("pytest_rerunfailures",), ("--reruns=2",)),
    Other(
        "json-report",
        ("pytest_metadata.plugin", "pytest_jsonreport.plugin"),
        ("--json-report", "--json-report-file=r.json"),
        shown_by_json_report,
    ),
    Other("timeout-signal", TIMEOUT, ("--timeout=60", "--timeout-method=signal")),
    Other("timeout-thread", TIMEOUT, ("--timeout=60", "--timeout-method=thread")),
    Other("randomly", ("pytest_randomly",), ("-p", "no:cacheprovider")),
    Other("sugar", ("pytest_sugar",), ("--force-sugar",)),
    Other("allure", ("allure_pytest.plugin",), ("--alluredir=allure",), shown_by_allure),
    Other("retry", ("pytest_retry.retry_plugin",)),
    Other("retry-retries", ("pytest_retry.retry_plugin",), ("--retries=1",)),
)


def is_installed(module: str) -> bool:
    return importlib.util.find_spec(module.partition(".")[0]) is not None


def cases(names: str = "") -> list[object]:
    """The plugins as parameters, those skipped that are not installed."""
    return [
        pytest.param(
            other,
            id=other.name,
            marks=pytest.mark.skipif(
                not all(map(is_installed, other.modules)), reason=f"{other.name} is not installed"
            ),
        )
        for other in OTHERS
        if not names or other.name in names.split()
    ]


how = pytest.mark.parametrize("how", [(), ("-n2",)], ids=["plain", "xdist"])


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[BenchProject]:
    """A project and its server; plugins are loaded by name, so that no other one that is installed has a say."""
    for name in os.environ:
        if name.startswith(("DDPERF_", "GITHUB_", "PYTEST_", "CI")) and name != "PYTEST_CURRENT_TEST":
            monkeypatch.delenv(name)
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with TableServer("tk1") as server:
        usual, asked = server.latency_ms, Counter[tuple[str, int]]()
        server.slow("googlenet", 8, 1.5)

        def latency_ms(service: str, batch_size: int) -> float:
            asked[service, batch_size] += 1
            accident = (service, batch_size) == ("squeezenet_v1.1", 1) and asked[service, batch_size] <= PREDICTIONS
            return usual(service, batch_size) * (1.5 if accident else 1.0)

        server.latency_ms = latency_ms
        yield BenchProject(pytester, server)


def run(project: BenchProject, other: Other, *args: str) -> pytest.RunResult:
    loaded = [word for module in OURS for word in ("-p", module)]
    return project.apart(*CELLS, *loaded, *other.loaded, *other.options, "--junitxml=junit.xml", *args)


def junit(project: BenchProject) -> Shown:
    """JUnit's testcases: each has one child for a failure, none where it passed."""
    suite = ET.parse(project.path / "junit.xml").getroot()[0]  # noqa: S314 - written by this run
    return [
        (cell_in(str(case.get("name"))), "passed" if not len(case.findall("*")) else case.findall("*")[-1].tag)
        for case in suite
    ]


@pytest.mark.parametrize("other", cases())
@how
def test_a_run_that_measures_again_is_the_same_beside_it(
    project: BenchProject, other: Other, how: tuple[str, ...]
) -> None:
    result = run(project, other, *how)
    output = result.stdout.str() + result.stderr.str()
    assert "INTERNALERROR" not in output
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert project.verdicts() == VERDICTS
    reported = dict(junit(project))
    assert len(junit(project)) == len(reported) == len(VERDICTS)
    assert {cell: "failed" if tag == "failure" else "passed" for cell, tag in reported.items()} == OUTCOMES
    if other.shown is not None:
        assert sorted(other.shown(project.path)) == sorted(OUTCOMES.items())


@pytest.mark.parametrize("other", cases())
def test_x_stops_at_the_first_regressed_cell_beside_it(project: BenchProject, other: Other) -> None:
    project.server.slow("squeezenet_v1.1", 8, 1.5)
    result = run(project, other, "-x")
    assert "INTERNALERROR" not in result.stdout.str() + result.stderr.str()
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    verdicts = Counter(project.verdicts().values())
    assert verdicts == {"ok": 2, "regressed": 1, "not_confirmed": 1}
    reported = dict(junit(project))
    assert len(junit(project)) == len(reported) == len(VERDICTS)
    assert Counter(reported.values())["failure"] == 2


KILL = """
import os, signal
from pathlib import Path
import pytest

BEGUN = Path(__file__).with_name("begun")

@pytest.fixture(autouse=True)
def die(request):
    if {where!r} in request.node.nodeid and not BEGUN.exists():
        BEGUN.touch()
        os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("other", cases())
def test_a_cell_whose_worker_dies_is_crashed_beside_it(project: BenchProject, other: Other) -> None:
    (project.path / "benchmarks" / "conftest.py").write_text(KILL.format(where="tk1-googlenet-b1"), encoding="utf-8")
    result = run(project, other, "-n1")
    assert "INTERNALERROR" not in result.stdout.str() + result.stderr.str()
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert project.verdicts()["tk1-googlenet-b1"] == "crashed"
    assert len(project.verdicts()) == len(VERDICTS)


@pytest.mark.parametrize("other", cases("rerunfailures-reruns"))
def test_another_test_whose_worker_dies_is_run_again_by_it(project: BenchProject, other: Other) -> None:
    (project.path / "benchmarks" / "conftest.py").write_text(KILL.format(where="test_mine"), encoding="utf-8")
    (project.path / "benchmarks" / "test_mine.py").write_text("def test_mine(): pass\n", encoding="utf-8")
    result = run(project, other, "-n2")
    assert "INTERNALERROR" not in result.stdout.str() + result.stderr.str()
    assert project.verdicts() == VERDICTS
    assert re.search(r"1 failed, 4 passed, .*1 rerun", result.stdout.str())


HANGS = """
import time

def test_predict(ddperf):
    time.sleep(600 if ddperf.batch_size == 8 else 0)
    ddperf.measure()
"""


@pytest.mark.parametrize("other", cases("timeout-signal"))
def test_a_cell_that_a_signal_ends_is_an_error(project: BenchProject, other: Other) -> None:
    (project.path / "benchmarks" / "test_predict.py").write_text(HANGS, encoding="utf-8")
    result = run(project, other, "--timeout=10", "--ddperf-models=googlenet")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert project.verdicts() == {"tk1-googlenet-b1": "ok", "tk1-googlenet-b8": "error"}


@pytest.mark.parametrize("other", cases("timeout-thread"))
def test_a_cell_whose_process_a_thread_ends_is_crashed_under_xdist(project: BenchProject, other: Other) -> None:
    (project.path / "benchmarks" / "test_predict.py").write_text(HANGS, encoding="utf-8")
    result = run(project, other, "--timeout=10", "--ddperf-models=googlenet", "-n1")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert project.verdicts() == {"tk1-googlenet-b1": "ok", "tk1-googlenet-b8": "crashed"}
