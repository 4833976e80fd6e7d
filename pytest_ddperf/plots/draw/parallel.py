"""Drawing of figures into files, with several processes if there are many figures.

Each PNG contains a digest of what it shows and of its SVG, so only figures that changed since then are drawn. Each
figure is drawn independently, so the result does not depend on the process that draws it.

The helpers are plain child processes. `multiprocessing` would run the user's script again, or fork a process that has
threads.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import struct
import subprocess
import sys
from functools import cache
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import IO, TYPE_CHECKING
from zlib import crc32

from pytest_ddperf.config.text_files import replace_file
from pytest_ddperf.errors import ConfigurationError
from pytest_ddperf.plots.describe import names
from pytest_ddperf.plots.draw.style import apply_style, encode_figure

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pytest_ddperf.plots.describe.charts import Chart

_LEAST_EACH = 12
"""Minimum number of figures per process: loading matplotlib takes as long as drawing a few figures."""

_MOST_PROCESSES = 4
_PNG_END = b"\0\0\0\0IEND\xaeB`\x82"
_HELPER = (
    "import pickle, sys; sys.path[:] = pickle.load(sys.stdin.buffer); "
    "from pytest_ddperf.plots.draw.parallel import help_out; help_out(sys.stdin.buffer)"
)


def draw_all(
    charts: Mapping[str, Chart],
    folder: Path,
    processes: int | None = None,
    *,
    endings: Sequence[str] = names.ENDINGS,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Draw the figures that changed into `folder/NAME.png` and `.svg`.

    Args:
        charts: descriptions of the figures, by file name without extension.
        folder: output folder; created if it does not exist.
        processes: number of processes; None to choose it from the number of cores and figures.
        endings: file extensions to write for each figure: `png`, with or without `svg`.
        progress: called with the number of figures drawn so far, from 0, and the number of figures to draw.

    Raises:
        ConfigurationError: a file cannot be written.
    """
    changed = _select_changed(charts, folder, endings)
    total, done = len(changed), 0

    def count(more: int = 1) -> None:
        nonlocal done
        done += more
        if progress is not None:
            progress(done, total)

    count(0)
    if processes is None:
        processes = min(_cores(), _MOST_PROCESSES, total // _LEAST_EACH)
    if processes > 1:
        every = list(changed.items())
        _let_helpers_draw([dict(every[number::processes]) for number in range(processes)], folder, endings, count)
        changed = _select_changed(changed, folder, endings)  # the figures of helpers that did not start, or failed
    if changed:
        _draw(changed, folder, endings, count)


def help_out(source: IO[bytes]) -> None:
    """Draw the figures that the parent process sends, and write one byte to stdout for each figure.

    Args:
        source: a pickled tuple of descriptions, folder and extensions.
    """
    share, folder, endings = pickle.load(source)  # noqa: S301 - written by `_let_helpers_draw`, over a pipe of our own
    _draw(share, folder, endings, lambda: os.write(1, b"."))


def compute_digest(chart: Chart, svg: bytes) -> str:
    """Compute the digest of a description, its SVG ("" for none), the code that draws it and matplotlib's version."""
    return sha256(_hash_code() + repr(chart).encode() + svg).hexdigest()


@cache
def _hash_code() -> bytes:
    sources = sorted(Path(__file__).parent.glob("*.py"))
    return sha256(b"".join([version("matplotlib").encode(), *(path.read_bytes() for path in sources)])).digest()


def _end_png(digest: str) -> bytes:
    """Return the last chunks of a PNG: a text with the digest, and the end (https://www.w3.org/TR/png-3/#5Chunk-layout)."""
    text = b"tEXtDigest\0" + digest.encode()
    return struct.pack(">I", len(text) - 4) + text + struct.pack(">I", crc32(text)) + _PNG_END


def _select_changed(charts: Mapping[str, Chart], folder: Path, endings: Sequence[str]) -> dict[str, Chart]:
    """Return the figures of which a file is missing, damaged or of another description."""

    def is_current(name: str, chart: Chart) -> bool:
        try:
            png = (folder / f"{name}.png").read_bytes()
            svg = (folder / f"{name}.svg").read_bytes() if "svg" in endings else b""
        except OSError:
            return False
        return png.endswith(_end_png(compute_digest(chart, svg)))

    return {name: chart for name, chart in charts.items() if not is_current(name, chart)}


def write_file(path: Path, content: bytes) -> None:
    """Write a file atomically.

    Raises:
        ConfigurationError: the file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, content)
    except OSError as error:
        raise ConfigurationError(
            f"The figure {path} cannot be written: {error.strerror or error}; free disk space or name another folder."
        ) from error


def _draw(charts: Mapping[str, Chart], folder: Path, endings: Sequence[str], after_each: Callable[[], object]) -> None:
    with apply_style():
        from pytest_ddperf.plots.draw.dispatch import build_figure  # noqa: PLC0415 - loads matplotlib, inside the style

        for name, chart in charts.items():
            figure = build_figure(chart)
            files = {ending: encode_figure(figure, ending) for ending in endings}
            digest = compute_digest(chart, files.get("svg", b""))
            files["png"] = files["png"].removesuffix(_PNG_END) + _end_png(digest)
            for ending, content in files.items():
                write_file(folder / f"{name}.{ending}", content)
            after_each()


def _let_helpers_draw(
    shares: Sequence[Mapping[str, Chart]], folder: Path, endings: Sequence[str], count: Callable[[int], None]
) -> None:
    """Draw each share in a process of its own; a figure whose process does not start or fails is not drawn."""
    reading, writing = os.pipe()
    helpers: list[subprocess.Popen[bytes]] = []
    with open(reading, "rb", buffering=0) as drawn:  # noqa: PTH123 - a pipe
        try:
            with open(writing, "wb") as stdout, contextlib.suppress(OSError):  # noqa: PTH123 - a pipe
                for share in shares:
                    helpers.append(_start_helper(stdout))
                    pipe = helpers[-1].stdin
                    assert pipe is not None  # noqa: S101 - it is a pipe
                    with contextlib.suppress(OSError), pipe:
                        pipe.write(pickle.dumps(sys.path) + pickle.dumps((share, folder, tuple(endings))))
            while more := drawn.read(4096):
                count(len(more))
        finally:
            for helper in helpers:
                helper.kill()
                helper.wait()


def _start_helper(stdout: IO[bytes]) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", _HELPER]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=stdout, stderr=subprocess.DEVNULL)  # noqa: S603 - ours


def _cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
