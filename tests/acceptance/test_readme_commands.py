"""Every command of the README is run: the main job in a clone, those of boards on servers as fast as the tables say."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import regression_picture
from page_examples import examples
from terminal_svg import lines_of

if TYPE_CHECKING:
    from page_reader import Rack, Reader

ROOT = Path(__file__).parents[2]
COMMANDS = [command for example in examples(ROOT / "README.md") for command in example.commands]
TESTS = [command for command in COMMANDS if "tox -e" in command]
"""What runs these tests: .ci/run does, by a test in test_readme.py; a test of it here would be itself."""

MAIN_JOB = [command for command in COMMANDS if "pip install" in command and command not in TESTS]
ON_BOARDS = [command for command in COMMANDS if command.startswith("pytest benchmarks ")]
DRAWING = [command for command in COMMANDS if command.startswith("pytest --ddperf-plot")]
FILES = ("pyproject.toml", "README.md", "LICENSE", "pytest_ddperf", "baselines", "benchmarks", "conftest.py")


def test_each_command_is_run_by_one_of_these_tests() -> None:
    assert sorted([*TESTS, *MAIN_JOB, *ON_BOARDS, *DRAWING]) == sorted(COMMANDS)
    assert len(TESTS) == len(MAIN_JOB) == len(DRAWING) == 1
    assert len(ON_BOARDS) > 4


def test_no_block_of_the_readme_is_excused_from_being_run() -> None:
    assert not [example for example in examples(ROOT / "README.md") if "not run" in example.notes]


@pytest.mark.slow
@pytest.mark.parametrize("command", ON_BOARDS)
def test_a_command_for_a_board_measures_it_and_is_green(command: str, reader: Reader, rack: Rack) -> None:
    reader.type(command)
    assert reader.status == 0, reader.printed
    assert all(board.predictions for name, board in rack.boards.items() if f"{name}.lan" in command)
    for written in re.findall(r"--junitxml=(\S+)|--ddperf-report=(\S+)", command):
        assert (reader.path / "".join(written)).is_file()
    assert (reader.path / "baselines" / "tk1.json").is_file() is ("--ddperf-update-baselines" in command)


@pytest.mark.slow
@pytest.mark.usefixtures("placeholder_figures")
@pytest.mark.parametrize("command", DRAWING)
def test_the_command_for_figures_measures_nothing_and_draws_those_that_are_shown(
    command: str, reader: Reader, rack: Rack
) -> None:
    reader.type(command)
    assert reader.status == 0, reader.printed
    assert not any(board.predictions for board in rack.boards.values())
    drawn = {path.stem for path in (reader.path / "ddperf-figures").rglob("*.svg")}
    shown = re.findall(r'<img src="docs/images/(\w+)\.svg"', (ROOT / "README.md").read_text(encoding="utf-8"))
    assert len(shown) == 3
    assert drawn >= set(shown)


@pytest.mark.slow
def test_figures_are_drawn_in_a_clone_that_lacks_the_packages_of_the_tests(tmp_path: Path) -> None:
    (tmp_path / "hypothesis.py").write_text("raise ModuleNotFoundError('hypothesis')\n", encoding="utf-8")
    folder = tmp_path / "figures"
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            f"--ddperf-plot={folder}",
            "--platform=raspi4-ncnn",
            "-p",
            "no:hypothesispytest",
        ],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert (folder / "latency" / "raspi4-ncnn_bars.svg").is_file()


def python_with_packages(folder: Path) -> Path:
    """A `python3` whose new environments find the packages of this one, so that nothing is downloaded."""
    folder.mkdir()
    packages = sysconfig.get_path("purelib")
    pytest_script = '#!/bin/sh\nexec "$(dirname "$0")/python" -m pytest "$@"\n'
    shim = folder / "python3"
    shim.write_text(
        f'#!/bin/sh\n"{sys.executable}" "$@" || exit\n'
        f'for each in "$3"/lib/python*/site-packages; do echo "{packages}" > "$each/packages.pth"; done\n'
        f'cat > "$3/bin/pytest" <<\'END\'\n{pytest_script}END\nchmod +x "$3/bin/pytest"\n',
        encoding="utf-8",
    )
    shim.chmod(0o755)
    return shim


@pytest.mark.slow
@pytest.mark.parametrize("command", MAIN_JOB)
def test_the_main_job_installs_the_clone_and_measures_on_the_embedded_server(command: str, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    clone.mkdir()
    for name in FILES:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, clone / name)
    shim = python_with_packages(tmp_path / "bin")
    kept = {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "PYTEST_ADDOPTS"}}
    done = subprocess.run(
        ["/bin/bash", "-c", command],
        cwd=clone,
        env={
            **kept,
            "PATH": os.pathsep.join([str(shim.parent), os.environ["PATH"]]),
            "PIP_NO_INDEX": "1",
            "PIP_NO_BUILD_ISOLATION": "0",  # pip reads this one the other way round: no isolation
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "DDPERF_MODELS": "squeezenet_v1.1",  # of 13
            "DDPERF_BATCH_SIZES": "1",
            "DDPERF_NPASSES": "2",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Successfully installed pytest-ddperf" in done.stdout
    assert "1 cell: 1 new" in done.stdout
    installed = list((clone / ".venv" / "lib").rglob("pytest_ddperf/_data/baselines/tk1.csv"))
    assert len(installed) == 1, "the wheel that was built here, with its baselines"


def steady(line: str) -> str:
    """A line without the time that the run took, and without what pads it to the width of the terminal."""
    return re.sub(r"=+", "=", re.sub(r"in [\d.]+s", "in 1.00s", line))


@pytest.mark.slow
def test_the_picture_is_what_the_run_prints() -> None:
    shown = [steady(line) for line in lines_of(regression_picture.PICTURE.read_text(encoding="utf-8"))]
    now = [steady(line) for line in lines_of(regression_picture.picture())]
    assert now == shown, "run: python docs/regression_picture.py"
    assert any("regressed: 69.8 ms per image now, baseline 53.7 ms per image, +30.0 %" in line for line in shown)
    assert f"](docs/images/{regression_picture.PICTURE.name})" in (ROOT / "README.md").read_text(encoding="utf-8")
