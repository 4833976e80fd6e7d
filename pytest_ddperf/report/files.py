"""Report files: check that they can be written, and write them."""

from __future__ import annotations

import contextlib
import os
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pytest_ddperf.config.text_files import replace_file, try_file
from pytest_ddperf.errors import ConfigurationError, DdperfError
from pytest_ddperf.plots import api
from pytest_ddperf.plots.describe import names
from pytest_ddperf.plots.draw import parallel
from pytest_ddperf.report.formats import FORMATS, MARKDOWN, figures_dir
from pytest_ddperf.report.gather import load_trends

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from pytest_ddperf.core.results import Results, Trend
    from pytest_ddperf.report.formats import ReportFile


ERASE_LINE = "\r\x1b[K"


def check_writable(files: Sequence[ReportFile]) -> None:
    """Check before the first measurement that the reports can be written, and create their folders.

    Raises:
        ConfigurationError: a report cannot be written, or two reports are the same file. The message contains the path.
    """
    taken: set[Path] = set()
    for file in files:
        path, resolved = file.path, file.path.resolve()
        if resolved in taken:
            raise ConfigurationError(f"The report {path} is requested twice; name another file for one of them.")
        taken.add(resolved)
        try:
            _check(file)
        except OSError as error:
            raise _not_written(path, error) from error


def _check(file: ReportFile) -> None:
    path = file.path
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_dir():
        raise ConfigurationError(f"The report {path} cannot be written: it is a folder; name a file in it.")
    figures = figures_dir(path)
    if file.sign == MARKDOWN and figures.exists() and not figures.is_dir():
        raise ConfigurationError(
            f"The figures of {path} cannot be written: {figures} is not a folder; name another file."
        )
    try_file(path)


def check_folder(folder: Path, option: str) -> None:
    """Check before the first measurement that figures can be written to a folder, and create it.

    Args:
        folder: folder of the figures.
        option: option that sets the folder.

    Raises:
        ConfigurationError: the folder cannot be created, or no file can be written to it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        try_file(folder / "figure")
    except OSError as error:
        raise ConfigurationError(
            f"The figures cannot be drawn into {folder}: {error.strerror or error}; name another folder with "
            f"{option}=DIR."
        ) from error


@dataclass(slots=True)
class Made:
    """The figures that were drawn and the reports that were written.

    Args:
        figures: names of the figures in the folder of figures.
        index: page that shows the figures; None if none were drawn.
        reports: file of each report, and the number of its figures.
        problems: a message for each figure folder or report that could not be created.
    """

    figures: list[str] = field(default_factory=list)
    index: Path | None = None
    reports: list[tuple[Path, int]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        """Return one line for each family of figures, the index and each report."""
        families = names.by_family(self.figures)
        width = max(map(len, families), default=0)
        return [
            *(f"{family:<{width}} {len(own):>4}  {names.FAMILIES[family]}" for family, own in families.items()),
            *([f"index: {self.index}"] if self.index is not None else []),
            *self.report_lines(),
        ]

    def summary(self) -> list[str]:
        """Return the same lines, but with a single line for all figures."""
        figures = [] if self.index is None else [f"figures: {len(self.figures)}, index: {self.index}"]
        return figures + self.report_lines()

    def report_lines(self) -> list[str]:
        """Return a line with the file of each report, followed by the folder of its figures."""
        lines = []
        for path, figures in self.reports:
            lines.append(str(path))
            if figures:
                lines.append(f"figures of {path.name}: {figures} in {figures_dir(path)}")
        return lines


def make(
    results: Results,
    trends: Sequence[Trend],
    platforms: Sequence[str],
    *,
    folder: Path | None,
    files: Sequence[ReportFile],
    progress: Callable[[int, int], None] | None = None,
) -> Made:
    """Draw the figures and write the reports of some platforms; an error in one does not stop the others.

    Args:
        results: results of all platforms, since some figures compare them.
        trends: histories of cells of these platforms.
        platforms: ids of the platforms.
        folder: folder of the figures; None for none.
        files: the reports.
        progress: called with the number of figures drawn so far and the total, for the folder and for each report.
    """
    made = Made()

    @contextlib.contextmanager
    def attempt(what: str) -> Iterator[None]:
        try:
            yield
        except DdperfError as error:
            made.problems.append(str(error))
        except Exception as error:  # noqa: BLE001 - an error in a report must not lose the verdicts
            made.problems.append(f"{what} could not be created: {type(error).__name__}: {error}.")

    if folder is not None:
        with attempt(f"The figures in {folder}"):
            made.figures = api.draw(results, trends, folder, platforms, progress)
            made.index = folder / names.INDEX
    shown = results.only(platforms)
    for file in files:
        with attempt(f"The report {file.path}"):
            made.reports.append((file.path, write(file, shown, trends, progress)))
    return made


def make_stored(
    results: Results, storage: Path, platforms: Sequence[str], *, folder: Path | None, files: Sequence[ReportFile]
) -> None:
    """Like `make`, for stored runs, with the paths of the files on standard output and warnings on standard error.

    Args:
        results: the stored results.
        storage: folder of the history.
        platforms: ids of the platforms.
        folder: folder of the figures; None for none.
        files: the reports.

    Raises:
        ConfigurationError: a figure or report could not be created.
    """
    for warning in results.warnings:
        sys.stderr.write(f"warning: {warning}\n")
    trends, _ = load_trends(storage, platforms)  # the results already contain the warnings about the files
    made = make(results, trends, platforms, folder=folder, files=files, progress=show_progress)
    for line in made.lines():
        sys.stdout.write(f"{line}\n")
    if made.problems:
        raise ConfigurationError(" ".join(made.problems))


def show_progress(done: int, total: int) -> None:
    """Print the number of figures drawn: a line that is updated on a terminal, else one line at the start."""
    if sys.stdout.isatty() and os.environ.get("TERM") != "dumb":
        sys.stdout.write(ERASE_LINE + (f"drawing figures: {done} of {total}" if done < total else ""))
    elif done == 0:
        sys.stdout.write(f"drawing {total} figure{'s' * (total != 1)}\n")
    sys.stdout.flush()


def write(
    file: ReportFile,
    results: Results,
    trends: Sequence[Trend],
    progress: Callable[[int, int], None] | None = None,
) -> int:
    """Write a report, replacing an existing file atomically.

    Args:
        file: the requested report.
        results: results to show.
        trends: histories of cells, for the formats that show them.
        progress: called with the number of its figures drawn so far and the total.

    Returns:
        The number of its figures.

    Raises:
        ConfigurationError: the report cannot be written.
    """
    try:
        text, charts = FORMATS[file.sign](results, trends, file.path)
        if charts:
            parallel.draw_all(charts, figures_dir(file.path), endings=("png",), progress=progress)
        replace_file(file.path, text.encode(errors="replace"))  # a path may not be UTF-8
    except OSError as error:
        raise _not_written(file.path, error) from error
    return len(charts)


def _not_written(path: Path, error: OSError) -> ConfigurationError:
    return ConfigurationError(f"The report {path} cannot be written: {error.strerror or error}; name another file.")
