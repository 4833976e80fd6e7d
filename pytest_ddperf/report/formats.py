"""Report formats: what each of them renders, and which one a file name or a prefix selects."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_ddperf.config.local_paths import local_path
from pytest_ddperf.errors import ConfigurationError
from pytest_ddperf.report import bencher, comment, csv_json, html, markdown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pytest_ddperf.core.results import Results, Trend
    from pytest_ddperf.plots.describe.charts import Chart

MARKDOWN = ".md"
"""The only format with figures, which are in a folder next to the report."""

FORMATS: Mapping[str, Callable[[Results, Sequence[Trend], Path], tuple[str, Mapping[str, Chart]]]] = {
    MARKDOWN: lambda results, trends, path: markdown.render_with_figures(results, trends, figures_dir(path)),
    ".html": lambda results, trends, _: (html.render_page(results, trends), {}),
    ".csv": lambda results, *_: (csv_json.render_csv(results), {}),
    ".json": lambda results, trends, _: (csv_json.render_json(results, trends), {}),
    # Bencher Metric Format
    "bmf": lambda results, *_: (bencher.render_bmf(results), {}),
    # what github-action-benchmark reads as its `pytest` tool
    "pytest": lambda results, *_: (bencher.render_pytest(results), {}),
    # of a pull request on GitHub
    "comment": lambda results, *_: (comment.render_comment(results), {}),
}
"""All report formats, by the file suffix that selects them or, without a dot, by the prefix before a colon.

Each is a function of results, trends and the path of the report, which returns the text, and its figures by file name
without suffix. To add a format, add an entry here and the function that it names.
"""

SUFFIXES = tuple(sign for sign in FORMATS if sign.startswith("."))
PREFIXES = tuple(sign for sign in FORMATS if not sign.startswith("."))


@dataclass(frozen=True, slots=True)
class ReportFile:
    """A requested report.

    Args:
        sign: key of its format in `FORMATS`.
        path: path of the report.
    """

    sign: str
    path: Path


def figures_dir(path: Path) -> Path:
    """Return the folder of the figures of a Markdown report, which is next to the report."""
    return path.with_name(f"{path.stem}_figures")


def parse_report(text: str, folder: Path) -> ReportFile:
    """Parse the value of `--ddperf-report`.

    Args:
        text: `FILE.md`, `bmf:FILE` ...
        folder: folder that relative paths are relative to.

    Raises:
        ConfigurationError: neither suffix nor prefix is known, or the home folder in the path cannot be determined.
    """
    prefix, colon, rest = text.partition(":")
    if colon and rest and prefix in PREFIXES:
        return ReportFile(prefix, folder / local_path(rest, "The report"))
    suffix = Path(text).suffix.lower()
    if suffix not in SUFFIXES:
        raise ConfigurationError(
            f"The report {text!r} has no known suffix; expected a file name that ends with "
            f"{', '.join(SUFFIXES)}, or {' or '.join(f'{name}:FILE' for name in PREFIXES)}."
        )
    return ReportFile(suffix, folder / local_path(text, "The report"))
