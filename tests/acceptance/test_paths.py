"""Where the paths of options begin: what is typed where it is typed, what a file names beside the file."""

from __future__ import annotations

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
