"""A tab in a real shell completes `ddperf` and `pytest`."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from every_row import every_row
from typing_shell import PROMPT, TypingShell

if TYPE_CHECKING:
    from collections.abc import Iterator

BIN = Path(sys.executable).parent
CLEAR_LINE = "\x15"  # Ctrl-U
STARTS = {
    "bash": (["bash", "--norc", "--noprofile", "-i"], 'eval "$(ddperf completion bash)"'),
    "zsh": (
        ["zsh", "-f", "-i"],
        f'autoload -U compinit; compinit -D -u; PS1="{PROMPT}"; eval "$(ddperf completion zsh)"',
    ),
}
needs = {name: pytest.mark.skipif(shutil.which(name) is None, reason=f"there is no {name}") for name in ("zsh", "fish")}


@pytest.fixture(params=["bash", pytest.param("zsh", marks=[needs["zsh"], pytest.mark.slow])])
def shell(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[TypingShell]:
    """A shell into which the lines that its help names were typed."""
    command, line = STARTS[request.param]
    with TypingShell(command, tmp_path) as started:
        started.type(f"{line}; echo COMPLETES | tr A-Z a-z\n")
        started.read_until("completes\r\n")  # and not what was typed
        started.read_until(PROMPT)
        yield started


def test_a_command_is_completed(shell: TypingShell) -> None:
    shell.type("ddperf check-m\t")
    shell.read_until("ddperf check-model ")


def test_an_option_of_a_command_is_completed(shell: TypingShell) -> None:
    shell.type("ddperf select --min-a\t")
    shell.read_until("--min-accuracy ")


def test_a_platform_is_completed_also_behind_a_comma(shell: TypingShell) -> None:
    shell.type("ddperf select --platform tk1,raspi4\t")
    shell.read_until("tk1,raspi4-ncnn")


def test_a_platform_of_the_project_s_own_is_completed(shell: TypingShell, tmp_path: Path) -> None:
    (tmp_path / "ddperf.toml").write_text('[platforms.workbench]\ntitle = "Mine"\n', encoding="utf-8")
    shell.type("ddperf platforms workb\t")
    shell.read_until("ddperf platforms workbench ")


@pytest.mark.slow
def test_an_option_is_completed_after_a_wrong_one(shell: TypingShell) -> None:
    shell.type("ddperf select --nonsense --min-a\t")
    shell.read_until("--min-accuracy ")


@every_row(
    "typed, completed",
    [
        ("pytest --ddperf-max-b", "--ddperf-max-batch-size "),
        ("pytest --maxf", "--maxfail "),
        ("pytest --plat", "--platform "),
        ("pytest --platform=tk1,raspi4", "--platform=tk1,raspi4-ncnn"),
        ("pytest --ddperf-platform raspi4", "--ddperf-platform raspi4-ncnn"),
        ("pytest --platform=tk1 --ddperf-models=mobilenet_d", "--ddperf-models=mobilenet_depthwise"),
        ("pytest --ddperf-timer=pr", "--ddperf-timer=predict"),
    ],
)
def test_pytest_is_completed(shell: TypingShell, typed: str, completed: str) -> None:
    shell.type(f"{CLEAR_LINE}{typed}\t")
    shell.read_until(completed)


@pytest.mark.slow
def test_pytest_completes_platforms_and_networks_of_the_project(shell: TypingShell, tmp_path: Path) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    (tmp_path / "mine").mkdir()
    (tmp_path / "ddperf.toml").write_text(
        '[platforms.workbench]\ntitle = "Mine"\n[models.trout]\npath = "mine"\nwidth = 8\nheight = 8\n',
        encoding="utf-8",
    )
    (tmp_path / "benchmarks").mkdir()
    shell.type("cd benchmarks\n")
    shell.read_until(PROMPT)
    shell.type("pytest --platform=workb\t")
    shell.read_until("--platform=workbench")
    shell.type(" --ddperf-models=trou\t")
    shell.read_until("--ddperf-models=trout")


@pytest.mark.slow
def test_pytest_completes_the_packages_names_if_ddperf_toml_is_wrong(shell: TypingShell, tmp_path: Path) -> None:
    (tmp_path / "ddperf.toml").write_text("[platforms\n", encoding="utf-8")
    shell.type("pytest --platform=raspi4\t")
    shell.read_until("--platform=raspi4-ncnn")


@pytest.mark.slow
@needs["fish"]
def test_fish_completes_too(tmp_path: Path) -> None:
    completed = {
        "ddperf check-m": "check-model",
        "pytest --ddperf-max-b": "--ddperf-max-batch-size",
        "pytest --maxf": "--maxfail",
        "pytest --platform=raspi4": "--platform=raspi4-ncnn",
        "pytest --ddperf-models mobilenet_d": "mobilenet_depthwise",
    }
    asks = "; ".join(f"complete -C '{typed}'" for typed in completed)
    done = subprocess.run(
        ["fish", "--no-config", "-c", f"ddperf completion fish | source; {asks}"],  # noqa: S607 - the one that a person has
        cwd=tmp_path,
        env={**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert [line.split("\t")[0] for line in done.stdout.splitlines()] == list(completed.values())


def test_without_argcomplete_it_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "argcomplete.py").write_text("raise ImportError\n", encoding="utf-8")
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [BIN / "ddperf", "completion", "bash"],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert "pip install 'pytest-ddperf[completion]'" in done.stderr
    assert "Traceback" not in done.stderr
