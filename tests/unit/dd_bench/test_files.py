"""The list of images, and the files of results."""

from __future__ import annotations

from pathlib import Path

import pytest
from every_row import every_row
from messages import assert_names

from pytest_ddperf.dd_bench.files import check_results, list_images, write_results
from pytest_ddperf.dd_bench.options import BenchOptions
from pytest_ddperf.errors import ConfigurationError


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")


def options(folder: object, names: object = None) -> BenchOptions:
    listed = None if names is None else str(names)
    return BenchOptions(service="s", remote_bench_data_dir=str(folder), list_bench_files=listed)


def refuse(text: str) -> None:
    pytest.fail(f"said: {text}")


def test_the_named_list_names_the_images_of_the_folder_on_the_server(tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_text("b.jpg\na.jpg\n\n", encoding="utf-8")
    images = list_images(options("/srv/bench/", tmp_path / "names.txt"), refuse)
    assert images.data == ("/srv/bench/b.jpg", "/srv/bench/a.jpg")
    assert images.batch(1) == (("/srv/bench/b.jpg",), ("/srv/bench/b.jpg",))


def test_without_one_it_is_dd_benchs_here(tmp_path: Path) -> None:
    Path("list_bench_files.txt").write_text("1.jpg\n", encoding="utf-8")
    assert list_images(options("/srv/bench"), refuse).data == ("/srv/bench/1.jpg",)


def test_or_the_one_that_came_with_the_images(tmp_path: Path) -> None:
    (tmp_path / "list_bench_files.txt").write_text("2.jpg\n", encoding="utf-8")
    assert list_images(options(tmp_path), refuse).data == (f"{tmp_path}/2.jpg",)


def test_or_what_the_same_folder_holds_on_this_machine(tmp_path: Path) -> None:
    for name in ("y.png", "x.jpg", "notes.txt"):
        (tmp_path / name).touch()
    assert list_images(options(tmp_path), refuse).data == (f"{tmp_path}/x.jpg", f"{tmp_path}/y.png")


def test_names_that_are_not_known_are_asked_for() -> None:
    with pytest.raises(ConfigurationError) as caught:
        list_images(options("/srv/bench"), refuse)
    assert_names(caught, "--list-bench-files FILE")


def test_a_list_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        list_images(options("/srv", tmp_path / "gone.txt"), refuse)
    assert_names(caught, "gone.txt", "No such file")


def test_a_list_may_have_a_byte_order_mark_and_the_line_ends_of_windows(tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_bytes(b"\xef\xbb\xbfa.jpg\r\nb.jpg\r\n")
    assert list_images(options("/srv", tmp_path / "names.txt"), refuse).data == ("/srv/a.jpg", "/srv/b.jpg")


def test_a_list_that_is_not_utf8_is_refused_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_bytes(b"a.jpg\nb\xe9.jpg\n")
    with pytest.raises(ConfigurationError) as caught:
        list_images(options("/srv", tmp_path / "names.txt"), refuse)
    assert_names(caught, "names.txt, line 2", "UTF-8", "--list-bench-files")


def test_an_empty_list_is_refused(tmp_path: Path) -> None:
    (tmp_path / "none.txt").write_text("\n", encoding="utf-8")
    with pytest.raises(ConfigurationError) as caught:
        list_images(options("/srv", tmp_path / "none.txt"), refuse)
    assert_names(caught, "none.txt", "no images")


def test_an_image_that_is_listed_twice_is_sent_once_and_that_is_said(tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_text("a.jpg\nb.jpg\na.jpg\n", encoding="utf-8")
    said: list[str] = []
    images = list_images(options("/srv", tmp_path / "names.txt"), said.append)
    assert images.data == ("/srv/a.jpg", "/srv/b.jpg")
    (line,) = said
    assert line == "ddperf: duplicate images in the list: 1; each image is sent once, because a server answers it once"


def test_a_results_file_is_not_touched_before_there_is_a_result(tmp_path: Path) -> None:
    old = tmp_path / "old.csv"
    old.write_text("old", encoding="utf-8")
    files = check_results({"csv": str(old), "json": None})
    assert old.read_text(encoding="utf-8") == "old"
    write_results(files["csv"], "new\r\n")
    assert old.read_bytes() == b"new\r\n"
    assert sorted(one.name for one in tmp_path.iterdir()) == ["here", "old.csv"]


@pytest.mark.parametrize("path", [".", "nowhere/results.csv", "/proc/version", "/dev/null"])
def test_a_results_file_that_cannot_be_is_refused_before_the_run(path: str) -> None:
    with pytest.raises(ConfigurationError, match="results"):
        check_results({"csv": path})


@every_row("path", ["results", "../here/results", "link"])
def test_two_results_in_one_file_are_refused(path: str) -> None:
    Path("results").touch()
    if not Path("link").is_symlink():
        Path("link").symlink_to("results")
    with pytest.raises(ConfigurationError) as caught:
        check_results({"csv": "results", "json": path})
    assert_names(caught, "--csv-output=results", f"--json-output={path}")
