"""A worker or a board that dies takes nothing else with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from fleet import CELLS, NAMES, Fleet
from messages import assert_names
from scripted_server import Reply
from workers import plain_and_xdist

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bench_project import BenchProject, TableServer
    from scripted_server import Request

KILL = """
import os, signal
from pathlib import Path
import pytest

BEGUN = Path(__file__).with_name("begun")

@pytest.fixture(autouse=True)
def die(request):
    if {where!r} in request.node.nodeid:
        BEGUN.open("a").write("x")
        if len(BEGUN.read_text()) >= {begun}:
            os.kill(os.getpid(), signal.SIGKILL)
"""

DIE_AT_THE_START = """
import os, time
from pathlib import Path
import pytest

WORKER = os.environ.get("PYTEST_XDIST_WORKER", "")
COLLECTED = Path(__file__).with_name("collected")

@pytest.hookimpl(trylast=True)
def pytest_collection_finish():
    if WORKER == "gw0":
        COLLECTED.touch()

def pytest_collection():
    if WORKER not in {"", "gw0"}:
        while not COLLECTED.exists():
            time.sleep(0.05)
        time.sleep(0.5)  # until the controller has heard of it, too
        os._exit(137)
"""


@pytest.fixture
def two(tk1: BenchProject) -> Iterator[Fleet]:
    """Two boards."""
    with Fleet(tk1, "tx1") as boards:
        yield boards


def kill_worker(fleet: Fleet, where: str, begun: int = 1) -> None:
    """Let the worker die that begins a cell with that in its name, for the first time or a later one."""
    path = fleet.project.path / "benchmarks" / "conftest.py"
    path.write_text(KILL.format(where=where, begun=begun), encoding="utf-8")


def agrees(fleet: Fleet, failures: int) -> bool:
    """Whether JUnit has each cell once, and as many failures."""
    totals, cases = fleet.project.junit()
    names = {f"test_predict[{name}]": 1 for name in fleet.cells()}
    tests = str(len(names))
    return cases == names and totals == {"tests": tests, "failures": str(failures), "errors": "0", "skipped": "0"}


def at(server: TableServer, number: int, what: Callable[[], Reply | None]) -> None:
    """From the prediction of that number on, let a server answer nothing but what is given."""
    usual = server.respond

    def respond(request: Request) -> Reply:
        reply = what() if len(server.predictions) >= number else None
        return usual(request) if reply is None else reply

    server.respond = respond


@pytest.mark.slow
class TestWorker:
    @pytest.mark.parametrize("how", [("-n1",), ("-n2",)], ids=str)
    def test_the_cell_that_it_was_at_is_crashed_and_all_others_are_measured(
        self, two: Fleet, how: tuple[str, ...]
    ) -> None:
        kill_worker(two, "tk1-googlenet-b8")
        result = two.run(*how, "--junitxml=junit.xml", "--benchmark-json=out.json")
        assert result.ret == pytest.ExitCode.TESTS_FAILED
        result.assert_outcomes(passed=7, failed=1)
        assert two.project.verdicts() == two.cells() | {"tk1-googlenet-b8": "crashed"}
        assert agrees(two, failures=1)
        assert len(two.project.json("out.json")["benchmarks"]) == 7
        assert two.most_concurrent == two.alone
        said = "tk1-googlenet-b8 crashed: the worker that measured it on localhost:* died."
        result.stdout.fnmatch_lines([said, "8 cells: 7 ok, 1 crashed"])

    @pytest.mark.parametrize("how", [("-n1",), ("--tx=2*popen", "--dist=load")], ids=["-n1", "--tx"])
    def test_a_server_whose_cells_all_kill_their_worker_is_given_up(self, two: Fleet, how: tuple[str, ...]) -> None:
        kill_worker(two, "[tk1-")
        result = two.run(*how, "--junitxml=junit.xml")
        assert result.ret == pytest.ExitCode.TESTS_FAILED
        assert two.project.verdicts() == two.cells(tk1="crashed")
        assert agrees(two, failures=4)
        said = [line for line in result.outlines if line.startswith("tk1-") and " crashed: " in line]
        assert len([line for line in said if line.endswith(" died.")]) == 3
        assert said[3].startswith("tk1-squeezenet_v1.1-b8 crashed: it was not run, because 3 workers died")

    def test_without_restarts_the_cells_that_are_left_are_crashed(self, two: Fleet) -> None:
        kill_worker(two, "tk1-googlenet-b8")
        result = two.run("-n1", "--max-worker-restart=0", "--no-loadscope-reorder", "--junitxml=junit.xml")
        assert result.ret == pytest.ExitCode.TESTS_FAILED
        assert two.project.verdicts() == two.cells(tk1="crashed", tx1="crashed") | {"tk1-googlenet-b1": "ok"}
        assert agrees(two, failures=7)
        assert_names(result, "tx1-googlenet-b1 crashed", "no other was left", "--max-worker-restart")

    @pytest.mark.parametrize("restarts", [0, 1])
    def test_that_die_before_anything_is_handed_out_leave_no_green_run(self, two: Fleet, restarts: int) -> None:
        (two.project.path / "benchmarks" / "conftest.py").write_text(DIE_AT_THE_START, encoding="utf-8")
        result = two.run("-n2", f"--max-worker-restart={restarts}", "--junitxml=junit.xml", "--ddperf-accept")
        assert result.ret == pytest.ExitCode.TESTS_FAILED
        assert two.project.verdicts() == two.cells(tk1="crashed", tx1="crashed")
        assert agrees(two, failures=8)

    def test_what_was_measured_of_the_cell_before_is_kept(self, two: Fleet) -> None:
        two.project.server.slow("googlenet", 8, 1.5)
        kill_worker(two, "tk1-googlenet-b8", begun=2)
        two.run("-n1")
        record = next(one for one in two.project.records() if str(one.key) == "tk1-googlenet-b8")
        assert record.outcome == "crashed"
        assert record.measurement is not None
        assert len(record.measurement.rounds) == 1

    def test_tests_that_are_no_cells_fail_as_ever(self, two: Fleet) -> None:
        kill_worker(two, "test_other")
        (two.project.path / "benchmarks" / "test_z.py").write_text("def test_other(): pass\n", encoding="utf-8")
        result = two.run("-n1")
        result.assert_outcomes(passed=8, failed=1)
        assert two.project.verdicts() == two.cells()
        result.stdout.fnmatch_lines(["worker 'gw*' crashed while running 'benchmarks/test_z.py::test_other'"])


class TestServer:
    @plain_and_xdist
    def test_that_vanishes_leaves_its_cells_crashed_and_the_others_measured(
        self, two: Fleet, how: tuple[str, ...]
    ) -> None:
        server = two.project.server

        def gone() -> Reply:
            server._server.socket.close()  # nobody listens any more
            return Reply(drop=True)

        at(server, 9, gone)
        result = two.run(*how, "--junitxml=junit.xml")
        assert result.ret == pytest.ExitCode.TESTS_FAILED
        result.assert_outcomes(passed=5, failed=3)
        assert two.project.verdicts() == two.cells(tk1="crashed") | {"tk1-googlenet-b1": "ok"}
        assert agrees(two, failures=3)
        result.stdout.fnmatch_lines(
            ["tk1-googlenet-b8 crashed: *cut during a request*", "tk1-squeezenet_v1.1-b1 crashed: *is not back*"]
        )

    def test_that_is_not_there_any_more_is_asked_once_for_each_further_cell(self, two: Fleet) -> None:
        at(two.project.server, 9, lambda: Reply(drop=True))
        two.run()
        asked = [one.path for one in two.project.server.requests]
        dropped = asked[len(asked) - asked[::-1].index("/predict") :]
        assert dropped == ["/info"] * 4  # what was cut off and asked again, and one for each further cell

    def test_that_comes_back_is_measured_again(self, two: Fleet) -> None:
        drops = [Reply(drop=True)] * 2  # the first one might have hit a connection that was idle: it is asked again
        at(two.project.server, 9, lambda: drops.pop() if drops else None)
        result = two.run()
        result.assert_outcomes(passed=7, failed=1)
        assert two.project.verdicts() == two.cells() | {"tk1-googlenet-b8": "crashed"}

    def test_that_vanishes_before_a_cell_is_measured_again_leaves_it_crashed(self, two: Fleet) -> None:
        two.project.server.slow("googlenet", 1, 1.5)
        at(two.project.server, 4 * 6, lambda: Reply(drop=True))
        result = two.run("--junitxml=junit.xml")
        assert result.ret == pytest.ExitCode.TESTS_FAILED
        verdicts = two.project.verdicts()
        assert verdicts["tk1-googlenet-b1"] == "crashed"
        assert verdicts["tk1-googlenet-b8"] == "ok"
        assert agrees(two, failures=list(verdicts.values()).count("crashed"))

    def test_that_two_platforms_share_leaves_the_cells_of_both_crashed(self, tk1: BenchProject) -> None:
        at(tk1.server, 9, lambda: Reply(drop=True))
        urls = f"--ddperf-url=tk1={tk1.server.url},tx1={tk1.server.url}"
        tk1.bare("benchmarks", "--platform=tk1,tx1", urls, *CELLS)
        crashed = {f"{name}-{cell}": "crashed" for name in ("tk1", "tx1") for cell in NAMES}
        assert tk1.verdicts() == crashed | {"tk1-googlenet-b1": "ok"}

    def test_that_is_slow_and_still_there_is_an_error_and_no_crash(self, two: Fleet) -> None:
        two.project.server.fault = lambda prediction: Reply(200, {}, delay_s=0.5) if prediction.number == 9 else None
        two.run("--ddperf-timeout=0.2")
        assert two.project.verdicts() == two.cells() | {"tk1-googlenet-b8": "error"}
