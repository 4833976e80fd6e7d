"""pytest as a user runs it, on a server whose times are those of the TK1 table."""

from __future__ import annotations

import contextlib
import copy
import importlib.metadata
import os
import platform
from functools import cache, cached_property
from typing import TYPE_CHECKING

import pytest
from bench_project import SQUEEZENET, BenchProject, FinishedRun, TableServer
from harmful_requests import HarmWatch
from page_reader import Rack, Reader
from scripted_server import ScriptedServer

from pytest_ddperf.plots.draw import dispatch, parallel

if TYPE_CHECKING:
    from collections.abc import Iterator
    from importlib.metadata import Distribution, EntryPoints, PackageMetadata
    from pathlib import Path

    from bench_project import MakeRun, RunOnce
    from scripted_server import Reply, Request


with contextlib.suppress(ImportError):
    # Each test forgets the modules that it imported, and the extension of onnx cannot be initialised twice.
    importlib.import_module("onnx")

ARCHITECTURE = platform.architecture()
_DISTRIBUTIONS = importlib.metadata.distributions
_GET_CPU_INFO = importlib.import_module("cpuinfo").get_cpu_info


@cache
def cpu_info() -> dict[str, object]:
    """What pytest-benchmark stores about this machine's processor; a dozen processes find it out."""
    return dict(_GET_CPU_INFO())


class ReadOnce:
    """An installed distribution whose metadata are read once, and not by every run."""

    def __init__(self, distribution: Distribution) -> None:
        self._distribution = distribution

    @cached_property
    def entry_points(self) -> EntryPoints:
        return self._distribution.entry_points

    @cached_property
    def metadata(self) -> PackageMetadata:
        return self._distribution.metadata

    def __getattr__(self, name: str) -> object:
        return getattr(self._distribution, name)


@cache
def installed() -> tuple[ReadOnce, ...]:
    return tuple(map(ReadOnce, _DISTRIBUTIONS()))


@pytest.fixture(autouse=True)
def _nothing_harmful_is_sent(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No run sends a server what would kill or wedge a real one."""
    watch, answer = HarmWatch(), ScriptedServer.answer

    def watched(server: ScriptedServer, request: Request) -> Reply:
        watch.note(request)
        return answer(server, request)

    monkeypatch.setattr(ScriptedServer, "answer", watched)
    yield
    assert watch.found == []


@pytest.fixture(autouse=True)
def _own_surroundings(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing of this machine reaches a run: no options in the environment, no GitHub, no cache, 80 columns."""
    for name in os.environ:
        if (
            name.startswith(("DDPERF_", "GITHUB_", "PYTEST_", "PY_COLORS", "FORCE_COLOR"))
            and name != "PYTEST_CURRENT_TEST"
        ):
            monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "80")
    # What every run in this process would ask again, or wait for: the processor, the installed packages, git and hg
    # (which know no such folder), and the disk.
    monkeypatch.setattr("cpuinfo.get_cpu_info", lambda: copy.deepcopy(cpu_info()))
    monkeypatch.setattr("platform.architecture", lambda: ARCHITECTURE)
    monkeypatch.setattr("importlib.metadata.distributions", lambda: iter(installed()))
    monkeypatch.setattr("pytest_benchmark.utils.get_project_name.functions", [])
    monkeypatch.setattr("os.fsync", lambda _: None)
    # Two plugins that a further process would spend most of its start on, and a search for more modules to rewrite.
    monkeypatch.setenv("PYTEST_ADDOPTS", "-p no:hypothesispytest -p no:anyio --assert=plain")


@pytest.fixture
def placeholder_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Write placeholders instead of drawing, for tests of which figures there are and not of what they show."""
    contents = {"png": b"\x89PNG", "svg": b"<?xml"}
    monkeypatch.setattr(parallel, "_cores", lambda: 1)  # other processes would draw
    monkeypatch.setattr(dispatch, "build_figure", lambda _: None)
    monkeypatch.setattr(parallel, "encode_figure", lambda _, ending: contents[ending])


@pytest.fixture
def server() -> Iterator[TableServer]:
    """A server as fast as the TK1 table says."""
    with TableServer("tk1") as running:
        yield running


@pytest.fixture
def tk1(pytester: pytest.Pytester, server: TableServer) -> BenchProject:
    """A project and that server."""
    return BenchProject(pytester, server)


@pytest.fixture
def tx1() -> Iterator[TableServer]:
    """A second server, as fast as the TX1 table says."""
    with TableServer("tx1") as running:
        yield running


@pytest.fixture(scope="session")
def _finished_runs() -> dict[MakeRun, FinishedRun]:
    return {}


@pytest.fixture
def run_once(request: pytest.FixtureRequest, _finished_runs: dict[MakeRun, FinishedRun]) -> RunOnce:
    """Return a function that makes a run for the first test that asks for it; all tests only read it.

    Its argument makes the run in a project with the server of `tk1`.
    """

    def run(make: MakeRun) -> FinishedRun:
        if make not in _finished_runs:
            project = request.getfixturevalue("tk1")
            _finished_runs[make] = FinishedRun(project, make(project))
        return _finished_runs[make]

    return run


FILES = (
    "--benchmark-json=out.json",
    "--junitxml=junit.xml",
    "--ddperf-report=out/r.html",
    "--ddperf-report=out/r.csv",
    "--ddperf-report=out/r.json",
)


def run_unchanged(tk1: BenchProject) -> pytest.RunResult:
    return tk1.run(*SQUEEZENET, *FILES)


def run_regressed(tk1: BenchProject) -> pytest.RunResult:
    tk1.server.slow("squeezenet_v1.1", 8, 1.3)
    return tk1.run(*SQUEEZENET, *FILES, "-v")


@pytest.fixture
def unchanged(run_once: RunOnce) -> FinishedRun:
    """SqueezeNet as fast as its baseline at batch sizes 1 and 8; with out.json, junit.xml and out/r.{html,csv,json}."""
    return run_once(run_unchanged)


@pytest.fixture
def regressed(run_once: RunOnce) -> FinishedRun:
    """The same with -v, and batch size 8 is 30 % slower."""
    return run_once(run_regressed)


@pytest.fixture
def rack(monkeypatch: pytest.MonkeyPatch) -> Iterator[Rack]:
    """The boards that README and docs/ name."""
    with Rack() as running:
        for name, value in (("http_proxy", running.url), ("no_proxy", "127.0.0.1")):
            monkeypatch.setenv(name, value)
            monkeypatch.setenv(name.upper(), value)
        yield running


@pytest.fixture
def reader(pytester: pytest.Pytester, capfd: pytest.CaptureFixture[str], rack: Rack) -> Reader:
    """Who types what they say."""
    return Reader(pytester, capfd)
