from __future__ import annotations

import cv2
import numpy as np
import pytest
from every_row import every_row
from hypothesis import given
from hypothesis import strategies as st

from pytest_ddperf.embedded.images.images import count_pixels


def encoded(suffix: str, width: int, height: int, *options: int) -> bytes:
    drawn = np.random.default_rng(width).integers(0, 255, (height, width, 3), dtype=np.uint8)
    return bytes(cv2.imencode(suffix, drawn, options)[1])


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp"])
@given(width=st.integers(1, 70), height=st.integers(1, 70))
def test_it_is_what_the_decoder_says(suffix: str, width: int, height: int) -> None:
    assert count_pixels(encoded(suffix, width, height)) == width * height


def test_of_a_progressive_jpeg_too() -> None:
    assert count_pixels(encoded(".jpg", 33, 44, cv2.IMWRITE_JPEG_PROGRESSIVE, 1)) == 33 * 44


def test_segments_before_it_and_fillings_are_passed_over() -> None:
    content = encoded(".jpg", 33, 44)
    assert count_pixels(content[:2] + b"\xff\xfe\x00\x06\xff\xc0\x00\x00" + b"\xff\xff" + content[2:]) == 33 * 44


@every_row(
    "content", [b"", b"\xff\xd8", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"\xff\xd8" + b"\xff" * 40, b"\xff\xd8abc" * 9]
)
def test_where_nothing_is_said_it_is_none(content: bytes) -> None:
    assert count_pixels(content) == 0


@given(st.binary(max_size=200))
def test_any_bytes_have_some(content: bytes) -> None:
    for start in (b"", b"\xff\xd8", b"BM", b"\x89PNG\r\n\x1a\n"):
        assert count_pixels(start + content) >= 0
