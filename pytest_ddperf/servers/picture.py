"""A picture drawn from a seed, as detailed as a photograph. Pure."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

Levels: TypeAlias = "npt.NDArray[np.int16]"

_SEED = 20190917
_GRAINS = (4, 8, 16, 32, 64, 128, 256)  # columns of noise across the width, coarse to fine
_COLOURED = frozenset({8, 32, 128})  # scales whose noise is coloured: colour varies less than brightness
_SHAPES = ("ellipse", "rectangle", "polygon", "line")


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
