"""What the plugin costs a run that has no cells: nothing that can be left out."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

QUIET = ("-q", "-p", "no:cacheprovider")
HEAVY = {
    "cpuinfo",
    "filelock",
    "matplotlib",
    "msgspec",
    "numpy",
    "onnx",
    "onnxruntime",
    "pandas",
    "PIL",
    "platformdirs",
    "requests",
    "starlette",
    "urllib3",
    "uvicorn",
}
REPORTS = """
import sys

import pytest

HEAVY = {heavy!r}


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config):
    loaded = sorted(HEAVY.intersection(sys.modules))
    ours = sorted(name for name in sys.modules if name.startswith("pytest_ddperf."))
    print("LOADED", *loaded)
    print("OURS", *ours)
"""
OWN = [
    "config",
    "config.options",
    "core",
    "core.limits",
    "core.service_parameters",
    "errors",
    "plugin",
    "plugin.entry",
    "plugin.options",
    "plugin.platform_option",
    "text",
]


def write_project(folder: Path) -> Path:
    (folder / "conftest.py").write_text(REPORTS.format(heavy=HEAVY), encoding="utf-8")
    (folder / "test_one.py").write_text("def test_one():\n    pass\n", encoding="utf-8")
    return folder


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return write_project(tmp_path)


@dataclass(frozen=True)
class Finished:
    """A run without cells that all its tests only read."""

    project: Path
    run: subprocess.CompletedProcess[str]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    project = write_project(tmp_path_factory.mktemp("unrelated"))
    return Finished(project, run(project, *QUIET))


def run(folder: Path, *args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pytest", *args], cwd=folder, capture_output=True, text=True, check=False
    )


def said(done: subprocess.CompletedProcess[str], what: str) -> list[str]:
    return next(line.split()[1:] for line in done.stdout.splitlines() if line.startswith(what))


def test_a_run_without_cells_loads_nothing_heavy(finished: Finished) -> None:
    assert finished.run.returncode == 0
    without = run(finished.project, *QUIET, "-p", "no:pytest_ddperf.plugin", "-p", "no:ddperf_platform")
    others = set(said(without, "LOADED"))  # what other plugins of this installation load by themselves
    assert set(said(finished.run, "LOADED")) <= others


def test_a_run_without_cells_loads_a_few_small_modules_of_ours(finished: Finished) -> None:
    assert said(finished.run, "OURS") == [f"pytest_ddperf.{name}" for name in OWN]


def test_a_run_without_cells_writes_nothing(finished: Finished) -> None:
    names = {path.name for path in finished.project.iterdir()}
    assert names <= {"conftest.py", "test_one.py", "__pycache__", ".benchmarks"}  # the last one is pytest-benchmark's


@pytest.mark.slow
def test_a_worker_of_xdist_loads_no_more_than_a_run_without_it(project: Path) -> None:
    (project / "test_one.py").write_text(
        "import pathlib, sys\n\ndef test_one():\n"
        "    ours = sorted(name for name in sys.modules if name.startswith('pytest_ddperf.'))\n"
        "    pathlib.Path('loaded').write_text(' '.join(ours))\n",
        encoding="utf-8",
    )
    assert run(project, "-q", "-n1").returncode == 0
    assert (project / "loaded").read_text().split() == [f"pytest_ddperf.{name}" for name in OWN]


def test_an_argument_may_be_a_path_object(project: Path) -> None:
    script = "import pathlib, pytest; raise SystemExit(pytest.main([pathlib.Path('test_one.py')]))"
    assert subprocess.run([sys.executable, "-c", script], cwd=project, check=False).returncode == 0


def test_a_malformed_platform_file_is_no_matter_to_a_run_without_cells(project: Path) -> None:
    (project / "ddperf.toml").write_text("[[[", encoding="utf-8")
    assert run(project, "-q").returncode == 0


def test_strict_markers_know_ours(project: Path) -> None:
    (project / "test_one.py").write_text(
        "import pytest\n\n@pytest.mark.ddperf(models=['vgg16'])\ndef test_one():\n    pass\n", encoding="utf-8"
    )
    assert run(project, "-q", "--strict-markers", "-W", "error").returncode == 0


def test_markers_are_explained(pytester: pytest.Pytester) -> None:
    assert "@pytest.mark.ddperf(models=None" in pytester.runpytest_inprocess("--markers").stdout.str()


def test_the_fixture_is_explained(pytester: pytest.Pytester) -> None:
    assert "ddperf -- " in pytester.runpytest_inprocess("--fixtures").stdout.str()
