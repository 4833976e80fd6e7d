"""Reports as files: which kind a name asks for, whether it can be written, and the writing."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_ddperf.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Sequence

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
    partial = _partial(path)
    with partial.open("x"):  # permissions are not all: a folder may take no new file for other reasons
        partial.unlink()


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
        partial = _partial(file.path)
        partial.write_text(text, encoding="utf-8", errors="replace", newline="\n")  # a path may hold what is no UTF-8
        partial.replace(file.path)
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
