"""Colours on a terminal alone and as the environment asks for; nothing breaks on one that is narrow, dumb or ASCII."""

from __future__ import annotations

import contextlib
import importlib
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from bench_project import SQUEEZENET
from terminal_run import on_a_terminal

from pytest_ddperf.cli.main import main

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench_project import BenchProject

COLOUR = re.compile(r"\x1b\[[0-9;]*m")
ESCAPE = "\x1b"
DDPERF = Path(sys.executable).parent / "ddperf"
COMMANDS = [
    ["--help"],
    ["platforms"],
    ["platforms", "tk1"],
    ["report"],
    ["select", "--min-fps", "25", "--max-watts", "15"],
    ["check-model", "."],
]
ENVIRONMENTS = [{"PYTHONIOENCODING": "ascii"}, pytest.param({"LC_ALL": "C", "PYTHONUTF8": "0"}, marks=pytest.mark.slow)]
NAMED = "mod\N{LATIN SMALL LETTER E WITH GRAVE}le \N{SNOWMAN}"


@pytest.fixture(autouse=True)
def _no_encoding_of_the_runner_s(monkeypatch: pytest.MonkeyPatch) -> None:
    """What runs the tests may set how Python writes, as tox does; a user's shell does not."""
    for name in ("PYTHONIOENCODING", "PYTHONUTF8"):
        monkeypatch.delenv(name, raising=False)


def ddperf(folder: Path, *args: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [DDPERF, *args], cwd=folder, env={**os.environ, **environment}, capture_output=True, check=False
    )


# --- pytest


def test_a_run_on_a_terminal_is_coloured(tk1: BenchProject) -> None:
    tk1.server.slow("squeezenet_v1.1", 8, 1.3)
    status, written = on_a_terminal(tk1, *SQUEEZENET)
    assert status == pytest.ExitCode.TESTS_FAILED
    assert "\x1b[31mregressed \x1b[0m" in written


@pytest.mark.slow
def test_a_run_into_a_file_is_not(tk1: BenchProject) -> None:
    result = tk1.apart(*SQUEEZENET, "-v")
    assert ESCAPE not in str(result.stdout) + str(result.stderr)


def test_no_color_is_respected_on_a_terminal(tk1: BenchProject) -> None:
    _, written = on_a_terminal(tk1, *SQUEEZENET, environment={"NO_COLOR": "1"})
    assert COLOUR.findall(written) == []
    assert "pass 5/5" in written  # the live line is no colour


@pytest.mark.slow
def test_force_color_is_respected_in_a_file_and_brings_no_live_line(
    tk1: BenchProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    written = str(tk1.apart(*SQUEEZENET, "-v").stdout)
    assert COLOUR.findall(written)
    assert COLOUR.sub("", written).isascii()
    assert ESCAPE not in COLOUR.sub("", written)
    assert "pass 1/5" not in written


@pytest.mark.slow
def test_a_dumb_terminal_gets_text_alone(tk1: BenchProject) -> None:
    status, written = on_a_terminal(tk1, *SQUEEZENET, "-v", environment={"TERM": "dumb"})
    assert status == 0
    assert ESCAPE not in written
    assert "2 passed" in written


@pytest.mark.slow
def test_a_terminal_of_40_columns_is_not_overrun(tk1: BenchProject) -> None:
    _, written = on_a_terminal(tk1, *SQUEEZENET, environment={"NO_COLOR": "1", "COLUMNS": "40"})
    (ours,) = re.findall(r"=+ ddperf =+\r\n(.*?)\r\n=", written, flags=re.DOTALL)
    lines = [line for line in ours.split("\r\n") if not line.startswith("history: ")]
    assert [line for line in lines if len(line) > 40] == []


@pytest.mark.slow
@pytest.mark.parametrize("environment", ENVIRONMENTS, ids=str)
@pytest.mark.parametrize("where", ["file", "terminal"])
def test_a_network_whose_name_the_encoding_does_not_have_is_measured(
    tk1: BenchProject, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], where: str
) -> None:
    (tk1.path / "ddperf.toml").write_text('[platforms.tk1]\ntitle = "K\N{LATIN SMALL LETTER O WITH DIAERESIS}ln"\n')
    for name, value in {**environment, "PYTHONCOERCECLOCALE": "0"}.items():
        monkeypatch.setenv(name, value)
    if where == "file":
        result = tk1.apart(*SQUEEZENET, "-v")
        status, written = int(result.ret), str(result.stdout)
    else:
        status, written = on_a_terminal(tk1, *SQUEEZENET, "-v")
    assert status == 0
    assert r"K\xf6ln" in written
    assert "INTERNALERROR" not in written


# --- ddperf


@pytest.fixture(scope="module")
def _onnx_is_loaded() -> None:
    """Load what loads only once: pytester unloads what a test was the first to import."""
    with contextlib.suppress(ModuleNotFoundError):
        importlib.import_module("onnx")


@pytest.fixture(params=COMMANDS, ids=" ".join)
def typed(
    _onnx_is_loaded: None,
    request: pytest.FixtureRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Callable[[int], tuple[str, str]]:
    """Return a function that runs a command on a number of columns and returns what it writes to both outputs."""
    monkeypatch.chdir(tmp_path)

    def run(columns: int) -> tuple[str, str]:
        monkeypatch.setenv("COLUMNS", str(columns))
        capsys.readouterr()
        with contextlib.suppress(SystemExit):  # argparse's end of --help
            main(request.param)
        return capsys.readouterr()

    return run


def test_a_command_writes_ascii_without_colours_and_keeps_within_the_terminal(
    typed: Callable[[int], tuple[str, str]],
) -> None:
    for columns in (40, 80):
        out, err = typed(columns)
        assert out
        assert out.isascii()
        assert ESCAPE not in out + err
        assert [line for line in out.splitlines() if len(line) > columns] == []


@pytest.mark.parametrize("environment", ENVIRONMENTS, ids=str)
def test_a_name_that_the_encoding_does_not_have_breaks_no_command(tmp_path: Path, environment: dict[str, str]) -> None:
    (tmp_path / NAMED).mkdir()
    text = f'[platforms.mine]\ntitle = "{NAMED}"\nurl = "http://localhost:9"\n'
    (tmp_path / "ddperf.toml").write_text(text, encoding="utf-8")
    surroundings = {**environment, "PYTHONCOERCECLOCALE": "0"}
    for args in (["platforms", "mine"], ["select", "--platform", NAMED]):  # one writes it to stdout, one to stderr
        done = ddperf(tmp_path, *args, **surroundings)
        assert done.returncode in {0, 1, 2}
        assert b"Traceback" not in done.stderr, done.stderr
        # the snowman: a character of the command line or of a file, or the bytes of one that the locale cannot read
        assert re.search(rb"\\u2603|\\udce2\\udc98\\udc83", done.stdout + done.stderr)


@pytest.mark.slow
def test_a_reader_that_goes_away_is_no_mistake(tmp_path: Path) -> None:
    done = subprocess.run(  # noqa: S602 - the pipe is what is tried
        f"{DDPERF} report | head -1",
        cwd=tmp_path,
        shell=True,
        capture_output=True,
        text=True,
        check=False,
    )
    assert len(done.stdout.splitlines()) == 1
    assert done.stderr == ""


@pytest.mark.parametrize("closed", [">&-", ">&- 2>&-"])
def test_an_output_that_is_closed_is_no_mistake(tmp_path: Path, closed: str) -> None:
    done = subprocess.run(  # noqa: S602 - the shell closes it
        f"{DDPERF} platforms {closed}", cwd=tmp_path, shell=True, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
