"""Bench images, generated once from a seed, with the dimensions and file size of photographs.

An image affects speed only through its size: more pixels and bytes take longer to decode. The generated images are
therefore about 500x375 pixels with the file size of a photograph of that size, and nothing has to be downloaded.
"""

from __future__ import annotations

import base64
import secrets
import shutil
from typing import TYPE_CHECKING

import filelock
import platformdirs

from pytest_ddperf.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

VERSION = 1
"""Version of the images, incremented when they change: measurements on different images are not comparable."""

COUNT = 128
"""Number of images: the largest batch size of the report."""

SUFFIXES = frozenset({".jpg", ".jpeg", ".png"})
_LOCK_TIMEOUT_S = 120.0


def ensure_bench_images() -> Path:
    """Return the folder with the bench images, generating missing ones (takes a few seconds).

    Safe for concurrent processes: one generates, the others wait. A new folder appears only once it is complete. In a
    folder that already existed, only the missing images are added; its other files are not touched.

    Returns:
        The absolute path of a folder in the user's cache folder (respects XDG_CACHE_HOME).

    Raises:
        ConfigurationError: the folder cannot be written.
    """
    folder = platformdirs.user_cache_path("pytest-ddperf").absolute() / f"bench-images-{VERSION}"
    names = [f"img_{index:03d}.jpg" for index in range(COUNT)]
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


def _missing(folder: Path, names: Sequence[str]) -> list[str]:
    return [name for name in names if not (folder / name).is_file()]


def _generate(folder: Path, names: Sequence[str]) -> None:
    """Draw the missing images in a temporary folder next to `folder`, then move them there; the lock must be held."""
    missing = _missing(folder, names)
    if not missing:
        return
    from pytest_ddperf.servers.picture import draw  # noqa: PLC0415 - loads NumPy and Pillow, once per machine

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
