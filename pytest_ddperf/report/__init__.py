"""Reports as files: which kind a name asks for, whether it can be written, and the writing."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_ddperf.errors import ConfigurationError, DdperfError
from pytest_ddperf.local_paths import local_path

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pytest_ddperf.results import Results, Trend

MARKDOWN = "markdown"
"""The one kind that comes with figures, in a folder beside it."""


def _markdown(results: Results, trends: Sequence[Trend], path: Path) -> tuple[str, list[Path]]:
    from pytest_ddperf.report import markdown  # noqa: PLC0415 - each kind loads what it needs

    return markdown.with_figures(results, trends, path)


def _html(results: Results, trends: Sequence[Trend], _path: Path) -> tuple[str, list[Path]]:
    from pytest_ddperf.report import html  # noqa: PLC0415 - the same

    return html.page(results, trends), []


def _csv(results: Results, _trends: Sequence[Trend], _path: Path) -> tuple[str, list[Path]]:
    from pytest_ddperf.report import tidy  # noqa: PLC0415 - the same

    return tidy.csv_text(results), []


def _json(results: Results, trends: Sequence[Trend], _path: Path) -> tuple[str, list[Path]]:
    from pytest_ddperf.report import tidy  # noqa: PLC0415 - the same

    return tidy.json_text(results, trends), []


def _bmf(results: Results, _trends: Sequence[Trend], _path: Path) -> tuple[str, list[Path]]:
    from pytest_ddperf.report import exchange  # noqa: PLC0415 - the same

    return exchange.bmf_text(results), []


def _pytest(results: Results, _trends: Sequence[Trend], _path: Path) -> tuple[str, list[Path]]:
    from pytest_ddperf.report import exchange  # noqa: PLC0415 - the same

    return exchange.pytest_text(results), []


@dataclass(frozen=True, slots=True)
class Format:
    """A kind of report.

    Args:
        kind: its name.
        sign: the ending of a file that asks for it; without a dot, the prefix before a colon.
        text: makes the report of results, trends and the path where it goes: the text, and the figures that were drawn
            beside it.
    """

    kind: str
    sign: str
    text: Callable[[Results, Sequence[Trend], Path], tuple[str, list[Path]]]


FORMATS = (
    Format(MARKDOWN, ".md", _markdown),
    Format("html", ".html", _html),
    Format("csv", ".csv", _csv),
    Format("json", ".json", _json),
    Format("bmf", "bmf", _bmf),  # Bencher Metric Format
    Format("pytest", "pytest", _pytest),  # what github-action-benchmark reads as its `pytest` tool
)
"""All there are. Another one is a line here, and the function that it names."""

BY_KIND = {one.kind: one for one in FORMATS}
BY_ENDING = {one.sign: one.kind for one in FORMATS if one.sign.startswith(".")}
BY_PREFIX = {one.sign: one.kind for one in FORMATS if not one.sign.startswith(".")}


@dataclass(frozen=True, slots=True)
class ReportFile:
    """A report that was asked for.

    Args:
        kind: one of the values of `BY_ENDING` and `BY_PREFIX`.
        path: where it goes.
    """

    kind: str
    path: Path


def report_file(text: str, folder: Path) -> ReportFile:
    """What `--ddperf-report=TEXT` asks for.

    Args:
        text: `FILE.md`, `bmf:FILE` ...
        folder: what a relative path is relative to.

    Raises:
        ConfigurationError: neither ending nor prefix is known, or this machine does not know the home folder.
    """
    prefix, colon, rest = text.partition(":")
    if colon and rest and prefix in BY_PREFIX:
        return ReportFile(BY_PREFIX[prefix], folder / local_path(rest, "The report"))
    kind = BY_ENDING.get(Path(text).suffix.lower())
    if kind is None:
        raise ConfigurationError(
            f"The report {text!r} has no ending that says what it should be; expected a file that ends with "
            f"{', '.join(BY_ENDING)}, or {' or '.join(f'{name}:FILE' for name in BY_PREFIX)}."
        )
    return ReportFile(kind, folder / local_path(text, "The report"))


def figures_dir(path: Path) -> Path:
    """Where the figures of a Markdown report go: beside it."""
    return path.with_name(f"{path.stem}_figures")


def check_writable(files: Sequence[ReportFile]) -> None:
    """Find out before the first measurement whether the reports can be written; makes their folders.

    Raises:
        ConfigurationError: one cannot, or two are the same file; names it.
    """
    taken: set[Path] = set()
    for file in files:
        path = file.path
        if path in taken:
            raise ConfigurationError(f"The report {path} was asked for twice; name another file for one of them.")
        taken.add(path)
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
    if file.kind == MARKDOWN and figures.exists() and not figures.is_dir():
        raise ConfigurationError(f"The figures of {path} cannot be written: {figures} is no folder; name another file.")
    _try_file(_partial(path))


def check_folder(folder: Path, option: str) -> None:
    """Find out before the first measurement whether figures can be drawn into a folder; makes it.

    Args:
        folder: of the figures.
        option: that names it.

    Raises:
        ConfigurationError: it cannot be made, or takes no file; names it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _try_file(_partial(folder / "figure"))
    except OSError as error:
        raise ConfigurationError(
            f"The figures cannot be drawn into {folder}: {error.strerror or error}; name another folder with "
            f"{option}=DIR."
        ) from error


def _try_file(path: Path) -> None:
    with path.open("x"):  # permissions are not all: a folder may take no new file for other reasons
        path.unlink()


def make(
    results: Results,
    trends: Sequence[Trend],
    platforms: Sequence[str],
    *,
    folder: Path | None,
    files: Sequence[ReportFile],
) -> tuple[list[Path], list[str]]:
    """Draw the figures and write the reports of some platforms; what fails does not keep the others from being made.

    Args:
        results: all platforms, since some figures compare them.
        trends: histories of cells of these platforms.
        platforms: which.
        folder: of the figures; None for none.
        files: the reports.

    Returns:
        The files, and a sentence for each part that could not be made.
    """
    made: list[Path] = []
    problems: list[str] = []

    def attempt(what: str, part: Callable[[], list[Path]]) -> None:
        try:
            made.extend(part())
        except DdperfError as error:
            problems.append(str(error))
        except Exception as error:  # noqa: BLE001 - the verdicts are worth more than a figure of them
            problems.append(f"{what} could not be made: {type(error).__name__}: {error}.")

    def figures(into: Path) -> list[Path]:
        from pytest_ddperf.plots import draw  # noqa: PLC0415 - loads matplotlib

        return draw(results, trends, into, platforms)

    if folder is not None:
        attempt(f"The figures in {folder}", partial(figures, folder))
    shown = results.only(platforms)
    for file in files:
        attempt(f"The report {file.path}", partial(write, file, shown, trends))
    return made, problems


def write(file: ReportFile, results: Results, trends: Sequence[Trend]) -> list[Path]:
    """Write a report, atomically: a reader sees the old file or the new one, whole.

    Args:
        file: what was asked for.
        results: what it shows.
        trends: histories of cells, where it shows them.

    Returns:
        The files written: the report, then the figures that belong to it.

    Raises:
        ConfigurationError: it cannot be written.
    """
    try:
        text, figures = BY_KIND[file.kind].text(results, trends, file.path)
        unfinished = _partial(file.path)
        try:
            unfinished.write_text(text, encoding="utf-8", errors="replace", newline="\n")  # a path may be no UTF-8
            unfinished.replace(file.path)
        except OSError:
            with contextlib.suppress(OSError):
                unfinished.unlink()
            raise
    except OSError as error:
        raise _not_written(file.path, error) from error
    return [file.path, *figures]


def _partial(path: Path) -> Path:
    """The file that becomes the report when it is whole."""
    return path.with_name(f".{path.name}.{os.getpid()}")


def _not_written(path: Path, error: OSError) -> ConfigurationError:
    return ConfigurationError(f"The report {path} cannot be written: {error.strerror or error}; name another file.")
