from __future__ import annotations

import base64
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


def test_the_images_are_jpegs_of_about_500x375_and_the_weight_of_photographs(tmp_path: Path) -> None:
    folder = ensure_bench_images(tmp_path / "images", count=8)
    for name in list_bench_images(folder):
        with Image.open(folder / name) as picture:
            assert picture.format == "JPEG"
            assert picture.mode == "RGB"
            assert abs(picture.width - 500) <= 24
            assert abs(picture.height - 375) <= 24
        assert 20_000 < (folder / name).stat().st_size < 110_000


def test_the_images_are_named_by_number_and_listed_sorted(tmp_path: Path) -> None:
    folder = ensure_bench_images(tmp_path / "images", count=3)
    assert list_bench_images(folder) == ["img_000.jpg", "img_001.jpg", "img_002.jpg"]


def test_the_same_images_are_generated_again(tmp_path: Path) -> None:
    one, other = (ensure_bench_images(tmp_path / name, count=3) for name in ("one", "other"))
    assert encode_inline([one / name for name in list_bench_images(one)]) == encode_inline(
        [other / name for name in list_bench_images(other)]
    )


def test_no_image_equals_another() -> None:
    assert len({draw(index).tobytes() for index in range(12)}) == 12


def test_images_that_are_there_are_not_drawn_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = ensure_bench_images(tmp_path / "images", count=1)
    monkeypatch.setattr(picture, "draw", None)  # calling it would raise
    assert ensure_bench_images(folder, count=1) == folder


def test_a_missing_image_is_added_and_nothing_else_touched(tmp_path: Path) -> None:
    folder = ensure_bench_images(tmp_path / "images", count=3)
    whole = (folder / "img_001.jpg").read_bytes()
    (folder / "img_001.jpg").unlink()
    (folder / "mine.png").write_bytes(b"mine")
    (folder / "img_000.jpg").write_bytes(b"also mine")
    ensure_bench_images(folder, count=3)
    assert (folder / "img_001.jpg").read_bytes() == whole
    assert (folder / "mine.png").read_bytes() == b"mine"
    assert (folder / "img_000.jpg").read_bytes() == b"also mine"


def test_what_a_killed_run_left_is_cleared_away(tmp_path: Path) -> None:
    stale = tmp_path / ".images.0123.tmp"
    stale.mkdir()
    (stale / "img_000.jpg").write_bytes(b"half")
    ensure_bench_images(tmp_path / "images", count=1)
    assert sorted(one.name for one in tmp_path.iterdir()) == [".images.lock", "images"]


def test_the_cache_folder_of_the_user_is_the_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert ensure_bench_images(count=1) == tmp_path / "pytest-ddperf" / f"bench-images-{generated_images.VERSION}-1"


@pytest.mark.slow
def test_two_processes_at_once_do_no_harm(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; "
        "from pytest_ddperf.servers.generated_images import ensure_bench_images as e; e(Path(sys.argv[1]), count=4)"
    )
    started = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "images")]) for _ in range(2)]
    assert [one.wait(timeout=60) for one in started] == [0, 0]
    assert len(list_bench_images(tmp_path / "images")) == 4
    assert sorted(one.name for one in tmp_path.iterdir()) == [".images.lock", "images"]


def test_a_folder_that_cannot_be_written_is_refused_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(ConfigurationError) as caught:
        ensure_bench_images(tmp_path / "file" / "images", count=1)
    assert_names(caught, tmp_path / "file" / "images", "--ddperf-data-dir")


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
