"""pytest as a user runs it, on a server whose times are those of the TK1 table."""

from __future__ import annotations

import contextlib
import copy
import importlib
import os
from functools import cache
from typing import TYPE_CHECKING

import pytest
from bench_project import BenchProject, TableServer
from harmful_requests import HarmWatch
from page_reader import Rack, Reader
from scripted_server import ScriptedServer

from pytest_ddperf.plots.draw import dispatch, parallel

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from scripted_server import Reply, Request


with contextlib.suppress(ImportError):
    # Each test forgets the modules that it imported, and the extension of onnx cannot be initialised twice.
    importlib.import_module("onnx")

_GET_CPU_INFO = importlib.import_module("cpuinfo").get_cpu_info


@cache
def cpu_info() -> dict[str, object]:
    """What pytest-benchmark stores about this machine's processor; a dozen processes find it out."""
    return dict(_GET_CPU_INFO())


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
    monkeypatch.setattr("cpuinfo.get_cpu_info", lambda: copy.deepcopy(cpu_info()))
    # two plugins that every further process would spend most of its start on
    monkeypatch.setenv("PYTEST_ADDOPTS", "-p no:hypothesispytest -p no:anyio")


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
