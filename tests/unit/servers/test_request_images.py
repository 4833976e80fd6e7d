from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from messages import assert_names

from pytest_ddperf.config.server_options import ServerOptions
from pytest_ddperf.core.service_parameters import ServiceParameters
from pytest_ddperf.errors import ConfigurationError
from pytest_ddperf.servers import generated_images
from pytest_ddperf.servers.request_images import BenchImages, load_images

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def names(tmp_path: Path) -> str:
    path = tmp_path / "names.txt"
    path.write_text("a.jpg\n\n b.jpg \n", encoding="utf-8")
    return str(path)


def test_images_are_named_as_the_server_sees_them(names: str) -> None:
    images = load_images(ServerOptions("http://h:1", data_dir="/srv/", bench_files=names))
    assert images == BenchImages("path", ("/srv/a.jpg", "/srv/b.jpg"))
    assert images.batch(1) == (("/srv/a.jpg",), ("/srv/a.jpg",))


def test_a_folder_that_is_here_too_is_its_own_list(tmp_path: Path) -> None:
    for name in ("b.png", "a.JPG", "notes.txt"):
        (tmp_path / name).write_bytes(b"")
    images = load_images(ServerOptions("http://h:1", data_dir=str(tmp_path)))
    assert images.data == (f"{tmp_path}/a.JPG", f"{tmp_path}/b.png")


def generated(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Let the generated images be two tiny ones."""
    for name in ("img_000.jpg", "img_001.jpg"):
        (folder / name).write_bytes(b"jpeg")
    monkeypatch.setattr(generated_images, "ensure_bench_images", lambda: folder)


def test_without_a_data_dir_the_generated_images_are_sent_inline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    generated(monkeypatch, tmp_path)
    images = load_images(ServerOptions("http://h:1"))
    assert images == BenchImages("inline", ("anBlZw==", "anBlZw=="))
    assert list(images.batch(2)[1]) == ["0", "1"]


def test_the_embedded_server_reads_the_generated_images_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    generated(monkeypatch, tmp_path)
    images = load_images(ServerOptions("embedded"))
    assert images == BenchImages("path", (f"{tmp_path}/img_000.jpg", f"{tmp_path}/img_001.jpg"))


def test_a_batch_larger_than_the_images_is_refused() -> None:
    with pytest.raises(ConfigurationError) as caught:
        BenchImages("path", ("a", "b")).batch(3)
    assert_names(caught, "batch of 3", 2, "--ddperf-max-batch-size=2")


@pytest.mark.parametrize(
    ("data_dir", "files", "facts"),
    [
        ("/srv", "none.txt", ("none.txt", "No such file")),
        ("/srv/not/here", None, ("/srv/not/here", "--ddperf-bench-files=FILE")),
        ("EMPTY", None, ("no images",)),
    ],
)
def test_images_that_are_not_known_are_refused(
    tmp_path: Path, data_dir: str, files: str | None, facts: tuple[str, ...]
) -> None:
    where = str(tmp_path) if data_dir == "EMPTY" else data_dir
    with pytest.raises(ConfigurationError) as caught:
        load_images(ServerOptions("http://h:1", data_dir=where, bench_files=files))
    assert_names(caught, *facts)


def test_a_list_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigurationError) as caught:
        load_images(ServerOptions("http://h:1", data_dir="/srv", bench_files=str(tmp_path / "names.txt")))
    assert_names(caught, "names.txt, line 1", "UTF-8")


def test_a_list_of_images_may_have_a_byte_order_mark_and_the_line_ends_of_windows(tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_bytes(b"\xef\xbb\xbfa.jpg\r\n\r\nb.jpg\r\n")
    images = load_images(ServerOptions("http://h:1", data_dir="/srv", bench_files=str(tmp_path / "names.txt")))
    assert images.data == ("/srv/a.jpg", "/srv/b.jpg")


def test_an_image_that_is_listed_twice_is_sent_once_and_that_is_reported(tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_text("a.jpg\nb.jpg\na.jpg\n", encoding="utf-8")
    said: list[str] = []
    images = load_images(
        ServerOptions("http://h:1", data_dir="/srv", bench_files=str(tmp_path / "names.txt")), said.append
    )
    assert images.data == ("/srv/a.jpg", "/srv/b.jpg")
    (line,) = said
    assert_names(line, "duplicate images", 1)


def test_what_holds_for_one_network_holds_for_it_alone() -> None:
    own = ServiceParameters(mllib="ncnn", rgb=True)
    options = ServerOptions("http://h:1", parameters=ServiceParameters(gpu=True), by_model={"resnet50": own})
    assert options.of("vgg16") is options
    assert options.of("resnet50") == replace(options, parameters=own)
