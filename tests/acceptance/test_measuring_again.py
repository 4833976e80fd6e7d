"""Cells that are undecided after a round: measured again at the end of their platform's cells, and one verdict each."""

from __future__ import annotations

import json
import re
import signal
import time
from collections import Counter
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest
from bench_project import BenchProject, TableServer
from workers import plain_and_xdist

from pytest_ddperf.history.run_file import list_runs

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench_project import FinishedRun, RunOnce

    from pytest_ddperf.core.records import CellRecord

Cell = tuple[str, int]

CELLS = ("--ddperf-models=googlenet,squeezenet_v1.1", "--ddperf-batch-sizes=1,8")
G1, G8, S1, S8 = ("googlenet", 1), ("googlenet", 8), ("squeezenet_v1.1", 1), ("squeezenet_v1.1", 8)
IN_ORDER = [G1, G8, S1, S8]
PREDICTIONS = 6
"""Of a round: a warm-up and five passes."""


def script(server: TableServer, cell: Cell, factor: Callable[[int], float]) -> None:
    """Let a cell take `factor(round)` times as long as the table says; rounds from 1."""
    usual, calls = server.latency_ms, Counter[Cell]()

    def latency_ms(service: str, batch_size: int) -> float:
        calls[service, batch_size] += 1
        slower = factor((calls[cell] - 1) // PREDICTIONS + 1) if (service, batch_size) == cell else 1.0
        return usual(service, batch_size) * slower

    server.latency_ms = latency_ms


def accident(server: TableServer, cell: Cell, factor: float = 1.5) -> None:
    """Let only the first round of a cell be slower."""
    script(server, cell, lambda number: factor if number == 1 else 1.0)


def measured(server: TableServer) -> list[Cell]:
    """The rounds in the order in which they were measured, by cell."""
    rounds = [(one.service, one.batch) for one in server.predictions[::PREDICTIONS]]
    assert len(server.predictions) == PREDICTIONS * len(rounds)
    return rounds


def final(project: BenchProject) -> dict[str, CellRecord]:
    """The last record of each cell, by its name without the platform."""
    return {str(record.key).partition("-")[2]: record for record in project.records()}


def verdicts(project: BenchProject) -> dict[str, str]:
    return {name: str(record.outcome) for name, record in final(project).items()}


def rounds_of(record: CellRecord) -> list[list[float]]:
    assert record.measurement is not None
    return record.measurement.per_image_ms()


def write(project: BenchProject, text: str, name: str = "benchmarks/test_predict.py") -> None:
    (project.path / name).write_text(text, encoding="utf-8")


def said(project: BenchProject, name: str = "log.txt") -> list[str]:
    """What the tests and fixtures of a project wrote, in order."""
    path = project.path / name
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


SAY = """
from pathlib import Path
import pytest

LOG = Path(__file__).parents[1] / "log.txt"

def say(what):
    with LOG.open("a") as log:
        print(what, file=log)
"""


def run_slower(tk1: BenchProject) -> pytest.RunResult:
    tk1.server.slow(*G8, 1.5)
    return tk1.run(*CELLS, "--junitxml=junit.xml", "--benchmark-json=out.json")


def run_slower_verbosely(tk1: BenchProject) -> pytest.RunResult:
    tk1.server.slow(*G8, 1.5)
    return tk1.run(*CELLS, "-v")


def run_accident(tk1: BenchProject) -> pytest.RunResult:
    accident(tk1.server, G8)
    return tk1.run(*CELLS, "--junitxml=junit.xml")


@pytest.fixture
def slower(run_once: RunOnce) -> FinishedRun:
    """A run in which googlenet at batch size 8 is 50 % slower."""
    return run_once(run_slower)


@pytest.fixture
def slower_verbosely(run_once: RunOnce) -> FinishedRun:
    """The same with -v."""
    return run_once(run_slower_verbosely)


@pytest.fixture
def slow_at_first(run_once: RunOnce) -> FinishedRun:
    """A run in which googlenet at batch size 8 is slower in its first round only."""
    return run_once(run_accident)


class TestRegressed:
    def test_a_regressed_cell_is_measured_again_behind_the_platforms_other_cells(self, slower: FinishedRun) -> None:
        rounds = measured(slower.project.server)
        assert rounds[:4] == IN_ORDER
        assert set(rounds[4:]) == {G8}
        assert 2 <= len(rounds[4:]) <= 5

    def test_it_fails_once_as_an_ordinary_failure(self, slower: FinishedRun) -> None:
        result = slower.result
        assert result.ret == pytest.ExitCode.TESTS_FAILED
        result.assert_outcomes(passed=3, failed=1)
        assert verdicts(slower.project) == {
            "googlenet-b1": "ok",
            "googlenet-b8": "regressed",
            "squeezenet_v1.1-b1": "ok",
            "squeezenet_v1.1-b8": "ok",
        }
        assert re.search(r"= 1 failed, 3 passed in ", result.outlines[-1])
        failed = [line for line in result.outlines if line.startswith("FAILED")]
        assert len(failed) == 1
        assert failed[0].endswith("::test_predict[tk1-googlenet-b8]")

    def test_junit_has_one_testcase_a_cell_and_one_failure(self, slower: FinishedRun) -> None:
        totals, cases = slower.project.junit()
        assert totals == {"tests": "4", "failures": "1", "errors": "0", "skipped": "0"}
        assert cases == {
            f"test_predict[tk1-{name}]": 1
            for name in ("googlenet-b1", "googlenet-b8", "squeezenet_v1.1-b1", "squeezenet_v1.1-b8")
        }

    def test_an_undecided_round_has_no_letter(self, slower: FinishedRun) -> None:
        slower.result.stdout.re_match_lines([r"benchmarks/test_predict.py \.\.\.F +\[100%\]$"])

    def test_an_undecided_round_has_a_line_with_the_value_so_far_under_v(self, slower_verbosely: FinishedRun) -> None:
        result = slower_verbosely.result
        said = [line for line in result.outlines if line.startswith("ddperf: tk1-googlenet-b8: ")]
        assert len(said) == measured(slower_verbosely.project.server).count(G8) - 1
        assert re.match(r"ddperf: tk1-googlenet-b8: \d+ ms/img \+\d\d\.\d % .*undecided", said[0])
        results = [line for line in result.outlines if "[tk1-googlenet-b8]" in line and " FAILED " in f" {line}"]
        assert len(results) == 2  # as the test ends, and in the short summary

    def test_the_percentage_counts_a_cell_when_it_is_done(self, slower_verbosely: FinishedRun) -> None:
        lines = slower_verbosely.result.outlines
        shown = [int(found.group(1)) for line in lines if (found := re.search(r"\[ *(\d+)%\]$", line))]
        assert shown == [25, 50, 75, 100]

    def test_the_platforms_last_cell_may_be_the_regressed_one(self, tk1: BenchProject) -> None:
        tk1.server.slow(*S8, 1.5)
        result = tk1.run(*CELLS, "--junitxml=junit.xml")
        result.assert_outcomes(passed=3, failed=1)
        assert tk1.junit()[0]["tests"] == "4"

    def test_its_record_holds_all_rounds(self, slower: FinishedRun) -> None:
        rounds = rounds_of(final(slower.project)["googlenet-b8"])
        assert [len(one) for one in rounds] == [5] * measured(slower.project.server).count(G8)

    def test_pytest_benchmark_stores_it_once_with_all_passes(self, slower: FinishedRun) -> None:
        benchmarks = slower.project.json("out.json")["benchmarks"]
        stored = {one["param"]: one["stats"]["rounds"] for one in benchmarks}
        assert len(benchmarks) == len(stored) == 4
        assert stored["tk1-googlenet-b8"] == 5 * measured(slower.project.server).count(G8)


class TestAccident:
    def test_a_cell_slow_in_its_first_round_only_passes(self, slow_at_first: FinishedRun) -> None:
        assert slow_at_first.result.ret == pytest.ExitCode.OK
        slow_at_first.result.assert_outcomes(passed=4)
        totals, cases = slow_at_first.project.junit()
        assert totals == {"tests": "4", "failures": "0", "errors": "0", "skipped": "0"}
        assert set(cases.values()) == {1}
        assert verdicts(slow_at_first.project)["googlenet-b8"] == "ok"

    def test_its_record_holds_the_slow_round_too(self, slow_at_first: FinishedRun) -> None:
        first, *later = rounds_of(final(slow_at_first.project)["googlenet-b8"])
        assert later
        assert all(min(first) > 1.4 * max(one) for one in later)

    def test_nothing_of_it_is_left_for_lf(self, tk1: BenchProject) -> None:
        accident(tk1.server, G8)
        tk1.run(*CELLS)
        result = tk1.run(*CELLS, "--lf")
        result.assert_outcomes(passed=4)

    def test_a_service_that_was_deleted_meanwhile_is_created_again(self, tk1: BenchProject) -> None:
        with TableServer("tk1", services=[]) as server:
            tk1.server = server
            usual = server.latency_ms
            googlenet = Counter[str]()

            def latency_ms(service: str, batch_size: int) -> float:
                googlenet[service] += 1
                slow = (service, batch_size) == G1 and googlenet[service] <= PREDICTIONS + 1
                return usual(service, batch_size) * (1.5 if slow else 1.0)

            server.latency_ms = latency_ms
            result = tk1.run(*CELLS, "--ddperf-repository=/srv/models/{model}")
            result.assert_outcomes(passed=4)
            created = [one.path for one in server.asked("PUT") + server.asked("POST", "/services")]
            assert created == ["/services/googlenet", "/services/squeezenet_v1.1", "/services/googlenet"]
            assert server.services == []
        record = final(tk1)["googlenet-b1"]
        assert len(rounds_of(record)) == 2
        assert record.measurement is not None
        assert record.measurement.cold_start.create_ms is not None
        assert record.measurement.cold_start.first_predict_ms is not None

    def test_unchanged_cells_are_green_after_five_passes(self, slow_at_first: FinishedRun) -> None:
        counted = Counter(measured(slow_at_first.project.server))
        assert {cell: counted[cell] for cell in (G1, S1, S8)} == {G1: 1, S1: 1, S8: 1}

    def test_a_run_without_an_undecided_cell_measures_each_once(self, tk1: BenchProject) -> None:
        result = tk1.run(*CELLS)
        assert measured(tk1.server) == IN_ORDER
        assert " remeasure" not in result.outlines[-1]


class TestRounds:
    @plain_and_xdist
    def test_several_undecided_cells_take_turns(self, tk1: BenchProject, how: tuple[str, ...]) -> None:
        for cell in (G1, S1, S8):
            tk1.server.slow(*cell, 1.5)
        tk1.run(*CELLS, *how).assert_outcomes(passed=1, failed=3)
        rounds = measured(tk1.server)
        assert rounds[:10] == [*IN_ORDER, G1, S1, S8, G1, S1, S8]

    def test_a_cell_that_is_decided_leaves_the_others_to_themselves(self, tk1: BenchProject) -> None:
        tk1.server.slow(*G1, 1.5)
        accident(tk1.server, S1)
        tk1.run(*CELLS).assert_outcomes(passed=3, failed=1)
        assert measured(tk1.server)[:7] == [*IN_ORDER, G1, S1, G1]

    def test_a_cell_is_measured_six_times_at_the_most(self, tk1: BenchProject) -> None:
        factors = (1.12, 1.3, 1.16, 1.28, 1.14, 1.22)
        script(tk1.server, G8, lambda number: factors[number - 1])
        tk1.run(*CELLS, "-W", "ignore")
        assert measured(tk1.server) == [*IN_ORDER, *[G8] * 5]
        assert verdicts(tk1)["googlenet-b8"] != "remeasure"

    def test_each_round_is_kept(self, slow_at_first: FinishedRun) -> None:
        (path,) = list_runs(slow_at_first.project.path / ".ddperf")
        written = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        own = [
            line["outcome"] for line in written if line["type"] == "cell" and line["nodeid"].endswith("googlenet-b8]")
        ]
        assert own == ["remeasure", "ok"]


class TestStopping:
    @pytest.mark.parametrize(
        ("how", "option"),
        [
            pytest.param((), "-x", id="x"),
            pytest.param((), "--maxfail=1", id="maxfail"),
            pytest.param(("-n1",), "-x", id="x with xdist", marks=pytest.mark.slow),
        ],
    )
    def test_a_run_that_stops_at_a_failure_stops_at_the_first_final_one(
        self, tk1: BenchProject, how: tuple[str, ...], option: str
    ) -> None:
        tk1.server.slow(*G1, 1.5)
        tk1.server.slow(*S1, 1.5)
        result = tk1.run(*CELLS, option, "--junitxml=junit.xml", *how)
        assert result.ret == (pytest.ExitCode.INTERRUPTED if how else pytest.ExitCode.TESTS_FAILED)
        assert verdicts(tk1) == {
            "googlenet-b1": "regressed",
            "googlenet-b8": "ok",
            "squeezenet_v1.1-b1": "not_confirmed",
            "squeezenet_v1.1-b8": "ok",
        }
        result.assert_outcomes(passed=2, failed=2)
        result.stdout.fnmatch_lines(["*tk1-squeezenet_v1.1-b1: not confirmed. *Run the cell again.*"])
        totals, cases = tk1.junit()
        assert totals == {"tests": "4", "failures": "2", "errors": "0", "skipped": "0"}
        assert set(cases.values()) == {1}

    def test_an_error_stops_it_before_any_cell_is_measured_again(self, tk1: BenchProject) -> None:
        tk1.server.slow(*G1, 1.5)
        tk1.server.wrong = lambda prediction, answered: answered[1:] if prediction.batch == 8 else answered
        result = tk1.run(*CELLS, "-x")
        result.assert_outcomes(failed=2)
        assert verdicts(tk1) == {"googlenet-b1": "not_confirmed", "googlenet-b8": "error"}
        assert {(one.service, one.batch) for one in tk1.server.predictions} == {G1, G8}

    def test_a_cell_that_was_not_confirmed_runs_with_lf(self, tk1: BenchProject) -> None:
        tk1.server.slow(*G1, 1.5)
        tk1.server.slow(*S1, 1.5)
        tk1.run(*CELLS, "-x")
        tk1.run(*CELLS, "--lf").assert_outcomes(failed=2)
        assert verdicts(tk1) == {"googlenet-b1": "regressed", "squeezenet_v1.1-b1": "regressed"}

    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("rounds", "how"),
        [
            pytest.param(3, (), id="in a first round"),
            pytest.param(5, (), id="in a later round"),
            pytest.param(5, ("-n1",), id="in a worker's later round"),
        ],
    )
    def test_ctrl_c_fails_the_undecided_and_keeps_what_was_measured(
        self, tk1: BenchProject, rounds: int, how: tuple[str, ...]
    ) -> None:
        tk1.server.slow(*G1, 1.5)
        tk1.server.slow(*G8, 1.5)
        usual, reached = tk1.server.latency_ms, []

        def latency_ms(service: str, batch_size: int) -> float:
            if len(tk1.server.predictions) == rounds * PREDICTIONS + 2:
                tk1.server._delay_s = 30.0
                reached.append(True)
            return usual(service, batch_size)

        tk1.server.latency_ms = latency_ms
        process = tk1.start(*CELLS, "--benchmark-json=out.json", "--junitxml=junit.xml", *how)
        deadline = time.monotonic() + 60
        while not reached:
            assert process.poll() is None, process.communicate()[0]
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=60)
        assert process.returncode == pytest.ExitCode.INTERRUPTED, output
        assert output.count(": not confirmed. ") == 1  # the cause is reported once
        assert "The same cause as tk1-googlenet-b1." in output
        done = {"googlenet-b1": "not_confirmed", "googlenet-b8": "not_confirmed", "squeezenet_v1.1-b1": "ok"}
        assert verdicts(tk1) == done | ({"squeezenet_v1.1-b8": "ok"} if rounds == 5 else {})
        stored = [one["param"] for one in tk1.json("out.json")["benchmarks"]]
        assert stored == [f"tk1-{name}" for name in verdicts(tk1)]
        assert len(rounds_of(final(tk1)["googlenet-b1"])) == (2 if rounds == 5 else 1)
        totals, _ = tk1.junit()
        assert totals["failures"] == "2"


KILL = (
    SAY
    + """
import os, signal

@pytest.fixture(autouse=True)
def die(request):
    say(request.node.nodeid)
    if LOG.read_text().splitlines().count(request.node.nodeid) == {attempt} and "{cell}]" in request.node.nodeid:
        os.kill(os.getpid(), signal.SIGKILL)
"""
)


@pytest.mark.slow
class TestKilledWorker:
    def test_in_a_first_round_the_undecided_cells_before_it_are_not_confirmed(self, tk1: BenchProject) -> None:
        tk1.server.slow(*G1, 1.5)
        write(tk1, KILL.format(attempt=1, cell="squeezenet_v1.1-b1"), "benchmarks/conftest.py")
        result = tk1.run(*CELLS, "-n1", "--junitxml=junit.xml")
        assert result.ret == pytest.ExitCode.TESTS_FAILED
        result.assert_outcomes(passed=2, failed=2)
        assert verdicts(tk1) == {
            "googlenet-b1": "not_confirmed",
            "googlenet-b8": "ok",
            "squeezenet_v1.1-b1": "crashed",
            "squeezenet_v1.1-b8": "ok",
        }
        result.stdout.fnmatch_lines(["*tk1-googlenet-b1: not confirmed. *"])
        assert set(tk1.junit()[1].values()) == {1}

    def test_in_a_later_round_no_undecided_cell_passes(self, tk1: BenchProject) -> None:
        tk1.server.slow(*G1, 1.5)
        tk1.server.slow(*S1, 1.5)
        write(tk1, KILL.format(attempt=2, cell="googlenet-b1"), "benchmarks/conftest.py")
        result = tk1.run(*CELLS, "-n1")
        assert result.ret == pytest.ExitCode.TESTS_FAILED
        assert verdicts(tk1) == {
            "googlenet-b1": "crashed",
            "googlenet-b8": "ok",
            "squeezenet_v1.1-b1": "not_confirmed",
            "squeezenet_v1.1-b8": "ok",
        }
        result.stdout.fnmatch_lines(["tk1-googlenet-b1 crashed: *", "*tk1-squeezenet_v1.1-b1: not confirmed. *"])

    def test_while_it_measures_its_last_cell_again_that_one_fails_once(self, tk1: BenchProject) -> None:
        tk1.server.slow(*S8, 1.5)
        write(tk1, KILL.format(attempt=2, cell="squeezenet_v1.1-b8"), "benchmarks/conftest.py")
        result = tk1.run(*CELLS, "-n1")
        result.assert_outcomes(passed=3, failed=1)
        assert verdicts(tk1)["squeezenet_v1.1-b8"] == "crashed"


class TestSelecting:
    @plain_and_xdist
    def test_lf_runs_the_regressed_cell_alone_to_a_verdict(self, tk1: BenchProject, how: tuple[str, ...]) -> None:
        tk1.server.slow(*G8, 1.5)
        tk1.run(*CELLS, *how)
        tk1.server.predictions.clear()
        tk1.run(*CELLS, "--lf", *how).assert_outcomes(failed=1)
        assert verdicts(tk1) == {"googlenet-b8": "regressed"}
        assert set(measured(tk1.server)) == {G8}

    def test_a_single_cell_by_k(self, tk1: BenchProject) -> None:
        tk1.server.slow(*G8, 1.5)
        tk1.run("-k", "googlenet and b8").assert_outcomes(failed=1, deselected=103)
        assert verdicts(tk1) == {"googlenet-b8": "regressed"}

    def test_a_single_cell_by_its_node_id(self, tk1: BenchProject) -> None:
        tk1.server.slow(*G8, 1.5)
        nodeid = "benchmarks/test_predict.py::test_predict[tk1-googlenet-b8]"
        tk1.bare(nodeid, *tk1.where).assert_outcomes(failed=1)

    @pytest.mark.parametrize(("factor", "outcome"), [(1.5, "xfailed"), (1.0, "failed")])
    def test_strict_xfail_expects_the_final_verdict(self, tk1: BenchProject, factor: float, outcome: str) -> None:
        tk1.server.slow(*G8, factor)
        marked = "import pytest\n\n\n@pytest.mark.xfail(strict=True)\ndef test_predict(ddperf):\n    ddperf.measure()\n"
        write(tk1, marked)
        result = tk1.run("--ddperf-models=googlenet", "--ddperf-batch-sizes=8")
        result.assert_outcomes(**{outcome: 1})
        assert verdicts(tk1) == {"googlenet-b8": "regressed" if factor > 1 else "ok"}

    def test_an_accident_does_not_satisfy_strict_xfail(self, tk1: BenchProject) -> None:
        accident(tk1.server, G8)
        marked = "import pytest\n\n\n@pytest.mark.xfail(strict=True)\ndef test_predict(ddperf):\n    ddperf.measure()\n"
        write(tk1, marked)
        tk1.run("--ddperf-models=googlenet", "--ddperf-batch-sizes=8").assert_outcomes(failed=1)


class TestPlatforms:
    @plain_and_xdist
    def test_each_platform_s_undecided_cells_run_at_the_end_of_its_own(
        self, tk1: BenchProject, tx1: TableServer, how: tuple[str, ...]
    ) -> None:
        tk1.server.slow(*G1, 1.5)
        accident(tx1, G8)
        urls = f"--ddperf-url=tk1={tk1.server.url},tx1={tx1.url}"
        result = tk1.bare("benchmarks", "--platform=tk1,tx1", urls, *CELLS, *how)
        result.assert_outcomes(passed=7, failed=1)
        first = measured(tk1.server)
        assert first[:4] == IN_ORDER
        assert set(first[4:]) == {G1}
        assert measured(tx1) == [*IN_ORDER, G8]

    def test_a_platform_is_done_before_the_next_one_begins(self, tk1: BenchProject, tx1: TableServer) -> None:
        tk1.server.slow(*G1, 1.5)
        urls = f"--ddperf-url=tk1={tk1.server.url},tx1={tx1.url}"
        tk1.bare("benchmarks", "--platform=tk1,tx1", urls, *CELLS)
        assert [record.key.platform for record in tk1.records()][-4:] == ["tx1"] * 4
        assert "tx1" not in [record.key.platform for record in tk1.records()][:-4]


SCOPES = (
    SAY
    + """
import os

@pytest.fixture(scope="session", autouse=True)
def for_session():
    say("session up")
    yield
    say("session down")

@pytest.fixture(scope="module")
def for_module():
    say("module up")
    yield
    say("module down")

@pytest.fixture(scope="class")
def for_class():
    say("class up")
    yield
    say("class down")

@pytest.fixture
def for_test():
    say("test up")
    yield
    say("test down")

class TestMine:
    def test_mine(self, for_module, for_class, for_test, ddperf):
        ddperf.measure()
"""
)


class TestFixtures:
    @pytest.mark.parametrize(("cell", "how"), [(G1, ()), (S8, ()), pytest.param(S8, ("-n1",), marks=pytest.mark.slow)])
    def test_wider_scopes_are_set_up_once_and_torn_down_once(
        self, tk1: BenchProject, how: tuple[str, ...], cell: Cell
    ) -> None:
        tk1.server.slow(*cell, 1.5)
        write(tk1, SCOPES)
        tk1.run(*CELLS, *how).assert_outcomes(passed=3, failed=1)
        attempts = len(measured(tk1.server))
        assert attempts > 4
        log = said(tk1)
        assert log == [
            *["session up", "module up", "class up"],
            *["test up", "test down"] * attempts,
            *["class down", "module down", "session down"],
        ]

    def test_a_fixture_of_the_test_may_fail_when_it_is_measured_again(self, tk1: BenchProject) -> None:
        fixture = "@pytest.fixture(autouse=True)\ndef once(request):\n    say(request.node.name)\n"
        fixture += "    assert LOG.read_text().splitlines().count(request.node.name) == 1\n"
        write(tk1, SAY + fixture, "benchmarks/conftest.py")
        tk1.server.slow(*G8, 1.5)
        result = tk1.run(*CELLS, "--junitxml=junit.xml")
        result.assert_outcomes(passed=3, errors=1)
        assert verdicts(tk1)["googlenet-b8"] == "error"
        assert tk1.junit()[0]["errors"] == "1"

    def test_a_fixture_that_skips_when_it_is_measured_again_does_not_let_it_pass(self, tk1: BenchProject) -> None:
        fixture = "@pytest.fixture(autouse=True)\ndef once(request):\n    say(request.node.name)\n"
        fixture += "    if LOG.read_text().splitlines().count(request.node.name) > 1: pytest.skip('no')\n"
        write(tk1, SAY + fixture, "benchmarks/conftest.py")
        tk1.server.slow(*G8, 1.5)
        result = tk1.run(*CELLS)
        assert result.ret == pytest.ExitCode.TESTS_FAILED
        result.assert_outcomes(passed=3, failed=1)
        assert verdicts(tk1)["googlenet-b8"] == "not_confirmed"

    def test_a_teardown_that_fails_is_an_error_and_the_cell_gets_its_verdict(self, tk1: BenchProject) -> None:
        fixture = "@pytest.fixture(autouse=True)\ndef once(request):\n    yield\n    say(request.node.name)\n"
        fixture += "    assert 'googlenet-b8' not in request.node.name or len(said()) > 2\n"
        fixture = "def said():\n    return LOG.read_text().splitlines()\n\n" + fixture
        write(tk1, SAY + fixture, "benchmarks/conftest.py")
        tk1.server.slow(*G8, 1.5)
        result = tk1.run(*CELLS)
        result.assert_outcomes(passed=3, failed=1, errors=1)
        assert verdicts(tk1)["googlenet-b8"] == "regressed"

    def test_properties_output_and_warnings_are_those_of_the_attempt_that_counts(self, tk1: BenchProject) -> None:
        body = "    record_property('mine', 'yes')\n    print('printed once')\n    warnings.warn('mind this')\n"
        text = f"import warnings\n\ndef test_predict(ddperf, record_property):\n{body}    ddperf.measure()\n"
        write(tk1, text)
        tk1.server.slow(*G8, 1.5)
        result = tk1.run(*CELLS, "--junitxml=junit.xml", "-o", "junit_family=xunit1", "-W", "always")
        suite = ET.parse(tk1.path / "junit.xml").getroot()[0]  # noqa: S314 - written by this run
        assert [len(case.findall(".//property[@name='mine']")) for case in suite] == [1] * 4
        assert result.outlines.count("printed once") == 1
        warned = Counter(line.strip() for line in result.outlines if line.strip().endswith("-b8]"))
        assert warned["benchmarks/test_predict.py::test_predict[tk1-squeezenet_v1.1-b8]"] == 1


class TestOwnTests:
    def test_a_test_that_fails_by_itself_after_measuring_fails_at_once(self, tk1: BenchProject) -> None:
        tk1.server.slow(*G8, 1.5)
        write(tk1, "def test_predict(ddperf):\n    ddperf.measure()\n    assert ddperf.batch_size < 8\n")
        result = tk1.run("--ddperf-models=googlenet", "--ddperf-batch-sizes=1,8", "--junitxml=junit.xml")
        result.assert_outcomes(passed=1, failed=1)
        result.stdout.fnmatch_lines(["E*assert 8 < 8"])
        result.stdout.no_fnmatch_line("*not confirmed*")
        assert measured(tk1.server) == [G1, G8]
        assert verdicts(tk1) == {"googlenet-b1": "ok", "googlenet-b8": "error"}
        assert tk1.junit()[0] == {"tests": "2", "failures": "1", "errors": "0", "skipped": "0"}

    def test_a_test_that_fails_by_itself_in_a_later_round_fails_once(self, tk1: BenchProject) -> None:
        tk1.server.slow(*G8, 1.5)
        write(tk1, "def test_predict(ddperf):\n    assert len(ddperf.measure().rounds) < 2\n")
        result = tk1.run("--ddperf-models=googlenet", "--ddperf-batch-sizes=1,8", "--junitxml=junit.xml")
        result.assert_outcomes(passed=1, failed=1)
        assert measured(tk1.server) == [G1, G8, G8]
        assert tk1.junit()[0]["failures"] == "1"

    def test_a_server_that_fails_in_a_later_round_is_an_error(self, tk1: BenchProject) -> None:
        tk1.server.slow(*G8, 1.5)
        tk1.server.wrong = lambda prediction, answered: answered[1:] if prediction.number > 24 else answered
        tk1.run(*CELLS).assert_outcomes(passed=3, failed=1)
        assert verdicts(tk1)["googlenet-b8"] == "error"

    @plain_and_xdist
    def test_tests_that_measure_nothing_are_untouched(self, tk1: BenchProject, how: tuple[str, ...]) -> None:
        def plain(name: str) -> str:
            return f"def test_{name}():\n    say('{name}')\n\n"

        gated = "def test_{}(ddperf):\n    say(ddperf.key)\n    ddperf.measure()\n\n"
        marked = '@pytest.mark.ddperf(models=["{}"], batch_sizes=[1])\n' + gated
        write(
            tk1,
            SAY
            + plain("before")
            + marked.format("googlenet", "one")
            + plain("between")
            + marked.format("squeezenet_v1.1", "two")
            + plain("after"),
        )
        tk1.server.slow(*G1, 1.5)
        result = tk1.run(*how)
        result.assert_outcomes(passed=4, failed=1)
        rounds = measured(tk1.server).count(G1)
        assert measured(tk1.server) == [G1, S1, *[G1] * (rounds - 1)]
        g1, s1 = "tk1-googlenet-b1", "tk1-squeezenet_v1.1-b1"
        if how:
            assert Counter(said(tk1)) == {"before": 1, g1: rounds, "between": 1, s1: 1, "after": 1}
        else:
            assert said(tk1) == ["before", g1, "between", s1, *[g1] * (rounds - 1), "after"]

    def test_setup_show_shows_a_cell_for_each_attempt(self, tk1: BenchProject) -> None:
        accident(tk1.server, G8)
        result = tk1.run(*CELLS, "--setup-show")
        shown = [line for line in result.outlines if "(fixtures used: ddperf" in line]
        assert len(shown) == len(measured(tk1.server)) == 5
