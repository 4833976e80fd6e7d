"""Drawing of figures into files, with several processes if there are many figures.

Each figure is drawn independently, so the result does not depend on the process that draws it.

The helpers are plain child processes. `multiprocessing` would run the user's script again, or fork a process that has
threads.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import subprocess
import sys
from typing import IO, TYPE_CHECKING

from pytest_ddperf.config.text_files import replace_file
from pytest_ddperf.errors import ConfigurationError
from pytest_ddperf.plots.describe import names
from pytest_ddperf.plots.draw.style import apply_style, encode_figure

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from pytest_ddperf.plots.describe.charts import Chart

_LEAST_EACH = 12
"""Minimum number of figures per process: loading matplotlib takes as long as drawing a few figures."""

_MOST_PROCESSES = 4
_COUNT_EVERY_S = 0.2
_MOST_REPORTED = 4096
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
    """Draw figures into `folder/NAME.png` and `.svg`.

    Args:
        charts: descriptions of the figures, by file name without extension.
        folder: output folder; created if it does not exist.
        processes: number of processes; None to choose it from the number of cores and figures.
        endings: file extensions to write for each figure.
        progress: called with the number of figures drawn so far, from 0, and the total number.

    Raises:
        ConfigurationError: a file cannot be written.
    """
    if processes is None:
        processes = min(_cores(), _MOST_PROCESSES, len(charts) // _LEAST_EACH)
    every = list(charts.items())
    shares = [dict(every[number :: max(1, processes)]) for number in range(max(1, processes))]
    helpers = [(_helper(share, folder, endings), share) for share in shares[1:]]
    done = 0

    def count(more: int = 1) -> None:
        nonlocal done
        done += more + sum(_count_drawn(helper) for helper, _ in helpers)
        if progress is not None:
            progress(done, len(charts))

    try:
        count(0)
        _draw(shares[0], folder, endings, count)
        for helper, share in helpers:
            if helper is None or _wait(helper, count) != 0:
                _draw(share, folder, endings, lambda: None)  # raises the error that made the helper fail
        if progress is not None:
            progress(len(charts), len(charts))
    finally:
        for helper, _ in helpers:
            if helper is not None:
                if helper.poll() is None:
                    helper.kill()
                    helper.wait()
                assert helper.stdout is not None  # noqa: S101 - it is a pipe
                helper.stdout.close()


def help_out(source: IO[bytes]) -> None:
    """Draw the figures that the parent process sends, and write one byte to stdout for each figure.

    Args:
        source: a pickled tuple of folder, extensions and descriptions.
    """
    folder, endings, share = pickle.load(source)  # noqa: S301 - written by `_helper`, over a pipe of our own
    try:
        _draw(share, folder, endings, lambda: os.write(1, b"."))
    except ConfigurationError:
        sys.exit(1)  # the parent process reports the error


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
            f"The figure {path} cannot be written: {error.strerror or error}; free disk space or name another folder "
            "with --ddperf-plot=DIR."
        ) from error


def _draw(charts: Mapping[str, Chart], folder: Path, endings: Sequence[str], after_each: Callable[[], object]) -> None:
    with apply_style():
        from pytest_ddperf.plots.draw.dispatch import build_figure  # noqa: PLC0415 - loads matplotlib, inside the style

        for name, chart in charts.items():
            for ending, content in encode_figure(build_figure(chart), endings).items():
                write_file(folder / f"{name}.{ending}", content)
            after_each()


def _helper(share: Mapping[str, Chart], folder: Path, endings: Sequence[str]) -> subprocess.Popen[bytes] | None:
    """Start a process that draws some of the figures; None if it cannot be started."""
    try:
        helper = subprocess.Popen(  # noqa: S603 - this interpreter, with our own code
            [sys.executable, "-c", _HELPER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
    except OSError:
        return None
    assert helper.stdin is not None  # noqa: S101 - it is a pipe
    assert helper.stdout is not None  # noqa: S101 - it is a pipe
    os.set_blocking(helper.stdout.fileno(), False)
    with contextlib.suppress(OSError), helper.stdin as pipe:  # if the helper ended early, its exit status shows it
        pipe.write(pickle.dumps(sys.path))
        pipe.write(pickle.dumps((folder, tuple(endings), dict(share))))
    return helper


def _count_drawn(helper: subprocess.Popen[bytes] | None) -> int:
    """Return how many figures a helper has drawn since the last call."""
    if helper is None or helper.stdout is None:
        return 0
    try:
        return len(os.read(helper.stdout.fileno(), _MOST_REPORTED))
    except BlockingIOError:
        return 0


def _wait(helper: subprocess.Popen[bytes], count: Callable[[int], None]) -> int:
    """Wait for a helper while counting the figures it draws; return its exit status."""
    while True:
        try:
            return helper.wait(_COUNT_EVERY_S)
        except subprocess.TimeoutExpired:
            count(0)


def _cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
