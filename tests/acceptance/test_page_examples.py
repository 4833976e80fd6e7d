"""The pages of docs/ against the code: their examples are run, in order, each page in a project of its own.

How a page says what is to be seen stands in `page_examples`. Boards are named as in the pages; behind a proxy they are
servers as fast as the published tables say. `local` is the embedded server.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml
from page_examples import BOARDS, Example, Rack, examples, missing_lines, words

from pytest_ddperf.cli import main

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
PAGES = {page.name: examples(page) for page in sorted((ROOT / "docs").glob("*.md"))}
RUN = [name for name, found in PAGES.items() if any(one.commands and "not run" not in one.notes for one in found)]
NOT_RUN_AT_MOST = 12
"""Blocks of commands that are not run: those that need a board's ssh, a service elsewhere, or never end."""


@pytest.fixture
def rack(monkeypatch: pytest.MonkeyPatch) -> Iterator[Rack]:
    with Rack() as running:
        for name in ("http_proxy", "HTTP_PROXY"):
            monkeypatch.setenv(name, running.url)
        for name in ("no_proxy", "NO_PROXY"):
            monkeypatch.setenv(name, "127.0.0.1")
        yield running


class Project:
    """A reader's folder, and what the commands that were typed in it printed.

    Args:
        pytester: of the test.
        capfd: what `ddperf` prints in this process.
    """

    def __init__(self, pytester: pytest.Pytester, capfd: pytest.CaptureFixture[str]) -> None:
        self.pytester, self.capfd = pytester, capfd
        self.printed = ""
        self.status = 0
        shutil.copytree(ROOT / "benchmarks", self.path / "benchmarks", ignore=shutil.ignore_patterns("__pycache__"))
        (self.path / "tests").mkdir()
        (self.path / "tests" / "perf").symlink_to(ROOT / "tests" / "perf")
        matrix = ("ddperf_models = squeezenet_v1.1,vgg16", "ddperf_max_batch_size = 8", "ddperf_recovery_timeout = 0")
        self.write(
            "pytest.ini", "\n".join(["[pytest]", "testpaths = benchmarks", "norecursedirs = perf", *matrix]) + "\n"
        )
        self.write("images.txt", "".join(f"img_{number}.jpg\n" for number in range(8)))
        where = 'url = "http://{}.lan:8080"\ndata_dir = "/opt/bench"\nbench_files = "images.txt"\n'
        self.write("ddperf.toml", "".join(f"[platforms.{name}]\n{where.format(name)}" for name in BOARDS))

    @property
    def path(self) -> Path:
        return self.pytester.path

    def write(self, name: str, text: str) -> None:
        (self.path / name).parent.mkdir(parents=True, exist_ok=True)
        (self.path / name).write_text(text, encoding="utf-8")

    def type(self, command: str) -> None:
        """Run a command; pytest's and ours in this process, which is faster, any other by the shell."""
        typed = words(os.path.expandvars(command))
        self.capfd.readouterr()
        if typed[:1] == ["pytest"] and "-n" not in typed:
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

    @staticmethod
    def _ddperf(arguments: list[str]) -> int:
        try:
            return main(arguments)
        except SystemExit as end:  # argparse's --version, and its own usage errors
            return int(end.code or 0)


@pytest.fixture
def project(pytester: pytest.Pytester, capfd: pytest.CaptureFixture[str], rack: Rack) -> Project:
    return Project(pytester, capfd)


def expected_status(example: Example, command: str) -> int | None:
    """What the last command of a block exits with; None where it may be any."""
    said = example.notes.get("exit", "0") if command == example.commands[-1] else "0"
    return None if said == "any" else int(said)


@pytest.mark.parametrize("page", RUN)
def test_the_examples_of_a_page_do_what_it_says(page: str, project: Project, rack: Rack) -> None:
    for example in PAGES[page]:
        where = f"docs/{page}, line {example.line}"
        if "board" in example.notes:
            rack.slow(example.notes["board"])
        if "file" in example.notes:
            project.write(example.notes["file"], example.text)
        if "not run" in example.notes:
            continue
        if example.commands:
            project.printed = ""
        for command in example.commands:
            project.type(command)
            expected = expected_status(example, command)
            assert expected in {None, project.status}, f"{where}: {command}\n{project.printed}"
        if example.printed is not None:
            assert missing_lines(example.printed, project.printed) == [], (
                f"{where} shows other lines than\n{project.printed}"
            )


def test_few_blocks_of_commands_are_not_run_and_each_says_why() -> None:
    left_out = [one for found in PAGES.values() for one in found if "not run" in one.notes]
    assert all(one.notes["not run"] for one in left_out)
    assert len(left_out) <= NOT_RUN_AT_MOST


@pytest.mark.parametrize(
    ("page", "example"),
    [(page, one) for page, found in PAGES.items() for one in found],
    ids=lambda value: value if isinstance(value, str) else f"line {value.line}",
)
def test_a_block_is_of_a_language_that_is_checked_and_is_written_in_it(page: str, example: Example) -> None:
    match example.language:
        case "toml":
            assert tomllib.loads(example.text)
        case "json":
            assert [json.loads(line) for line in example.text.splitlines()]
        case "yaml":
            assert yaml.safe_load(example.text)
        case "python":
            compile(example.text, page, "exec")
            assert "file" in example.notes, "Python is a test, which a command below runs"
        case _:
            assert example.language in {"sh", "console", "ini", "text", "{toctree}"}
