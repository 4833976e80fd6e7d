"""The image connector, against OpenCV's own words for it and against files of every kind."""

from __future__ import annotations

import base64
import os
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest
from PIL import Image

from pytest_ddperf.embedded.images.fetch import ImageReadError
from pytest_ddperf.embedded.images.images import ImageReader
from pytest_ddperf.embedded.limits import DEFAULTS
from pytest_ddperf.embedded.wire import ImageSettings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

PLAIN = ImageSettings()
SIZE = (37, 29)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    draw = np.random.default_rng(3)
    (tmp_path / "data").mkdir()
    for index in range(4):
        pixels = draw.integers(0, 256, (75, 100, 3), dtype=np.uint8)
        Image.fromarray(pixels).resize((200, 150)).save(tmp_path / "data" / f"{index}.jpg")
    return tmp_path / "data"


@pytest.fixture
def reader(folder: Path) -> Iterator[ImageReader]:
    one = ImageReader(folder, workers=2)
    yield one
    one.close()


def plain(reader: ImageReader, entry: str, settings: ImageSettings = PLAIN) -> NDArray[np.float32]:
    image: NDArray[np.float32] = reader.read([entry], settings, SIZE).pixels[0]
    return image


def test_it_is_opencvs_cubic_resize_in_the_order_blue_green_red(reader: ImageReader, folder: Path) -> None:
    image = cv2.imread(str(folder / "0.jpg"))
    assert image is not None
    expected = cv2.resize(image, SIZE, interpolation=cv2.INTER_CUBIC).transpose(2, 0, 1)
    got = plain(reader, "0.jpg")
    assert got.dtype == np.float32
    assert got.shape == (3, 29, 37)
    np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("interp", ["nearest", "linear", "area", "lanczos4"])
def test_the_interpolation_can_be_chosen(reader: ImageReader, interp: str) -> None:
    assert not np.array_equal(plain(reader, "0.jpg", ImageSettings(interp=interp)), plain(reader, "0.jpg"))


def test_an_unknown_interpolation_is_cubic(reader: ImageReader) -> None:
    np.testing.assert_array_equal(plain(reader, "0.jpg", ImageSettings(interp="magic")), plain(reader, "0.jpg"))


def test_rgb_turns_the_channels_round(reader: ImageReader) -> None:
    np.testing.assert_array_equal(plain(reader, "0.jpg", ImageSettings(rgb=True)), plain(reader, "0.jpg")[::-1])


def test_bw_is_gray_three_times(reader: ImageReader) -> None:
    blue, green, red = plain(reader, "0.jpg", ImageSettings(bw=True))
    np.testing.assert_array_equal(blue, green)
    np.testing.assert_array_equal(blue, red)


@pytest.mark.parametrize("bw", [False, True])
def test_histogram_equalization_spreads_the_brightness(reader: ImageReader, folder: Path, *, bw: bool) -> None:
    Image.fromarray(np.linspace(100, 120, 120 * 160).reshape(120, 160).astype(np.uint8)).save(folder / "flat.png")
    settings = ImageSettings(bw=bw, histogram_equalization=True)
    spread = np.ptp(plain(reader, "flat.png", settings))
    assert spread > 5 * np.ptp(plain(reader, "flat.png", ImageSettings(bw=bw)))


def test_values_are_scaled_then_centred_then_divided(reader: ImageReader) -> None:
    settings = ImageSettings(scale=0.5, mean=(1.0, 2.0, 3.0), std=(4.0,))
    expected = (plain(reader, "0.jpg") * 0.5 - np.array([1, 2, 3]).reshape(3, 1, 1)) / 4
    np.testing.assert_allclose(plain(reader, "0.jpg", settings), expected, rtol=1e-6)


def test_one_mean_counts_for_all_channels(reader: ImageReader) -> None:
    np.testing.assert_array_equal(plain(reader, "0.jpg", ImageSettings(mean=(7.0,))), plain(reader, "0.jpg") - 7)


def test_the_size_that_an_image_had_is_kept(reader: ImageReader, folder: Path) -> None:
    for name, size in (("wide.png", (40, 10)), ("high.png", (7, 31))):
        Image.new("RGB", size).save(folder / name)
    batch = reader.read(["wide.png", "high.png"], PLAIN, SIZE)
    assert batch.sizes == ((40, 10), (7, 31))


def test_the_batch_is_in_the_order_of_the_request_and_duplicates_are_paid_for(reader: ImageReader) -> None:
    batch = reader.read(["2.jpg", "0.jpg", "2.jpg"], PLAIN, SIZE)
    assert batch.uris == ("2.jpg", "0.jpg", "2.jpg")
    np.testing.assert_array_equal(batch.pixels, [plain(reader, name) for name in batch.uris])


def test_a_buffer_that_fits_is_used_again(reader: ImageReader) -> None:
    first = reader.read(["0.jpg", "1.jpg"], PLAIN, SIZE).pixels
    assert reader.read(["2.jpg", "3.jpg"], PLAIN, SIZE, first).pixels is first
    assert reader.read(["2.jpg"], PLAIN, SIZE, first).pixels is not first


def test_an_absolute_path_is_answered_as_it_was_given(reader: ImageReader, folder: Path) -> None:
    assert reader.read([f"{folder}/0.jpg"], PLAIN, SIZE).uris == (f"{folder}/0.jpg",)


@pytest.mark.parametrize("slash", ["", "/"])
def test_a_folder_stands_for_its_images(reader: ImageReader, folder: Path, slash: str) -> None:
    (folder / "list.txt").write_text("0.jpg\n")
    uris = reader.read([f"{folder}{slash}"], PLAIN, SIZE).uris
    assert uris == tuple(f"{folder}/{index}.jpg" for index in range(4))


def test_inline_images_are_named_by_their_place_in_the_request(reader: ImageReader, folder: Path) -> None:
    inline = base64.b64encode((folder / "1.jpg").read_bytes()).decode()
    batch = reader.read([inline, "0.jpg", inline], PLAIN, SIZE)
    assert batch.uris == ("0", "0.jpg", "2")
    np.testing.assert_array_equal(batch.pixels[0], plain(reader, "1.jpg"))


def test_gray_images_have_three_equal_channels(reader: ImageReader, folder: Path) -> None:
    Image.open(folder / "0.jpg").convert("L").save(folder / "gray.jpg")
    blue, _green, red = plain(reader, "gray.jpg")
    np.testing.assert_array_equal(blue, red)


def test_the_alpha_channel_is_dropped(reader: ImageReader, folder: Path) -> None:
    picture = Image.open(folder / "0.jpg")
    picture.save(folder / "rgb.png")
    picture.putalpha(0)
    picture.save(folder / "rgba.png")
    np.testing.assert_array_equal(plain(reader, "rgba.png"), plain(reader, "rgb.png"))


def test_a_truncated_jpeg_keeps_what_there_is(reader: ImageReader, folder: Path) -> None:
    content = (folder / "0.jpg").read_bytes()
    (folder / "short.jpg").write_bytes(content[: len(content) // 2])
    got, whole = plain(reader, "short.jpg"), plain(reader, "0.jpg")
    np.testing.assert_array_equal(got[:, :10], whole[:, :10])
    assert not np.array_equal(got[:, -5:], whole[:, -5:])


@pytest.mark.parametrize("content", [b"", b"this is no image", b"\xff\xd8", b"\x89PNG\r\n\x1a\n"], ids=repr)
def test_what_is_no_image_is_named(reader: ImageReader, folder: Path, content: bytes) -> None:
    (folder / "bad.jpg").write_bytes(content)
    with pytest.raises(ImageReadError, match=r"image could not be read or does not exist: bad\.jpg$"):
        reader.read(["0.jpg", "bad.jpg"], PLAIN, SIZE)


def test_the_first_bad_image_of_several_is_named(reader: ImageReader, folder: Path) -> None:
    for name in ("x.jpg", "y.jpg"):
        (folder / name).write_bytes(b"no")
    with pytest.raises(ImageReadError, match=r"x\.jpg"):
        reader.read(["0.jpg", "x.jpg", "1.jpg", "y.jpg"], PLAIN, SIZE)


def test_a_long_entry_is_shown_in_part(reader: ImageReader) -> None:
    with pytest.raises(ImageReadError) as caught:
        reader.read(["data:image/jpeg;base64," + "A" * 6000], PLAIN, SIZE)
    assert len(str(caught.value).partition("exist: ")[2]) == 200


@pytest.mark.parametrize(
    "entry", ["../outside.jpg", "link.jpg", "sub/../../outside.jpg", "/etc/hostname", "", "\0", "x" * 300, "A" * 400]
)
def test_nothing_outside_the_data_folder_is_read(reader: ImageReader, folder: Path, entry: str) -> None:
    (folder / "0.jpg").rename(folder.parent / "outside.jpg")
    (folder / "link.jpg").symlink_to(folder.parent / "outside.jpg")
    (folder / "sub").mkdir()
    with pytest.raises(ImageReadError, match="could not be read"):
        reader.read([entry], PLAIN, SIZE)


def test_links_that_lead_out_of_a_folder_are_not_followed(reader: ImageReader, folder: Path) -> None:
    (folder / "0.jpg").rename(folder.parent / "outside.jpg")
    (folder / "0.jpg").symlink_to(folder.parent / "outside.jpg")
    with pytest.raises(ImageReadError, match=r"0\.jpg"):
        reader.read(["."], PLAIN, SIZE)


def test_a_pipe_is_no_image(reader: ImageReader, folder: Path) -> None:
    os.mkfifo(folder / "pipe.jpg")
    with pytest.raises(ImageReadError, match=r"pipe\.jpg"):
        reader.read(["pipe.jpg"], PLAIN, SIZE)


def test_without_a_data_folder_no_path_is_read(folder: Path) -> None:
    with pytest.raises(ImageReadError, match="could not be read"):
        ImageReader(None, workers=1).read([str(folder / "0.jpg")], PLAIN, SIZE)


def test_too_many_images_are_refused(reader: ImageReader) -> None:
    with pytest.raises(ImageReadError, match=f"at most {DEFAULTS.images}"):
        reader.read(["0.jpg"] * (DEFAULTS.images + 1), PLAIN, SIZE)
