"""Where the paths of options begin: what is typed where it is typed, what a file names beside the file."""

from __future__ import annotations

import json
import os
import pwd
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from bench_project import SQUEEZENET

if TYPE_CHECKING:
    from bench_project import BenchProject


@pytest.fixture
def in_a_folder(tk1: BenchProject, monkeypatch: pytest.MonkeyPatch) -> BenchProject:
    """A project in whose folder `benchmarks` one is; its ini file names its list of images."""
    monkeypatch.chdir(tk1.path / "benchmarks")
    return tk1


def run(project: BenchProject, *args: str) -> pytest.RunResult:
    return project.bare("test_predict.py", *project.where, *SQUEEZENET, *args)


def test_files_of_the_ini_file_are_beside_it(in_a_folder: BenchProject) -> None:
    in_a_folder.ini(ddperf_baseline="mine.csv", ddperf_report="r.csv", ddperf_storage="kept")
    (in_a_folder.path / "mine.csv").write_text("batch_size,squeezenet_v1.1\n1,90\n8,53\n", encoding="utf-8")
    run(in_a_folder).assert_outcomes(passed=2)
    assert {"r.csv", "kept"} <= {path.name for path in in_a_folder.path.iterdir()}


def test_files_of_ddperf_toml_are_beside_it(in_a_folder: BenchProject) -> None:
    (in_a_folder.path / "images.txt").rename(in_a_folder.path / "names.txt")
    text = '[platforms.tk1]\nbench_files = "names.txt"\n'
    (in_a_folder.path / "ddperf.toml").write_text(text, encoding="utf-8")
    run(in_a_folder).assert_outcomes(passed=2)


def test_what_is_typed_is_where_one_is(in_a_folder: BenchProject) -> None:
    here = in_a_folder.path / "benchmarks"
    (here / "mine.csv").write_text("batch_size,squeezenet_v1.1\n1,90\n8,53\n", encoding="utf-8")
    typed = ("--ddperf-baseline=mine.csv", "--ddperf-report=r.csv", "--ddperf-storage=kept")
    run(in_a_folder, *typed).assert_outcomes(passed=2)
    assert {"r.csv", "kept"} <= {path.name for path in here.iterdir()}


def test_the_history_is_in_the_project_by_default(in_a_folder: BenchProject) -> None:
    run(in_a_folder).assert_outcomes(passed=2)
    assert len(in_a_folder.histories()) == 1


@pytest.fixture
def home(tk1: BenchProject, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home folder of who runs pytest."""
    folder = tk1.path / "home"
    folder.mkdir()
    monkeypatch.setenv("HOME", str(folder))
    return folder


def test_a_tilde_is_the_home_folder_in_every_option_that_names_a_path(tk1: BenchProject, home: Path) -> None:
    (tk1.path / "images.txt").rename(home / "list.txt")
    (home / "mine.csv").write_text("batch_size,squeezenet_v1.1\n1,90\n8,53\n", encoding="utf-8")
    typed = ("baseline=~/mine.csv", "bench-files=~/list.txt", "storage=~/kept", "report=~/r.html")
    reports = ("report=~/reports/r.csv", "report=bmf:~/b.json", "report=pytest:~/p.json", "data-dir=~/images")
    result = tk1.run(*SQUEEZENET, *(f"--ddperf-{one}" for one in (*typed, *reports)))
    result.assert_outcomes(passed=2)
    written = {str(path.relative_to(home)) for path in home.rglob("*") if path.is_file()}
    assert {"r.html", "reports/r.csv", "b.json", "p.json"} <= written
    assert any(name.startswith("kept/") for name in written)
    assert not (tk1.path / "~").exists()
    asked = [json.loads(one.body)["data"] for one in tk1.server.requests if one.path == "/predict"]
    assert asked
    assert all(image.startswith(f"{home}/images/") for images in asked for image in images)


def test_a_tilde_is_the_home_folder_in_files_and_in_the_environment(
    tk1: BenchProject, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tk1.path / "images.txt").rename(home / "list.txt")
    (tk1.path / "ddperf.toml").write_text('[platforms.tk1]\nbench_files = "~/list.txt"\n', encoding="utf-8")
    tk1.ini(ddperf_report="~/r.csv")
    monkeypatch.setenv("DDPERF_STORAGE", "~/kept")
    tk1.run(*SQUEEZENET).assert_outcomes(passed=2)
    assert {"r.csv", "kept"} <= {path.name for path in home.iterdir()}


def test_a_tilde_with_an_account_is_the_home_folder_of_that(tk1: BenchProject) -> None:
    me = pwd.getpwuid(os.getuid())
    wanted = Path(me.pw_dir) / "no-such-list-of-images.txt"
    result = tk1.run(*SQUEEZENET, f"--ddperf-bench-files=~{me.pw_name}/{wanted.name}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: *{wanted}: it cannot be read*"])
