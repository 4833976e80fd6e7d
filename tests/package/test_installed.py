"""The built wheel in an empty virtual environment and an empty project, as a user has it; run by `tox -e pkg`.

On the oldest Python that is supported and the newest that is installed here. What is installed comes from a registry,
so this takes its time, and stands outside the default suite.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[2]
OLDEST, NEWEST = 11, 14
"""The minor versions of Python 3 that pyproject.toml names."""

TEST_OF_ONES_OWN = """\
import pytest


@pytest.mark.ddperf(models=["squeezenet_v1.1"], batch_sizes=[1, 2])
def test_my_network(ddperf):
    measurement = ddperf.measure()
    assert measurement.exclusive is not False
"""


def interpreter(minor: int) -> Path | None:
    """A Python of that version: on the path, or one of pyenv's."""
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    on_path = shutil.which(f"python3.{minor}")
    found = [Path(on_path)] if on_path else []
    for path in [*found, *sorted(root.glob(f"versions/3.{minor}.*/bin/python"))]:
        done = subprocess.run(
            [path, "-c", "import sys, venv; print(*sys.version_info[:2])"], capture_output=True, text=True, check=False
        )
        if done.stdout.split() == ["3", str(minor)]:  # pyenv leaves commands on the path that start nothing
            return path
    return None


INTERPRETERS = {f"3.{minor}": path for minor in range(OLDEST, NEWEST + 1) if (path := interpreter(minor))}
TRIED = list(dict.fromkeys([f"3.{OLDEST}", *list(INTERPRETERS)[-1:]]))


@dataclass(frozen=True, slots=True)
class Installed:
    """A virtual environment with the wheel, and the project in which commands run.

    Args:
        folder: of the environment.
        project: the user's folder.
    """

    folder: Path
    project: Path

    def run(self, command: str, *args: str | Path) -> subprocess.CompletedProcess[str]:
        """One of the environment's commands, as in a shell that knows of nothing else."""
        surroundings = {
            "PATH": f"{self.folder / 'bin'}{os.pathsep}/usr/bin{os.pathsep}/bin",
            "HOME": str(self.project.parent),
            "COLUMNS": "80",
        }
        kept = {key: value for key, value in os.environ.items() if key.startswith(("PIP_", "SSL_", "HTTP", "http"))}
        return subprocess.run(
            [self.folder / "bin" / command, *args],
            cwd=self.project,
            env=surroundings | kept,
            capture_output=True,
            text=True,
            check=False,
        )

    def install(self, extra: str = "") -> None:
        """Install the wheel, with an extra."""
        done = self.run("pip", "install", "--quiet", f"{built('whl')}{extra}")
        assert done.returncode == 0, done.stderr


def built(ending: str) -> Path:
    (path,) = Path(os.environ["BUILT_DISTRIBUTIONS"]).glob(f"*.{ending}")
    return path


@pytest.fixture(scope="module", params=TRIED)
def installed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """The wheel alone, without extras."""
    if request.param not in INTERPRETERS:
        pytest.skip(f"there is no Python {request.param} here")
    folder = tmp_path_factory.mktemp(f"python{request.param}")
    subprocess.run([INTERPRETERS[request.param], "-m", "venv", folder / "venv"], check=True)
    (folder / "project").mkdir()
    made = Installed(folder / "venv", folder / "project")
    made.install()
    return made


@pytest.fixture(scope="module")
def with_the_server(installed: Installed) -> Installed:
    """The same with the extra `embedded`."""
    installed.install("[embedded]")
    return installed


def test_what_it_needs_is_there_and_fits_together(installed: Installed) -> None:
    assert installed.run("pip", "check").returncode == 0


def test_its_commands_run(installed: Installed) -> None:
    assert re.fullmatch(r"pytest-ddperf \d+\.\d+\.\d+\S*\n", installed.run("ddperf", "--version").stdout)
    assert "tk1" in installed.run("ddperf", "platforms").stdout
    assert "--ddperf-platform" in installed.run("pytest", "--help").stdout


def test_the_published_tables_are_drawn(installed: Installed) -> None:
    done = installed.run("pytest", "--ddperf-plot=figures", "--platform=tk1")
    assert done.returncode == 0, done.stdout + done.stderr
    assert (installed.project / "figures" / "latency" / "tk1_log.svg").is_file()


def test_without_the_extra_it_says_what_to_install(installed: Installed) -> None:
    (installed.project / "test_mine.py").write_text(TEST_OF_ONES_OWN, encoding="utf-8")
    done = installed.run("pytest", "test_mine.py")
    assert done.returncode == pytest.ExitCode.USAGE_ERROR, done.stdout
    assert "pip install 'pytest-ddperf[embedded]'" in done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_with_the_extra_a_test_of_ones_own_is_measured(with_the_server: Installed) -> None:
    (with_the_server.project / "test_mine.py").write_text(TEST_OF_ONES_OWN, encoding="utf-8")
    done = with_the_server.run("pytest", "test_mine.py", "--benchmark-json=run.json")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed" in done.stdout
    assert len(json.loads((with_the_server.project / "run.json").read_text(encoding="utf-8"))["benchmarks"]) == 2


def test_with_the_extra_the_benchmarks_of_the_repository_run(with_the_server: Installed) -> None:
    shutil.copytree(REPO / "benchmarks", with_the_server.project / "benchmarks", dirs_exist_ok=True)
    done = with_the_server.run("pytest", "benchmarks", "--ddperf-models=squeezenet_v1.1", "--ddperf-batch-sizes=1,2")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed" in done.stdout


def test_the_source_distribution_installs_the_same_files(installed: Installed) -> None:
    before = files_of(installed)
    done = installed.run("pip", "install", "--quiet", "--no-deps", "--force-reinstall", built("gz"))
    assert done.returncode == 0, done.stderr
    assert files_of(installed) == before


def files_of(installed: Installed) -> dict[str, bytes]:
    """The package's files by name, without what Python and pip write beside them."""
    (site,) = installed.folder.glob("lib/python3.*/site-packages")
    paths = [path for path in (site / "pytest_ddperf").rglob("*") if path.is_file() and path.suffix != ".pyc"]
    assert paths
    return {path.relative_to(site).as_posix(): path.read_bytes() for path in paths}
