"""A reader who types the commands of pages, and the boards in them: `http://tk1.lan:8080` is behind a proxy."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from bench_project import TableServer
from page_examples import words
from scripted_server import Reply, Request, ScriptedServer

from pytest_ddperf.cli.main import main

if TYPE_CHECKING:
    import pytest

ROOT = Path(__file__).parents[2]
BOARDS = ("tk1", "tx1", "nano")


class Rack(ScriptedServer):
    """A proxy with boards behind it: `http://tk1.lan:8080` is as fast as TK1's published table.

    Attributes:
        boards: by name.
    """

    def __init__(self) -> None:
        self.boards = {name: TableServer(name) for name in BOARDS} | {"tk1-old": TableServer("tk1")}
        super().__init__(self._forward)

    def _forward(self, request: Request) -> Reply:
        host = urlsplit(request.path).hostname or ""
        board = self.boards.get(host.removesuffix(".lan"))
        return Reply(502, b"no such host") if board is None else board.respond(request)

    def slow(self, note: str) -> None:
        """Slow a cell down as noted in a page: `slow squeezenet_v1.1-b8 1.3`."""
        _, cell, factor = note.split()
        model, _, batch_size = cell.rpartition("-b")
        self.boards["tk1"].slow(model, int(batch_size), float(factor))

    def close(self) -> None:
        """Stop the proxy and the boards."""
        super().close()
        for board in self.boards.values():
            board.close()


class Reader:
    """Types commands in a folder with benchmarks/ in it, and with some of the 104 cells of a board as its matrix.

    Args:
        pytester: the test's fixture.
        capfd: the test's fixture, which captures the output.

    Attributes:
        printed: output of the commands so far, since it was last cleared.
        status: exit status of the last command.
    """

    def __init__(self, pytester: pytest.Pytester, capfd: pytest.CaptureFixture[str]) -> None:
        self.pytester, self.capfd = pytester, capfd
        self.printed = ""
        self.status = 0
        self._notebook: dict[str, object] = {}
        shutil.copytree(ROOT / "benchmarks", self.path / "benchmarks", ignore=shutil.ignore_patterns("__pycache__"))
        (self.path / "tests").mkdir()
        (self.path / "tests" / "perf").symlink_to(ROOT / "tests" / "perf")
        matrix = ("ddperf_models = squeezenet_v1.1,vgg16", "ddperf_max_batch_size = 8", "ddperf_recovery_timeout = 0")
        ini = ("[pytest]", "testpaths = benchmarks", "norecursedirs = perf", *matrix)
        self.write("pytest.ini", "\n".join(ini) + "\n")
        self.write("images.txt", "".join(f"img_{number}.jpg\n" for number in range(8)))
        where = 'url = "http://{}.lan:8080"\ndata_dir = "/opt/bench"\nbench_files = "images.txt"\n'
        self.write("ddperf.toml", "".join(f"[platforms.{name}]\n{where.format(name)}" for name in BOARDS))

    @property
    def path(self) -> Path:
        """The folder."""
        return self.pytester.path

    def write(self, name: str, text: str) -> None:
        """Create a file in the folder."""
        (self.path / name).parent.mkdir(parents=True, exist_ok=True)
        (self.path / name).write_text(text, encoding="utf-8")

    def type(self, command: str) -> None:
        """Run a command: pytest and ours in this process, which is faster, any other in a shell."""
        typed = words(os.path.expandvars(command))
        self.capfd.readouterr()
        if typed[:1] == ["pytest"]:
            self.status = int(self.pytester.runpytest_inprocess(*typed[1:]).ret)
        elif typed[:1] == ["ddperf"] and not {"|", "&&"} & set(typed):
            self.status = self._ddperf(typed[1:])
        else:
            scripts = str(Path(sys.executable).parent)
            path = os.pathsep.join([scripts, os.environ["PATH"]])
            done = subprocess.run(
                ["/bin/bash", "-c", command], cwd=self.path, env={**os.environ, "PATH": path}, check=False, timeout=300
            )
            self.status = done.returncode
        out, err = self.capfd.readouterr()
        self.printed += out + err

    def run_cell(self, text: str) -> None:
        """Run a cell of the page's notebook; the value of its last expression is its output."""
        *before, last = ast.parse(text).body
        assert isinstance(last, ast.Expr), "the last statement of a cell is what it shows"
        exec(compile(ast.Module(before, []), "<cell>", "exec"), self._notebook)  # noqa: S102 - code of our own pages
        self.printed = repr(eval(compile(ast.Expression(last.value), "<cell>", "eval"), self._notebook))  # noqa: S307

    def commit(self) -> None:
        """Commit a change to the folder's repository, which is created with the first commit."""
        git = ("git", "-c", "user.name=reader", "-c", "user.email=reader@localhost")
        for arguments in (("init",), ("commit", "--allow-empty", "--message=work")):
            subprocess.run([*git, *arguments, "--quiet"], cwd=self.path, check=True)

    @staticmethod
    def _ddperf(arguments: list[str]) -> int:
        try:
            return main(arguments)
        except SystemExit as end:  # argparse's --version, and its own usage errors
            return int(end.code or 0)
