"""What is shipped: the wheel, and the source distribution that must build the same one."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[2]
FILES = (
    "pyproject.toml",
    "README.md",
    "LICENSE",
    "CHANGELOG.md",
    "conftest.py",
    "tox.ini",
    ".gitignore",
    "CONTRIBUTING.md",
    ".pre-commit-config.yaml",
)
FOLDERS = ("pytest_ddperf", "baselines", "benchmarks", "tests", "changelog.d")
LITTER = (
    "pytest_ddperf/__pycache__/cli.cpython-311.pyc",
    "pytest_ddperf/report/.ruff_cache/found",
    "baselines/.ddperf/a.jsonl",
    "baselines/.tk1.json.0123456789abcdef.tmp",
    "tests/__pycache__/conftest.cpython-311.pyc",
    ".venv/pyvenv.cfg",
    "build/lib/pytest_ddperf/old.py",
    "notes.txt",
)
"""What lies about in a checkout that is worked in."""

SHIPPED = (
    r"pytest_ddperf/(\w+/)*\w+\.py",
    r"pytest_ddperf/py\.typed",
    r"pytest_ddperf/boards/telemetry/[\w-]+\.sh",
    r"pytest_ddperf/report/(\w+/)*[\w-]+\.(html|css|js)",
    r"pytest_ddperf/_data/baselines/([\w-]+\.(csv|json)|platforms\.toml)",
    r"pytest_ddperf-[\d.]+\.dist-info/(METADATA|WHEEL|RECORD|entry_points\.txt|licenses/LICENSE)",
)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the sources, with litter in it."""
    folder = tmp_path_factory.mktemp("checkout")
    for name in FILES:
        shutil.copy(REPO / name, folder / name)
    for name in FOLDERS:
        shutil.copytree(REPO / name, folder / name)
    for name in LITTER:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("litter", encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def built(checkout: Path) -> Path:
    """The folder with the wheel and the source distribution."""
    build(checkout, "wheel", "sdist")
    return checkout / "dist"


def build(sources: Path, *kinds: str) -> None:
    targets = [part for kind in kinds for part in ("-t", kind)]
    command = [sys.executable, "-m", "hatchling", "build", *targets]
    done = subprocess.run(command, cwd=sources, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def contents(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def wheel_in(folder: Path) -> Path:
    (wheel,) = folder.glob("*.whl")
    return wheel


def test_the_wheel_holds_code_types_baselines_report_templates_and_board_scripts_and_nothing_else(built: Path) -> None:
    names = contents(wheel_in(built))
    assert [name for name in names if not any(re.fullmatch(pattern, name) for pattern in SHIPPED)] == []


def test_the_wheel_leaves_out_nothing_of_the_package_and_the_baselines(built: Path) -> None:
    files = {
        *(path.relative_to(REPO).as_posix() for path in (REPO / "pytest_ddperf").rglob("*") if path.is_file()),
        *(f"pytest_ddperf/_data/baselines/{path.name}" for path in (REPO / "baselines").iterdir() if path.is_file()),
    }
    left_out = files - contents(wheel_in(built)).keys()
    assert [name for name in left_out if "__pycache__" not in name and "/." not in name] == []


def test_the_source_distribution_holds_what_is_needed_to_build_and_test_and_no_litter(built: Path) -> None:
    (path,) = built.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert not [name for name in names if "__pycache__" in name or "_cache" in name]
    assert not names & set(LITTER)
    tests = {one.relative_to(REPO).as_posix() for one in (REPO / "tests").rglob("*.py")}
    assert {"PKG-INFO", "LICENSE", "README.md", "tox.ini", "conftest.py", "benchmarks/test_predict.py", *tests} <= names
    assert {"CONTRIBUTING.md", ".pre-commit-config.yaml", "changelog.d/README.md"} <= names


@pytest.mark.slow
def test_the_source_distribution_builds_the_same_wheel(built: Path, tmp_path: Path) -> None:
    (path,) = built.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        # as attribute: `filter=` is a TypeError before Python 3.11.4, and where it is missing a warning from 3.12 on
        archive.extraction_filter = getattr(tarfile, "data_filter", None)
        archive.extractall(tmp_path)  # noqa: S202 - built a moment ago
    (sources,) = tmp_path.iterdir()
    build(sources, "wheel")
    ours, theirs = contents(wheel_in(built)), contents(wheel_in(sources / "dist"))
    assert {name for name in ours.keys() | theirs.keys() if ours.get(name) != theirs.get(name)} == set()
    assert wheel_in(built).read_bytes() == wheel_in(sources / "dist").read_bytes()


def test_the_wheel_finds_its_own_baselines(built: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel_in(built)) as archive:
        archive.extractall(tmp_path / "site")  # noqa: S202 - built a moment ago
    code = (
        "import pytest_ddperf.config.load_catalog as b; print(b.__file__); print(b.find_package_data()); "
        "print(*b.load_catalog().platforms)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path / "site")},
        capture_output=True,
        text=True,
        check=False,
    )
    module, folder, platforms = done.stdout.splitlines() or [done.stderr] * 3
    assert module == str(tmp_path / "site" / "pytest_ddperf" / "config" / "load_catalog.py")
    assert folder == str(tmp_path / "site" / "pytest_ddperf" / "_data" / "baselines")
    assert "tk1" in platforms.split()


def test_the_wheel_says_that_it_is_typed_and_what_it_starts(built: Path) -> None:
    files = contents(wheel_in(built))
    (metadata,) = (text.decode() for name, text in files.items() if name.endswith("/METADATA"))
    (entry_points,) = (text.decode() for name, text in files.items() if name.endswith("/entry_points.txt"))
    assert files["pytest_ddperf/py.typed"] == b""
    assert "Classifier: Typing :: Typed" in metadata
    assert re.findall("^Provides-Extra: (.*)$", metadata, flags=re.MULTILINE) == ["completion", "embedded"]
    assert "ddperf = pytest_ddperf.cli.main:main" in entry_points
    assert "[pytest11]" in entry_points
