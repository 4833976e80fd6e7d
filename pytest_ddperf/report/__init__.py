"""Reports as files: which kind a name asks for, whether it can be written, and the writing."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_ddperf.errors import ConfigurationError, DdperfError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pytest_ddperf.results import Results, Trend

BY_ENDING = {".md": "markdown", ".html": "html", ".csv": "csv", ".json": "json"}
BY_PREFIX = {"bmf": "bmf", "pytest": "pytest"}
"""Kinds that no ending tells: Bencher Metric Format, and what github-action-benchmark reads as its `pytest` tool."""


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
        ConfigurationError: neither ending nor prefix is known.
    """
    prefix, colon, rest = text.partition(":")
    if colon and rest and prefix in BY_PREFIX:
        return ReportFile(BY_PREFIX[prefix], folder / rest)
    kind = BY_ENDING.get(Path(text).suffix.lower())
    if kind is None:
        raise ConfigurationError(
            f"The report {text!r} has no ending that says what it should be; expected a file that ends with "
            f"{', '.join(BY_ENDING)}, or {' or '.join(f'{name}:FILE' for name in BY_PREFIX)}."
        )
    return ReportFile(kind, folder / text)


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
    if file.kind == "markdown" and figures.exists() and not figures.is_dir():
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
        figures: list[Path] = []
        if file.kind == "markdown":
            from pytest_ddperf.report import markdown  # noqa: PLC0415 - each kind loads what it needs

            text, figures = markdown.with_figures(results, trends, file.path)
        else:
            text = _text(file.kind, results, trends)
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


def _text(kind: str, results: Results, trends: Sequence[Trend]) -> str:
    if kind == "html":
        from pytest_ddperf.report import html  # noqa: PLC0415 - each kind loads what it needs

        return html.page(results, trends)
    if kind == "csv":
        from pytest_ddperf.report import tidy  # noqa: PLC0415 - the same

        return tidy.csv_text(results)
    if kind == "json":
        from pytest_ddperf.report import tidy  # noqa: PLC0415 - the same

        return tidy.json_text(results, trends)
    from pytest_ddperf.report import exchange  # noqa: PLC0415 - the same

    return exchange.bmf_text(results) if kind == "bmf" else exchange.pytest_text(results)


def _partial(path: Path) -> Path:
    """The file that becomes the report when it is whole."""
    return path.with_name(f".{path.name}.{os.getpid()}")


def _not_written(path: Path, error: OSError) -> ConfigurationError:
    return ConfigurationError(f"The report {path} cannot be written: {error.strerror or error}; name another file.")
