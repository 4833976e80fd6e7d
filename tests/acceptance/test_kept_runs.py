"""What of a run is on disk, whatever becomes of it."""

from __future__ import annotations

import fcntl
import json
import signal
from typing import TYPE_CHECKING

import pytest
from bench_project import SQUEEZENET
from messages import assert_names
from workers import plain_and_xdist

from pytest_ddperf.history.run_file import list_runs, read_run

if TYPE_CHECKING:
    from bench_project import BenchProject


def lines(project: BenchProject) -> list[dict[str, object]]:
    path = list_runs(project.path / ".ddperf")[0]
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_a_run_is_one_file_of_json_lines(tk1: BenchProject) -> None:
    tk1.run(*SQUEEZENET)
    written = lines(tk1)
    assert [line["type"] for line in written] == ["run", "cell", "cell", "end"]
    assert written[0]["platforms"] == ["tk1"]
    assert written[-1]["exit_status"] == 0


def test_a_run_reads_back_as_it_was(tk1: BenchProject) -> None:
    tk1.run(*SQUEEZENET)
    (run,) = tk1.histories()
    assert run.complete
    assert run.broken == ()
    assert [str(record.key) for record in run.records] == ["tk1-squeezenet_v1.1-b1", "tk1-squeezenet_v1.1-b8"]
    assert run.records[0].server is not None
    assert run.records[0].server.url == tk1.server.url


def test_two_runs_never_share_a_file(tk1: BenchProject) -> None:
    tk1.run(*SQUEEZENET)
    tk1.run(*SQUEEZENET)
    assert [len(run.records) for run in tk1.histories()] == [2, 2]


def test_a_run_says_whether_later_nights_may_be_held_against_it(tk1: BenchProject) -> None:
    tk1.run(*SQUEEZENET)
    tk1.run(*SQUEEZENET, "--ddperf-accept")
    assert [run.header.accepted for run in tk1.histories()] == [False, True]


@pytest.mark.parametrize("part", [("-k", "b1"), ("-x",)], ids=" ".join)
def test_a_run_that_was_to_be_accepted_and_is_not_whole_says_so(tk1: BenchProject, part: tuple[str, ...]) -> None:
    tk1.server.wrong = lambda prediction, answered: answered[1:] if prediction.batch == 1 else answered
    result = tk1.run(*SQUEEZENET, "--ddperf-accept", *part)
    assert not tk1.histories()[-1].whole
    assert_names(result, "warning:", "--ddperf-accept had no effect")


def test_a_whole_run_that_was_to_be_accepted_says_nothing_of_it(tk1: BenchProject) -> None:
    assert "warning:" not in tk1.run(*SQUEEZENET, "--ddperf-accept").stdout.str()


def test_the_history_goes_where_it_is_requested(tk1: BenchProject) -> None:
    tk1.run(*SQUEEZENET, "--ddperf-storage=kept/here")
    assert len(list_runs(tk1.path / "kept" / "here")) == 1


def test_a_cell_is_on_disk_before_the_next_one_begins(tk1: BenchProject) -> None:
    seen: list[int] = []
    original = tk1.server.latency_ms

    def latency_ms(service: str, batch_size: int) -> float:
        seen.append(len(lines(tk1)) if (tk1.path / ".ddperf").exists() else 0)
        return original(service, batch_size)

    tk1.server.latency_ms = latency_ms
    tk1.run(*SQUEEZENET)
    assert seen == [0] * 6 + [2] * 6


@pytest.mark.slow
@plain_and_xdist
def test_a_run_that_was_killed_keeps_the_cells_measured_so_far(tk1: BenchProject, how: tuple[str, ...]) -> None:
    status, _ = tk1.interrupt_third_cell(signal.SIGKILL, *how, records=2)
    assert status == -signal.SIGKILL
    (run,) = tk1.histories()
    assert [record.key.batch_size for record in run.records] == [1, 2]
    assert not run.complete


@pytest.mark.parametrize(
    ("number", "how"),
    [
        pytest.param(signal.SIGINT, (), id="SIGINT"),
        pytest.param(signal.SIGTERM, (), id="SIGTERM", marks=pytest.mark.slow),
        pytest.param(signal.SIGINT, ("-n1",), id="SIGINT-n1", marks=pytest.mark.slow),
    ],
)
def test_ctrl_c_saves_what_was_measured_and_exits_2(
    tk1: BenchProject, number: signal.Signals, how: tuple[str, ...]
) -> None:
    undone = tk1.path / "undone"
    (tk1.path / "ddperf.toml").write_text(f'[platforms.tk1]\nafter = "echo x >> {undone}"\n', encoding="utf-8")
    files = ("--benchmark-json=out.json", "--ddperf-update-baselines")
    status, output = tk1.interrupt_third_cell(number, *files, *how, records=2)
    assert status == pytest.ExitCode.INTERRUPTED, output
    (run,) = tk1.histories()
    assert run.exit_status == pytest.ExitCode.INTERRUPTED
    assert [record.key.batch_size for record in run.records] == [1, 2]
    assert [one["extra_info"]["batch_size"] for one in tk1.json("out.json")["benchmarks"]] == [1, 2]
    assert_names(output, "interrupted", "no baseline")
    assert ", 2 of 4 cells not measured" in output
    assert undone.read_text(encoding="utf-8") == "x\n"
    assert not (tk1.path / "baselines").exists()


def test_lines_that_are_broken_are_counted(tk1: BenchProject) -> None:
    tk1.run(*SQUEEZENET)
    (path,) = list_runs(tk1.path / ".ddperf")
    whole = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(whole[0] + whole[1] + whole[2][:100] + b"\n" + b"\xff\xfe\n" + whole[3])
    run = read_run(path)
    assert len(run.records) == 1
    assert [number for number, _ in run.broken] == [3, 4]
    assert run.complete


@pytest.mark.parametrize("folder", ["occupied", "/sys"], ids=["a file", "read-only"])
def test_a_history_that_cannot_be_written_is_refused_before_the_first_measurement(
    tk1: BenchProject, folder: str
) -> None:
    (tk1.path / "occupied").write_text("", encoding="utf-8")
    result = tk1.run(*SQUEEZENET, f"--ddperf-storage={folder}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "--ddperf-storage=DIR" in "".join([*result.outlines, *result.errlines])
    assert tk1.server.predictions == []


def test_runs_of_the_history_that_are_locked_half_written_or_none_change_no_verdict(tk1: BenchProject) -> None:
    for _ in range(2):
        tk1.run(*SQUEEZENET)
    locked, torn = list_runs(tk1.path / ".ddperf")
    torn.write_bytes(torn.read_bytes()[:-300])
    none = tk1.path / ".ddperf" / "20260101T000000.000Z-00000000.jsonl"
    none.mkdir()
    with locked.open("rb+") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        fcntl.lockf(held, fcntl.LOCK_EX)
        result = tk1.run(*SQUEEZENET)
    result.assert_outcomes(passed=2)
    assert result.ret == pytest.ExitCode.OK
    none.rmdir()
    assert [(len(run.records), len(run.broken)) for run in tk1.histories()] == [(2, 0), (1, 1), (2, 0)]


def test_a_full_disk_is_reported_and_the_verdicts_stay(tk1: BenchProject, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pytest_ddperf.history.writer.os.fsync", full)
    result = tk1.run(*SQUEEZENET)
    result.assert_outcomes(passed=2)
    assert result.ret == pytest.ExitCode.OK
    assert_names(result, "warning:", "history", "No space left on device")


@plain_and_xdist
def test_a_folder_that_cannot_be_written_any_more_is_reported_once_at_once_and_with_what_it_lacks(
    tk1: BenchProject, how: tuple[str, ...]
) -> None:
    take_the_folder_away(tk1, give_it_back=False)
    result = tk1.run(*SQUEEZENET, *how)
    result.assert_outcomes(passed=2)
    assert result.ret == pytest.ExitCode.OK
    reported = [line for line in result.outlines if "The history could not be written to" in line]
    assert [line.split(":")[0] for line in reported] == ["ddperf", "warning"]
    result.stdout.fnmatch_lines(["*not written: 4.*"])
    result.stdout.no_fnmatch_line("history: *")


def test_what_could_not_be_written_is_kept_once_it_can_be(tk1: BenchProject) -> None:
    take_the_folder_away(tk1, give_it_back=True)
    result = tk1.run(*SQUEEZENET)
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["ddperf: The history could not be written to*", "history: *"])
    result.stdout.no_fnmatch_line("warning: *")
    (run,) = tk1.histories()
    assert (len(run.records), run.broken, run.exit_status) == (2, (), 0)


def take_the_folder_away(project: BenchProject, *, give_it_back: bool) -> None:
    """Before a cell a file takes the place of the history's folder; it may go again behind the cell."""
    (project.path / "benchmarks" / "conftest.py").write_text(
        "from pathlib import Path\n\n\n"
        "class TakesAway:\n"
        "    folder = Path(__file__).parents[1] / '.ddperf'\n\n"
        "    def pytest_runtest_logstart(self):\n"
        "        if not self.folder.exists():\n            self.folder.touch()\n\n"
        "    def pytest_runtest_logreport(self, report):\n"
        f"        if {give_it_back} and report.when == 'teardown' and self.folder.is_file():\n"
        "            self.folder.unlink()\n\n\n"
        "def pytest_configure(config):\n"
        "    if not hasattr(config, 'workerinput'):\n        config.pluginmanager.register(TakesAway())\n",
        encoding="utf-8",
    )
