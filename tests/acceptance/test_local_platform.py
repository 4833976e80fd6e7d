"""Platform `local`: the embedded server on this machine, started and stopped by the run."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING

import psutil
import pytest
from bench_project import BenchProject, TableServer
from messages import assert_names
from processes import is_embedded_server
from workers import plain_and_xdist

from pytest_ddperf.core.networks import TASK_NETWORKS
from pytest_ddperf.servers import picture

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

pytest.importorskip("onnxruntime", reason="the extra `embedded` is not installed")

CELLS = ("--ddperf-models=squeezenet_v1.1", "--ddperf-batch-sizes=1,2", "--ddperf-threads=1")
MODELS = ("squeezenet_v1.1", "shufflenet")


@pytest.fixture
def images(tmp_path: Path) -> str:
    """A folder of two bench images."""
    folder = tmp_path / "few"
    folder.mkdir()
    for number in range(2):
        picture.draw(number).save(folder / f"{number}.jpg")
    return f"--ddperf-data-dir={folder}"


@pytest.fixture
def local(pytester: pytest.Pytester, server: TableServer) -> BenchProject:
    """A project of no platform: `pytest benchmarks` and no more."""
    project = BenchProject(pytester, server, "local")
    (project.path / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    return project


def embedded_servers() -> list[psutil.Process]:
    return [one for one in psutil.Process().children(recursive=True) if is_embedded_server(one)]


def test_the_first_run_is_new_the_next_is_held_against_it_and_the_server_goes(
    local: BenchProject, images: str, tmp_path: Path
) -> None:
    first = local.bare("benchmarks", *CELLS, images, "--ddperf-update-baselines")
    first.assert_outcomes(passed=2)
    assert set(local.verdicts().values()) == {"new"}
    assert embedded_servers() == []
    (baseline,) = (tmp_path / "cache" / "pytest-ddperf" / "baselines").glob("local-*.json")
    assert_names(first, baseline, "2 cells recorded")
    assert not (local.path / "baselines").exists()
    second = local.bare("benchmarks", *CELLS, images, "--ddperf-tolerance=900%")
    second.assert_outcomes(passed=2)
    assert set(local.verdicts().values()) <= {"ok", "improved"}
    assert {record.baseline.kind for record in local.records() if record.baseline} == {"recorded"}


@pytest.mark.slow
def test_every_task_is_measured_on_a_real_network(local: BenchProject, images: str) -> None:
    tasks = [one.id for one in TASK_NETWORKS]
    models = f"--ddperf-models={','.join(tasks)}"
    result = local.bare("benchmarks", models, *CELLS[1:], "--ddperf-npasses=2", images)
    result.assert_outcomes(passed=2 * len(tasks))
    assert local.verdicts() == {f"local-{task}-b{size}": "new" for task in tasks for size in (1, 2)}
    sizes = {record.key.model: record.measurement.conditions for record in local.records() if record.measurement}
    assert (sizes["task_ocr"].width, sizes["task_ocr"].height) == (128, 32)


def wait_for_server(run: subprocess.Popen[str]) -> psutil.Process:
    deadline = time.monotonic() + 60
    while not (found := embedded_servers()):
        assert run.poll() is None, run.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found[0]


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_the_server_is_gone_after_a_run_that_was_stopped(local: BenchProject, images: str, how: signal.Signals) -> None:
    run = local.start(*CELLS, images, "--ddperf-url=embedded", "--ddperf-npasses=10000")
    try:
        server = wait_for_server(run)
        run.send_signal(how)
        run.communicate(timeout=60)
    finally:
        run.kill()
    server.wait(30)
    assert not server.is_running()


KILL = """
import contextlib, pathlib, psutil, pytest

KILLED = pathlib.Path(__file__).with_name("killed")

@pytest.fixture(autouse=True)
def kill_the_server(request):
    if any(f"-{{cell}}]" in request.node.nodeid for cell in {cells}):
        for one in psutil.Process().children():
            with contextlib.suppress(psutil.NoSuchProcess):  # it has ended meanwhile, or is a zombie
                if "pytest_ddperf.embedded" not in " ".join(one.cmdline()):
                    continue
                one.kill()
                one.wait()
                with KILLED.open("a") as killed:
                    killed.write("x")
"""


@pytest.mark.slow
@plain_and_xdist
@pytest.mark.parametrize(
    "killed_at",
    [("squeezenet_v1.1-b2",), ("squeezenet_v1.1-b2", "shufflenet-b1")],
    ids=["once: it is started again", "twice: the cells from then on are crashed"],
)
def test_an_embedded_server_that_is_killed_is_started_again_once(
    local: BenchProject,
    images: str,
    killed_at: tuple[str, ...],
    how: tuple[str, ...],
    capfd: pytest.CaptureFixture[str],
) -> None:
    squeezenet, shufflenet = (tuple(f"local-{model}-b{size}" for size in (1, 2)) for model in MODELS)
    verdicts = dict.fromkeys(squeezenet, "new") | dict.fromkeys(shufflenet, "new" if len(killed_at) == 1 else "crashed")
    conftest = local.path / "benchmarks" / "conftest.py"
    conftest.write_text(KILL.format(cells=killed_at), encoding="utf-8")
    models = f"--ddperf-models={','.join(MODELS)}"
    result = local.bare("benchmarks", models, *CELLS[1:], "--ddperf-npasses=2", images, *how)
    assert (local.path / "benchmarks" / "killed").read_text(encoding="utf-8") == "x" * len(killed_at)
    assert local.verdicts() == verdicts
    assert result.ret == (pytest.ExitCode.TESTS_FAILED if "crashed" in verdicts.values() else pytest.ExitCode.OK)
    said = result.stdout.str() + capfd.readouterr().err  # what a worker tells the person who waits
    assert_names(said, "embedded server", "restarted")
    assert embedded_servers() == []
