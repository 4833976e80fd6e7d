from __future__ import annotations

from pathlib import Path

import pytest
from messages import assert_names

from pytest_ddperf.baselines.store import BaselineStore
from pytest_ddperf.config.load_catalog import load_catalog
from pytest_ddperf.config.text_files import read_text, replace_file
from pytest_ddperf.core.records import Baseline, CellKey
from pytest_ddperf.errors import FileContentError

BOM = b"\xef\xbb\xbf"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "names.txt"


@pytest.mark.parametrize("start", [b"", BOM])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_a_byte_order_mark_and_the_kind_of_line_end_change_no_name(path: Path, start: bytes, end: bytes) -> None:
    path.write_bytes(start + end.join([b"a.jpg", b"", "ä.jpg".encode()]) + end)
    assert read_text(path, "names").splitlines() == ["a.jpg", "", "ä.jpg"]


def test_a_file_of_a_byte_order_mark_alone_is_empty(path: Path) -> None:
    path.write_bytes(BOM)
    assert read_text(path, "names") == ""


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1"])
def test_another_encoding_is_refused_with_file_and_line(path: Path, encoding: str) -> None:
    path.write_bytes("ä.jpg\n".encode(encoding))
    with pytest.raises(FileContentError) as caught:
        read_text(path, "names of images")
    assert (caught.value.path, caught.value.line) == (path, 1)
    assert_names(caught, path, "line 1", "names of images")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        (".", "Is a directory"),
        ("gone.txt", "No such file"),
        ("a\0b", "null byte"),
        ("n" * 300, "File name too long"),
    ],
)
def test_what_cannot_be_read_is_refused_and_named(tmp_path: Path, name: str, reason: str) -> None:
    with pytest.raises(FileContentError) as caught:
        read_text(tmp_path / name, "names")
    assert_names(caught, tmp_path, reason)
    assert caught.value.line is None


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("ddperf.toml", '[platforms.own]\r\ntitle = "Own"\r\n'),
        ("baselines/tk1.csv", "batch_size,squeezenet_v1.1\r\n1,12.5\r\n"),
        (
            "baselines/tk1.json",
            (
                '{"benchmarks": [{"extra_info": {"platform": "tk1", "model": "squeezenet_v1.1", "batch_size": 1}, '
                '"stats": {"data": [0.0125]}}]}\r\n'
            ),
        ),
    ],
)
def test_every_file_that_a_project_writes_may_have_a_byte_order_mark(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_bytes(BOM + text.encode())
    catalog = load_catalog(tmp_path)
    if name == "ddperf.toml":
        assert catalog.platform("own").title == "Own"
    else:
        found = BaselineStore(catalog, tmp_path).load("tk1").get(CellKey("tk1", "squeezenet_v1.1", 1))
        assert isinstance(found, Baseline)
        assert found.value_ms == 12.5


@pytest.mark.parametrize("sync", [False, True])
def test_a_file_is_replaced_and_nothing_else_is_left(tmp_path: Path, *, sync: bool) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b"old and longer")
    replace_file(path, b"new", sync=sync)
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_cannot_be_replaced_is_unchanged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b"old")

    def fail(*_: object) -> None:
        raise OSError("no space")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OSError, match="no space"):
        replace_file(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
