"""What a check of a folder comes to, whatever stands in its files."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from model_folders import NCNN, caffe_folder, ncnn_folder, tiny_prototxt

from pytest_ddperf.cli.check_model import format_checks
from pytest_ddperf.core.networks import Network
from pytest_ddperf.models.check import check_folder, resolve_service_facts
from pytest_ddperf.models.findings import Level, format_megabytes
from pytest_ddperf.models.folder import Kind

if TYPE_CHECKING:
    from pathlib import Path

WORDS = re.findall(r'"[^"]*"|[A-Za-z_]+|[0-9]+|\S', tiny_prototxt())
OTHERS = ["-1", "0", "99999999999", "{", "}", '"data"', '"conv"', "Slice", '"Concat"', '"Reshape"', '"Eltwise"', "top"]
LIKE_ANY = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@LIKE_ANY
@given(st.lists(st.tuples(st.integers(0, len(WORDS) - 1), st.sampled_from([*OTHERS, *WORDS[:40]])), max_size=4))
def test_whatever_a_prototxt_holds_it_is_checked(tmp_path: Path, changes: list[tuple[int, str]]) -> None:
    words = list(WORDS)
    for place, word in changes:
        words[place] = word
    (tmp_path / "deploy.prototxt").write_text(" ".join(words), encoding="utf-8")
    (one,) = check_folder(tmp_path, (1, 8))
    assert not one.usable  # it has no weights
    assert all(len(line) <= 80 for line in format_checks("net", [one], 80))


@LIKE_ANY
@given(st.binary(max_size=200))
def test_whatever_files_hold_they_are_checked(tmp_path: Path, content: bytes) -> None:
    for name in ("deploy.prototxt", "a.caffemodel", "net.param", "net.bin", "corresp.txt"):
        (tmp_path / name).write_bytes(content)
    checks = check_folder(tmp_path, (1,))
    assert {one.kind for one in checks} == {Kind.CAFFE, Kind.NCNN}
    assert not any(one.usable for one in checks)


@LIKE_ANY
@given(st.integers(0, len(NCNN)), st.integers(0, len(NCNN)))
def test_an_ncnn_file_with_a_piece_cut_out_is_checked(tmp_path: Path, start: int, end: int) -> None:
    (tmp_path / "net.param").write_text(NCNN[:start] + NCNN[end:], encoding="utf-8")
    (tmp_path / "net.bin").write_bytes(bytes(2000))
    (one,) = check_folder(tmp_path)
    assert one.usable or any(finding.level is Level.MISSING for finding in one.findings)


def service_facts(model: Network, mllib: str) -> tuple[int | None, int | None, int | None]:
    found = resolve_service_facts(model, mllib)
    return found.width, found.height, found.nclasses


def test_facts_of_the_backend_that_is_meant(tmp_path: Path) -> None:
    folder = caffe_folder(tmp_path / "both", side=64, classes=7)
    for file in ncnn_folder(tmp_path / "n").iterdir():
        file.rename(folder / file.name)
    own = Network("a", "a", width=None, height=None, nclasses=None, repository="/m", path=str(folder))
    assert service_facts(own, "caffe") == (64, 64, 7)
    assert service_facts(own, "ncnn") == (224, 224, None)


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (999_999, "1 MB"),
        (4_940_000, "4.94 MB"),
        (553_000_000, "553 MB"),
        (2_500_000_000_000, "2,500 GB"),
    ],
)
def test_sizes_as_a_person_reads_them(size: int, text: str) -> None:
    assert format_megabytes(size) == text


def test_what_nobody_says_of_a_service_is_taken_from_the_files(tmp_path: Path) -> None:
    own = Network(
        "a", "a", width=None, height=None, nclasses=None, repository="/m", path=str(caffe_folder(tmp_path / "a", 64, 7))
    )
    assert service_facts(own, "caffe") == (64, 64, 7)


def test_what_somebody_says_wins_over_the_files(tmp_path: Path) -> None:
    path = str(caffe_folder(tmp_path / "a", 64, 7))
    own = Network("a", "a", width=32, height=16, repository="/m", path=path, mllib="torch", nclasses=2)
    assert service_facts(own, "torch") == (32, 16, 2)


def test_of_a_folder_that_is_not_here_nothing_is_known() -> None:
    own = Network("a", "a", width=None, height=None, nclasses=None, repository="/m")
    assert service_facts(own, "caffe") == (None, None, None)


def test_the_catalogues_networks_are_created_as_before() -> None:
    assert service_facts(Network("resnet50", "R"), "ncnn") == (224, 224, 1000)
