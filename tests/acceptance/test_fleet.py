"""Many boards at once: one client a server, and one result."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest
from fleet import CELLS, NAMES, Fleet
from messages import assert_names
from workers import plain_and_xdist

from pytest_ddperf.deepdetect.url import identify_server
from pytest_ddperf.servers.lock import ServerLock

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator

    from bench_project import BenchProject

pytestmark = pytest.mark.slow

PLATFORMS = ("tk1", "tx1", "nano", "raspi3")


@pytest.fixture
def fleet(tk1: BenchProject) -> Iterator[Fleet]:
    """Four boards."""
    with Fleet(tk1, *PLATFORMS[1:]) as boards:
        yield boards


@pytest.fixture
def two(tk1: BenchProject) -> Iterator[Fleet]:
    """Two boards."""
    with Fleet(tk1, "tx1") as boards:
        yield boards


def wait_for(what: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def ended(*runs: subprocess.Popen[str]) -> list[str]:
    """What the runs printed, when they have ended."""
    return [run.communicate(timeout=120)[0] for run in runs]


def results(fleet: Fleet) -> dict[str, tuple[str, int, float]]:
    """By cell, its verdict, how many rounds it took, and its time."""
    return {
        str(record.key): (str(record.outcome), len(record.measurement.rounds), round(record.now_ms or 0.0, 6))
        for record in fleet.project.records()
        if record.measurement is not None
    }


class TestOneResult:
    @pytest.mark.parametrize("how", ["-n0", "-n1", "-n3"])
    def test_the_verdicts_are_the_same_with_any_number_of_workers(self, fleet: Fleet, how: str) -> None:
        fleet.servers["tx1"].slow("googlenet", 8, 1.5)  # is measured again, until it is sure
        fleet.servers["raspi3"].slow("squeezenet_v1.1", 8, 0.5)
        fleet.run("-p", "no:xdist")
        alone = results(fleet)
        result = fleet.run(how)
        assert result.ret == pytest.ExitCode.TESTS_FAILED
        result.assert_outcomes(passed=15, failed=1)
        assert results(fleet) == alone
        odd = {"tx1-googlenet-b8": "regressed", "raspi3-squeezenet_v1.1-b8": "improved"}
        assert {name: verdict for name, (verdict, _, _) in alone.items()} == fleet.cells(nano="new") | odd
        assert fleet.most_concurrent == fleet.alone

    def test_there_is_one_json_one_history_and_a_table_a_platform(self, fleet: Fleet) -> None:
        result = fleet.run("-n2", "--benchmark-json=out.json", "--junitxml=junit.xml")
        assert result.ret == pytest.ExitCode.OK
        assert Counter(one["params"]["platform"] for one in fleet.project.json("out.json")["benchmarks"]) == Counter(
            dict.fromkeys(PLATFORMS, 4)
        )
        assert len(fleet.project.histories()) == 1
        tables = [line.partition(":")[0] for line in result.outlines if ". ms per image (" in line]
        assert tables == ["tx1", "nano", "tk1", "raspi3"]  # in the report's order
        assert result.outlines.count("16 cells: 12 ok, 4 new") == 1
        suite = ET.parse(fleet.project.path / "junit.xml").getroot()[0]  # noqa: S314 - written by this run
        assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("16", "0", "0")

    def test_the_urls_of_the_platform_file_suffice(self, fleet: Fleet) -> None:
        tables = [f'[platforms.{name}]\nurl = "{server.url}"\n' for name, server in fleet.servers.items()]
        (fleet.project.path / "ddperf.toml").write_text("".join(tables), encoding="utf-8")
        fleet.project.bare("benchmarks", f"--platform={','.join(PLATFORMS)}", *CELLS, "-n2").assert_outcomes(passed=16)

    def test_the_server_that_takes_longest_is_begun_first(self, fleet: Fleet) -> None:
        fleet.run("-n1")
        order = list(dict.fromkeys(record.key.platform for record in fleet.project.records()))
        assert order == ["raspi3", "nano", "tk1", "tx1"]

    def test_or_they_are_taken_in_the_order_of_the_command_line(self, fleet: Fleet) -> None:
        fleet.run("-n1", "--no-loadscope-reorder")
        assert list(dict.fromkeys(record.key.platform for record in fleet.project.records())) == list(PLATFORMS)


class TestDist:
    @pytest.mark.parametrize("dist", ["loadscope", "worksteal"])
    def test_another_way_to_distribute_is_overruled_and_that_is_said(self, two: Fleet, dist: str) -> None:
        two.delay(0.01)
        result = two.run("-n2", f"--dist={dist}")
        result.assert_outcomes(passed=8)
        assert two.most_concurrent == two.alone
        assert_names(result, "warning:", f"--dist {dist}")

    @pytest.mark.parametrize("how", [("-n3",), ("-n1", "--dist=no")], ids=str)
    def test_the_usual_way_needs_no_word(self, two: Fleet, how: tuple[str, ...]) -> None:
        two.delay(0.01)
        result = two.run(*how)
        result.assert_outcomes(passed=8)
        assert two.most_concurrent == two.alone
        assert "warning: --dist" not in str(result.stdout)

    def test_groups_of_the_user_s_own_do_not_part_a_server(self, two: Fleet) -> None:
        grouped = (
            "import pytest\n\n\n@pytest.mark.xdist_group('mine')\ndef test_predict(ddperf):\n    ddperf.measure()\n"
        )
        (two.project.path / "benchmarks" / "test_more.py").write_text(grouped, encoding="utf-8")
        two.delay(0.01)
        result = two.run("-n2", "--dist=loadgroup")
        result.assert_outcomes(passed=16)
        assert two.most_concurrent == two.alone
        assert_names(result, "warning:", "--dist loadgroup")


class TestSharedServer:
    @pytest.mark.parametrize("how", [(), ("-n2",)], ids=["plain", "2 workers"])
    def test_two_platforms_on_one_server_are_measured_one_after_the_other(
        self, tk1: BenchProject, how: tuple[str, ...]
    ) -> None:
        tk1.server._delay_s = 0.01
        tk1.server.slow("googlenet", 8, 1.5)
        port = tk1.server.port
        urls = f"--ddperf-url=tk1=http://127.0.0.1:{port},tx1=http://u:p@LOCALHOST:{port}/"
        result = tk1.bare("benchmarks", "--platform=tk1,tx1", urls, *CELLS, *how)
        assert tk1.server.most_concurrent == 1
        order = [record.key.platform for record in tk1.records()]
        assert order == ["tk1"] * 4 + ["tx1"] * 4
        assert tk1.verdicts()["tk1-googlenet-b8"] == "regressed"
        assert_names(result, "warning:", "tk1 and tx1", f"localhost:{port}")

    def test_of_a_third_one_they_do_not_take_the_turn(self, two: Fleet) -> None:
        two.delay(0.01)
        urls = f"--ddperf-url=tk1={two.servers['tk1'].url},tx1={two.servers['tx1'].url},nano={two.servers['tk1'].url}"
        two.project.bare("benchmarks", "--platform=tk1,tx1,nano", urls, *CELLS, "-n2")
        assert two.most_concurrent == two.alone
        assert set(two.project.verdicts()) == {f"{name}-{cell}" for name in ("tk1", "tx1", "nano") for cell in NAMES}


class TestTwoRuns:
    @pytest.mark.parametrize("how", [(), ("-n2",)], ids=["plain", "2 workers"])
    def test_in_opposite_order_they_do_not_wait_for_each_other_for_ever(self, two: Fleet, how: tuple[str, ...]) -> None:
        two.delay(0.02)
        args = ("--no-loadscope-reorder", *how) if how else ()
        runs = [two.start(*args, platforms=("tk1", "tx1")), two.start(*args, platforms=("tx1", "tk1"))]
        outputs = ended(*runs)
        assert [run.returncode for run in runs] == [0, 0], outputs
        assert two.most_concurrent == two.alone
        assert [len(one.records) for one in two.project.histories()] == [8, 8]

    def test_one_that_waits_in_a_worker_says_so(self, two: Fleet) -> None:
        lock = ServerLock(identify_server(two.servers["tk1"].url)).acquire(0, print)
        run = two.start("-n2", platforms=("tk1",))
        assert run.stdout is not None
        said, lines = 0, []
        for line in run.stdout:
            lines.append(line)
            said += "another run is measuring on localhost:" in line
            if said == 2:  # at the start, and when its turn came
                lock.release()
        ended(run)
        assert run.returncode == 0, "".join(lines)
        assert said == 2, "".join(lines)

    @plain_and_xdist
    def test_one_that_waits_too_long_says_what_to_do(self, two: Fleet, how: tuple[str, ...]) -> None:
        lock = ServerLock(identify_server(two.servers["tk1"].url)).acquire(0, print)
        result = two.run("--ddperf-lock-wait=0.1", *how)
        lock.release()
        assert result.ret == pytest.ExitCode.TESTS_FAILED
        assert two.project.verdicts() == two.cells(tk1="error")
        assert_names(result, "Another run", "on localhost:", "--ddperf-lock-wait=SECONDS")
        assert two.servers["tk1"].requests == []

    def test_on_the_only_server_that_is_a_usage_error(self, tk1: BenchProject) -> None:
        lock = ServerLock(identify_server(tk1.server.url)).acquire(0, print)
        result = tk1.run(*CELLS, "--ddperf-lock-wait=0.1")
        lock.release()
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        assert_names(result, "ERROR: ddperf:", "Another run", "on localhost:", "0.1 s")

    def test_a_killed_run_leaves_its_server_free(self, tk1: BenchProject) -> None:
        tk1.server._delay_s = 0.2
        run = tk1.start(*CELLS)
        wait_for(lambda: tk1.server.predictions)
        os.kill(run.pid, signal.SIGKILL)
        ended(run)
        tk1.server._delay_s = 0.0
        tk1.run(*CELLS, "--ddperf-lock-wait=0").assert_outcomes(passed=4)
