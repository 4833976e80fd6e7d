"""The image connector: converts the images of a request to the network's input, as DeepDetect does.

Like DeepDetect (imginputfileconn.h), this module decodes and resizes with OpenCV: channels in the order blue, green,
red; resized to the given width and height without keeping the aspect ratio; cubic interpolation without antialiasing.
"""

from __future__ import annotations

import base64
import os
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pytest_ddperf.embedded.confined_files import read_below, resolve_below
from pytest_ddperf.embedded.images.fetch import MAX_FILE_BYTES, ImageReadError, describe_unreadable, fetch
from pytest_ddperf.embedded.limits import DEFAULTS, MAX_IMAGE_PIXELS, MAX_INPUT_PIXELS, Limits

os.environ["OPENCV_IO_MAX_IMAGE_PIXELS"] = str(MAX_IMAGE_PIXELS)  # OpenCV reads this when it is imported
import cv2

cv2.setNumThreads(1)  # images are decoded in threads of our own, which those of OpenCV would only hold up

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from pytest_ddperf.embedded.wire import ImageSettings

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png"})
"""Suffixes of the files in a folder that are read as images."""

_INTERPOLATION = {
    "nearest": cv2.INTER_NEAREST,
    "linear": cv2.INTER_LINEAR,
    "area": cv2.INTER_AREA,
    "lanczos4": cv2.INTER_LANCZOS4,
}

_JPEG_START, _JPEG_END = b"\xff\xd8", b"\xff\xd9"


@dataclass(frozen=True, slots=True)
class _Source:
    """One image: its uri in the response, its name in messages (`shown`), and a function that reads its file."""

    uri: str
    shown: str
    read: Callable[[], bytes]


@dataclass(frozen=True, slots=True)
class Batch:
    """The images of one request, ready for the network.

    Args:
        uris: uri of each image in the response, in the order of `pixels`; an image named twice appears twice.
        pixels: float32 [N, 3, height, width].
        sizes: width and height of each image before resizing, in pixels.
    """

    uris: tuple[str, ...]
    pixels: NDArray[np.float32]
    sizes: tuple[tuple[int, int], ...]


class ImageReader:
    """Reads, decodes and resizes the images of requests, several at a time.

    Args:
        data_dir: images given by path must be below this folder; None to reject all paths.
        workers: number of images of one request to decode at the same time.
    """

    def __init__(self, data_dir: Path | None, workers: int, limits: Limits = DEFAULTS) -> None:
        self._limits = limits
        self._data_dir = None if data_dir is None else Path(os.path.realpath(data_dir))
        self._workers = max(1, workers)
        self._pool = ThreadPoolExecutor(self._workers, thread_name_prefix="decode")

    def close(self) -> None:
        """Let the reader's threads end."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def read(
        self,
        data: Sequence[str],
        settings: ImageSettings,
        size: tuple[int, int],
        buffer: NDArray[np.float32] | None = None,
    ) -> Batch:
        """Return the network's input for `data`, in the order of `data`.

        Args:
            data: paths of images or folders, http URLs of this host, or base64.
            settings: how images are preprocessed; its width and height are ignored.
            size: width and height of the network's input, in pixels.
            buffer: array to reuse if its shape matches; allocating a new one takes about as long as resizing into it.

        Raises:
            ImageReadError: an image cannot be read (the error is for the first one in `data`), or there are too many
                images or pixels.
        """
        sources: list[_Source] = []
        for index, entry in enumerate(data):
            sources += self._sources(index, entry)
            if max(len(sources), len(data)) > self._limits.images:  # here, as a folder may be named many times
                raise ImageReadError(f"too many images in one request; at most {self._limits.images} are allowed")
        width, height = size
        if len(sources) * width * height > MAX_INPUT_PIXELS:
            raise ImageReadError(
                f"{len(sources)} images of {width}x{height} in one request; at most {MAX_INPUT_PIXELS} pixels are "
                "allowed"
            )
        shape = (len(sources), 3, height, width)
        pixels = buffer if buffer is not None and buffer.shape == shape else np.empty(shape, np.float32)

        sizes = [size] * len(sources)
        failures: dict[int, Exception] = {}

        remaining = iter(range(len(sources)))  # each thread takes the next one, so that all end together

        def prepare_remaining() -> None:
            for index in remaining:
                source = sources[index]
                try:
                    pixels[index], sizes[index] = self._prepare(source, settings, size)
                except Exception as error:  # noqa: BLE001 - raised below, when no thread writes to the buffer any more
                    failures[index] = error

        helpers = [self._pool.submit(prepare_remaining) for _ in sources[1 : self._workers]]
        prepare_remaining()
        wait([helper for helper in helpers if not helper.cancel()])
        if failures:
            raise failures[min(failures)]
        _normalise(pixels, settings)
        return Batch(uris=tuple(source.uri for source in sources), pixels=pixels, sizes=tuple(sizes))

    def _prepare(
        self, source: _Source, settings: ImageSettings, size: tuple[int, int]
    ) -> tuple[NDArray[np.uint8], tuple[int, int]]:
        """Return the input of the network, uint8 [3, height, width], and the image's own width and height.

        Of a truncated JPEG, the existing part is decoded.

        Raises:
            ImageReadError: the content is not an image, or the image is too large.
        """
        content = source.read()
        interpolation = _INTERPOLATION.get(settings.interp, cv2.INTER_CUBIC)
        try:
            image = _decoded(content, cv2.IMREAD_GRAYSCALE if settings.bw else cv2.IMREAD_COLOR)
            if image is None:
                raise describe_unreadable(source.shown)
            resized = cv2.resize(image, size, interpolation=interpolation).astype(np.uint8, copy=False)
        except cv2.error:
            raise describe_unreadable(source.shown) from None
        if settings.histogram_equalization:
            resized = _equalised(resized)
        planes = np.broadcast_to(resized, (3, *resized.shape)) if settings.bw else resized.transpose(2, 0, 1)
        return planes[::-1] if settings.rgb else planes, (image.shape[1], image.shape[0])

    def _sources(self, index: int, entry: str) -> list[_Source]:
        if entry.startswith(("http://", "https://")):
            if not self._limits.fetch:
                raise ImageReadError(f"http URLs are disabled on this server: {entry[:200]}")
            return [_Source(entry, entry, lambda: fetch(entry))]
        path = self._path(entry)
        if path is not None and path.is_dir():
            names = sorted(file.name for file in path.iterdir() if file.suffix.lower() in IMAGE_SUFFIXES)
            folder = entry.rstrip("/")
            return [self._file(name, self._path(name)) for name in (f"{folder}/{name}" for name in names)]
        if path is not None:
            return [self._file(entry, path)]
        content = _base64(entry)
        if not content:
            raise describe_unreadable(entry)
        return [_Source(str(index), entry, lambda: content)]

    def _file(self, entry: str, path: Path | None) -> _Source:
        def read() -> bytes:
            try:
                if path is None or self._data_dir is None:
                    raise describe_unreadable(entry)
                return read_below(self._data_dir, path, MAX_FILE_BYTES)
            except OSError:
                raise describe_unreadable(entry) from None

        return _Source(entry, entry, read)

    def _path(self, entry: str) -> Path | None:
        """Return the file or folder below the data folder, with links resolved; None if there is none."""
        return None if self._data_dir is None else resolve_below(self._data_dir, entry)


def _decoded(content: bytes, flag: int) -> NDArray[np.uint8] | None:
    image = cv2.imdecode(np.frombuffer(content, np.uint8), flag) if content else None
    if image is None and content.startswith(_JPEG_START):
        # OpenCV decodes truncated JPEGs from a file, as DeepDetect does, but from memory only with an end marker
        image = cv2.imdecode(np.frombuffer(content + _JPEG_END, np.uint8), flag)
    return None if image is None else image.astype(np.uint8, copy=False)


def _equalised(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    if image.ndim == 2:
        return cv2.equalizeHist(image).astype(np.uint8, copy=False)
    brightness = cv2.cvtColor(image, cv2.COLOR_BGR2YCrCb)
    brightness[:, :, 0] = cv2.equalizeHist(np.ascontiguousarray(brightness[:, :, 0]))
    return cv2.cvtColor(brightness, cv2.COLOR_YCrCb2BGR).astype(np.uint8, copy=False)


@np.errstate(over="ignore", invalid="ignore", divide="ignore")  # checked in the network's output
def _normalise(pixels: NDArray[np.float32], settings: ImageSettings) -> None:
    if settings.scale != 1.0:
        pixels *= np.float32(settings.scale)
    if settings.mean:
        pixels -= np.array(settings.mean, np.float32).reshape(-1, 1, 1)
    if settings.std:
        pixels /= np.array(settings.std, np.float32).reshape(-1, 1, 1)


def _base64(text: str) -> bytes | None:
    if len(text) % 4 or len(text) > MAX_FILE_BYTES * 4 // 3:
        return None
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        return None
