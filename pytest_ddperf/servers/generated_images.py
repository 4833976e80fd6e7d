"""Bench images, generated once from a seed, with the dimensions and file size of photographs.

An image affects speed only through its size: more pixels and bytes take longer to decode. The generated images are
therefore about 500x375 pixels with the file size of a photograph of that size, and nothing has to be downloaded.
"""

from __future__ import annotations

import base64
import secrets
import shutil
from typing import TYPE_CHECKING, Any, TypeAlias

import filelock
import numpy as np
import numpy.typing as npt
import platformdirs
from PIL import Image, ImageDraw

from pytest_ddperf.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

Levels: TypeAlias = "npt.NDArray[np.int16]"

VERSION = 1
"""Version of the images, incremented when they change: measurements on different images are not comparable."""

COUNT = 128
"""The largest batch size of the report."""

SUFFIXES = frozenset({".jpg", ".jpeg", ".png"})
_SEED = 20190917
_LOCK_TIMEOUT_S = 120.0
_GRAINS = (4, 8, 16, 32, 64, 128, 256)  # columns of noise across the width, coarse to fine
_COLOURED = frozenset({8, 32, 128})  # scales whose noise is coloured: colour varies less than brightness
_SHAPES = ("ellipse", "rectangle", "polygon", "line")


def ensure_bench_images(folder: Path | None = None, count: int = COUNT) -> Path:
    """Return the folder with `count` bench images, generating missing ones (takes a few seconds).

    Safe for concurrent processes: one generates, the others wait. A new folder appears only once it is complete. In a
    folder that already existed, only the missing images are added; its other files are not touched.

    Args:
        folder: the folder to use; None for the user's cache folder (respects XDG_CACHE_HOME).
        count: the number of images, named img_000.jpg, img_001.jpg and so on.

    Returns:
        The absolute path of the folder.

    Raises:
        ConfigurationError: the folder cannot be written.
    """
    if folder is None:
        name = f"bench-images-{VERSION}" if count == COUNT else f"bench-images-{VERSION}-{count}"
        folder = platformdirs.user_cache_path("pytest-ddperf") / name
    folder = folder.absolute()
    names = [f"img_{index:03d}.jpg" for index in range(count)]
    if not _missing(folder, names):
        return folder
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(folder.parent / f".{folder.name}.lock", timeout=_LOCK_TIMEOUT_S):
            _generate(folder, names)
    except (OSError, filelock.Timeout) as error:
        raise ConfigurationError(
            f"The bench images cannot be generated in {folder}: {error}. Set XDG_CACHE_HOME to a writable "
            "folder, or use your own images with --ddperf-data-dir."
        ) from error
    return folder


def list_bench_images(folder: Path) -> list[str]:
    """Return the sorted names of the images in a folder (.jpg, .jpeg, .png in any case), without subfolders.

    Raises:
        ConfigurationError: the path is not a folder or cannot be read.
    """
    try:
        return sorted(one.name for one in folder.iterdir() if one.suffix.lower() in SUFFIXES and one.is_file())
    except OSError as error:
        raise ConfigurationError(f"The folder of bench images {folder} cannot be read: {error}.") from error


def encode_inline(paths: Sequence[Path]) -> list[str]:
    """Return the files as base64, for requests to a server that cannot read them by path.

    Raises:
        ConfigurationError: a file cannot be read.
    """
    try:
        return [base64.b64encode(path.read_bytes()).decode("ascii") for path in paths]
    except OSError as error:
        raise ConfigurationError(f"A bench image cannot be read: {error}.") from error


def draw(index: int) -> Image.Image:
    """Draw the image with this number; the result is always the same.

    The image is a gradient with shapes, each with a texture of its own strength, plus camera noise. Only integer
    arithmetic is used, so that the result is the same on every processor.
    """
    rng = np.random.default_rng([_SEED, index])
    width, height = 500 + int(rng.integers(-24, 25)), 375 + int(rng.integers(-24, 25))
    picture = Image.fromarray(_gradient(rng, width, height).astype(np.uint8))
    strength = Image.new("L", (width, height), int(rng.integers(10, 60)))
    _draw_shapes(rng, picture, strength)
    textured = _texture(rng, width, height)
    textured *= np.asarray(strength)[..., None]
    textured //= 128
    textured += np.asarray(picture)
    grain = int(rng.integers(2, 7))
    textured += rng.integers(-grain, grain + 1, size=(height, width, 1), dtype=np.int8)
    return Image.fromarray(textured.clip(0, 255).astype(np.uint8))


def _missing(folder: Path, names: Sequence[str]) -> list[str]:
    return [name for name in names if not (folder / name).is_file()]


def _generate(folder: Path, names: Sequence[str]) -> None:
    """Draw the missing images in a temporary folder next to `folder`, then move them there; the lock must be held."""
    missing = _missing(folder, names)
    if not missing:
        return
    for stale in folder.parent.glob(f".{folder.name}.*.tmp"):  # left by a run that was killed
        shutil.rmtree(stale, ignore_errors=True)
    temporary = folder.with_name(f".{folder.name}.{secrets.token_hex(8)}.tmp")
    temporary.mkdir()
    try:
        for name in missing:
            draw(names.index(name)).save(temporary / name, quality=92)
        if not folder.exists():
            temporary.rename(folder)
        else:
            for name in missing:
                (temporary / name).replace(folder / name)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _gradient(rng: np.random.Generator, width: int, height: int) -> Levels:
    """Return a gradient between two colours, at a random angle; [height, width, 3]."""
    begin, end = rng.integers(30, 226, size=(2, 3))
    across, down = (int(part) for part in rng.integers(-100, 101, size=2))
    steps = np.arange(width)[None, :] * across + np.arange(height)[:, None] * down
    steps -= steps.min()
    span = max(1, int(steps.max()))
    blended: Levels = (begin + steps[..., None] * (end - begin) // span).astype(np.int16)
    return blended


def _draw_shapes(rng: np.random.Generator, picture: Image.Image, strength: Image.Image) -> None:
    """Draw random shapes into the picture, and the texture strength of each shape into `strength`."""
    width, height = picture.size
    colours, textures = ImageDraw.Draw(picture), ImageDraw.Draw(strength)
    for _ in range(int(rng.integers(6, 19))):
        shape = _SHAPES[int(rng.integers(len(_SHAPES)))]
        size = int(rng.integers(15, 160))
        left, top = int(rng.integers(-size // 2, width)), int(rng.integers(-size // 2, height))
        points: Any = [left, top, left + size, top + int(rng.integers(10, size + 10))]
        more: dict[str, int] = {}
        if shape == "polygon":
            corners = rng.integers(0, size + 1, size=(int(rng.integers(3, 8)), 2))
            points = [(left + int(x), top + int(y)) for x, y in corners]
        elif shape == "line":
            more = {"width": int(rng.integers(1, 9))}
        red, green, blue = (int(level) for level in rng.integers(0, 256, size=3))
        getattr(colours, shape)(points, fill=(red, green, blue), **more)
        getattr(textures, shape)(points, fill=int(rng.integers(0, 256)), **more)


def _texture(rng: np.random.Generator, width: int, height: int) -> Levels:
    """Return noise of several scales around 0, the coarse ones stronger, as in photographs; [height, width, 3].

    Values are within -128 ... 127, so that their product with 255 fits in 16 bits.
    """
    brightness: Levels = np.zeros((height, width, 1), dtype=np.int16)
    colour: Levels = np.zeros((height, width, 3), dtype=np.int16)
    for octave, columns in enumerate(_GRAINS):
        amplitude = int(rng.integers(60, 180)) * 7 // (7 + 2 * octave)
        rows = max(2, columns * height // width)
        grid = rng.integers(0, 256, size=(rows, columns, 3), dtype=np.int16)
        grid = (grid - 128) * amplitude // 256 + 128
        coloured = columns in _COLOURED
        small = Image.fromarray((grid if coloured else grid[..., 0]).astype(np.uint8))
        smooth = np.asarray(small.resize((width, height), Image.Resampling.BICUBIC))
        if coloured:
            colour += smooth
            colour -= 128
        else:
            brightness += smooth[..., None]
            brightness -= 128
    colour //= 2
    colour += brightness
    return colour.clip(-128, 127)
