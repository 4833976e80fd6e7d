from __future__ import annotations

import base64
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from messages import assert_names
from PIL import Image

from pytest_ddperf.errors import ConfigurationError
from pytest_ddperf.servers import generated_images, picture
from pytest_ddperf.servers.generated_images import encode_inline, ensure_bench_images, list_bench_images
from pytest_ddperf.servers.picture import draw

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the images are generated, four of them."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(generated_images, "COUNT", 4)
    return tmp_path / "pytest-ddperf"


def encoded(folder: Path) -> list[str]:
    return encode_inline([folder / name for name in list_bench_images(folder)])


def test_the_images_are_jpegs_of_about_500x375_and_the_weight_of_photographs() -> None:
    folder = ensure_bench_images()
    for name in list_bench_images(folder):
        with Image.open(folder / name) as picture:
            assert picture.format == "JPEG"
            assert picture.mode == "RGB"
            assert abs(picture.width - 500) <= 24
            assert abs(picture.height - 375) <= 24
        assert 20_000 < (folder / name).stat().st_size < 110_000


def test_the_images_are_named_by_number_and_listed_sorted(cache: Path) -> None:
    folder = ensure_bench_images()
    assert folder == cache / f"bench-images-{generated_images.VERSION}"
    assert list_bench_images(folder) == ["img_000.jpg", "img_001.jpg", "img_002.jpg", "img_003.jpg"]


def test_the_same_images_are_generated_again() -> None:
    folder = ensure_bench_images()
    before = encoded(folder)
    shutil.rmtree(folder)
    assert encoded(ensure_bench_images()) == before


def test_no_image_equals_another() -> None:
    assert len({draw(index).tobytes() for index in range(12)}) == 12


def test_images_that_are_there_are_not_drawn_again(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = ensure_bench_images()
    monkeypatch.setattr(picture, "draw", None)  # calling it would raise
    assert ensure_bench_images() == folder


def test_a_missing_image_is_added_and_nothing_else_touched() -> None:
    folder = ensure_bench_images()
    whole = (folder / "img_001.jpg").read_bytes()
    (folder / "img_001.jpg").unlink()
    (folder / "mine.png").write_bytes(b"mine")
    (folder / "img_000.jpg").write_bytes(b"also mine")
    ensure_bench_images()
    assert (folder / "img_001.jpg").read_bytes() == whole
    assert (folder / "mine.png").read_bytes() == b"mine"
    assert (folder / "img_000.jpg").read_bytes() == b"also mine"


def test_what_a_killed_run_left_is_cleared_away(cache: Path) -> None:
    stale = cache / f".bench-images-{generated_images.VERSION}.0123.tmp"
    stale.mkdir(parents=True)
    (stale / "img_000.jpg").write_bytes(b"half")
    folder = ensure_bench_images()
    assert sorted(one.name for one in cache.iterdir()) == [f".{folder.name}.lock", folder.name]


@pytest.mark.slow
def test_two_processes_at_once_do_no_harm(cache: Path) -> None:
    code = "from pytest_ddperf.servers import generated_images as one; one.COUNT = 4; one.ensure_bench_images()"
    started = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(2)]
    assert [one.wait(timeout=60) for one in started] == [0, 0]
    folder = ensure_bench_images()
    assert len(list_bench_images(folder)) == 4
    assert sorted(one.name for one in cache.iterdir()) == [f".{folder.name}.lock", folder.name]


def test_a_folder_that_cannot_be_written_is_refused_with_what_to_do(cache: Path) -> None:
    cache.write_text("no folder")
    with pytest.raises(ConfigurationError) as caught:
        ensure_bench_images()
    assert_names(caught, cache / "bench-images", "--ddperf-data-dir")


def test_other_files_and_subfolders_are_not_listed(tmp_path: Path) -> None:
    for name in ("b.PNG", "a.jpeg", "notes.txt"):
        (tmp_path / name).touch()
    (tmp_path / "folder.jpg").mkdir()
    assert list_bench_images(tmp_path) == ["a.jpeg", "b.PNG"]


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        list_bench_images(tmp_path / "nowhere")
    assert_names(caught, tmp_path / "nowhere", "No such file")


def test_inline_images_are_the_files_in_base64(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"\xff\xd8a")
    assert [base64.b64decode(one) for one in encode_inline([tmp_path / "a.jpg"])] == [b"\xff\xd8a"]


def test_an_inline_image_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"gone\.jpg"):
        encode_inline([tmp_path / "gone.jpg"])
