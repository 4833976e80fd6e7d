"""`git bisect run` finds the commit that made a server slower."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from bench_project import BenchProject, TableServer
from page_examples import examples

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.slow

PAGE = Path(__file__).parents[2] / "docs" / "against.md"
OPTIONS = "-q --ddperf-models=shufflenet --ddperf-batch-sizes=1 --ddperf-tolerance=150% --ddperf-timeout=60"
SERVER = 'ddperf serve --port 8081 --models shufflenet --threads 1 --slow "shufflenet=$(cat slow.txt)"'


def free_ports() -> tuple[int, int]:
    with socket.socket() as one, socket.socket() as other:
        one.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        return one.getsockname()[1], other.getsockname()[1]


@pytest.fixture
def repository(pytester: pytest.Pytester, server: TableServer, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository of which the fourth of five commits makes the server's network four times as slow."""
    monkeypatch.setenv("PATH", os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    folder = BenchProject(pytester, server, "local").path
    (folder / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    for name in ("author", "committer"):
        monkeypatch.setenv(f"GIT_{name.upper()}_NAME", "somebody")
        monkeypatch.setenv(f"GIT_{name.upper()}_EMAIL", "somebody@localhost")
    git(folder, "init", "--quiet")
    for number, factor in enumerate([1, 1, 1, 4, 4]):
        (folder / "slow.txt").write_text(f"{factor}\n", encoding="utf-8")
        git(folder, "add", "slow.txt")
        git(folder, "commit", "--quiet", "--allow-empty", f"--message=commit {number}")
    return folder


@pytest.fixture
def ports() -> Iterator[tuple[int, int]]:
    """Two free ports; a server without a change listens on the first."""
    pytest.importorskip("onnxruntime", reason="the extra `embedded` is not installed")
    old, new = free_ports()
    command = [str(Path(sys.executable).with_name("ddperf")), "serve", "--port", str(old)]
    with subprocess.Popen([*command, "--models", "shufflenet", "--threads", "1"]) as reference:
        yield old, new
        reference.terminate()


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments],  # noqa: S607 - the user's git
        cwd=folder,
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_script_of_the_page_finds_the_commit(repository: Path, ports: tuple[int, int]) -> None:
    (script,) = [one.text for one in examples(PAGE) if one.notes.get("file") == "bisect.sh"]
    typed = script.replace("./start-server --port 8081", SERVER).replace(
        "pytest benchmarks", f"pytest benchmarks {OPTIONS}"
    )
    assert typed.count(SERVER) == typed.count(OPTIONS) == 1
    typed = typed.replace("--platform=tk1 ", "").replace("8080", str(ports[0])).replace("8081", str(ports[1]))
    (repository / "bisect.sh").write_text(typed, encoding="utf-8")
    git(repository, "bisect", "start", "HEAD", "HEAD~4")
    found = git(repository, "bisect", "run", "sh", "./bisect.sh")
    assert "is the first bad commit" in found.replace("\n", " ")
    assert git(repository, "log", "-1", "--format=%s", "bisect/bad").strip() == "commit 3"
