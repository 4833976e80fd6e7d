from __future__ import annotations

import contextlib
import os
import threading
from pathlib import Path

import pytest

from pytest_ddperf.embedded.confined_files import read_below, resolve_below


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "root"
    (folder / "sub").mkdir(parents=True)
    (folder / "sub" / "a").write_bytes(b"inside")
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "a").write_bytes(b"outside")
    return folder


def test_a_link_inside_is_followed(root: Path) -> None:
    (root / "link").symlink_to(root / "sub" / "a")
    path = resolve_below(root, "link")
    assert path == root / "sub" / "a"
    assert read_below(root, path, 100) == b"inside"


@pytest.mark.parametrize(
    "name", ["../secret/a", "sub/../../secret/a", "out", "out/a", "chain", "", "\0", "x" * 5000, "\ud800"]
)
def test_nothing_outside_is_found(root: Path, name: str) -> None:
    (root / "out").symlink_to(root.parent / "secret")
    (root / "chain").symlink_to("out/a")
    assert resolve_below(root, name) is None


@pytest.mark.parametrize("part", ["sub", "sub/a"])
def test_what_is_swapped_for_a_link_after_it_was_found_is_not_read(root: Path, part: str) -> None:
    path = resolve_below(root, "sub/a")
    assert path is not None
    (root / part).rename(root / "gone")
    (root / part).symlink_to(root.parent / "secret" / ("a" if part == "sub/a" else ""))
    assert path.read_bytes() == b"outside"  # what a plain opening would read
    with pytest.raises(OSError):  # noqa: PT011 - any
        read_below(root, path, 100)


def test_a_file_that_is_swapped_all_the_time_is_never_read_from_outside(root: Path) -> None:
    stop = threading.Event()

    def swap() -> None:
        while not stop.is_set():
            for target in (root.parent / "secret" / "a", root / "kept"):
                (root / "new").symlink_to(target)
                (root / "new").rename(root / "sub" / "a")

    (root / "kept").write_bytes(b"inside")
    thread = threading.Thread(target=swap)
    thread.start()
    read: set[bytes] = set()
    try:
        for _ in range(2000):
            path = resolve_below(root, "sub/a")
            if path is not None:
                try:
                    read.add(read_below(root, path, 100))
                except OSError:
                    continue
    finally:
        stop.set()
        thread.join()
    assert read == {b"inside"}


def test_a_file_that_is_too_large_or_none_is_not_read(root: Path) -> None:
    with pytest.raises(OSError, match="at most 3 bytes"):
        read_below(root, root / "sub" / "a", 3)
    with pytest.raises(OSError, match="not a regular file"):
        read_below(root, root / "sub", 100)
    os.mkfifo(root / "pipe")
    with pytest.raises(OSError, match="not a regular file"):
        read_below(root, root / "pipe", 100)


def opened() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_no_descriptor_is_left_open(root: Path) -> None:
    before = opened()
    for name in ("a", "none"):
        for _ in range(5):
            with contextlib.suppress(OSError):
                read_below(root, root / "sub" / name, 100)
    assert opened() == before
