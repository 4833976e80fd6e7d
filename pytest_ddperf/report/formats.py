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

MARKDOWN = "markdown"
"""The only kind with figures, which are in a folder next to the report."""


@dataclass(frozen=True, slots=True)
class Format:
    """A report format.

    Args:
        kind: name of the format.
        sign: file suffix that selects the format; if it has no dot, the prefix before a colon.
        text: renders the report from results, trends and the path of the report; returns the text, and its figures by
            file name without suffix.
    """

    kind: str
    sign: str
    text: Callable[[Results, Sequence[Trend], Path], tuple[str, Mapping[str, Chart]]]


FORMATS = (
    Format(
        MARKDOWN,
        ".md",
        lambda results, trends, path: markdown.render_with_figures(results, trends, figures_dir(path)),
    ),
    Format("html", ".html", lambda results, trends, _: (html.render_page(results, trends), {})),
    Format("csv", ".csv", lambda results, *_: (csv_json.render_csv(results), {})),
    Format("json", ".json", lambda results, trends, _: (csv_json.render_json(results, trends), {})),
    # Bencher Metric Format
    Format("bmf", "bmf", lambda results, *_: (bencher.render_bmf(results), {})),
    # what github-action-benchmark reads as its `pytest` tool
    Format("pytest", "pytest", lambda results, *_: (bencher.render_pytest(results), {})),
    # of a pull request on GitHub
    Format("comment", "comment", lambda results, *_: (comment.render_comment(results), {})),
)
"""All report formats. To add one, add an entry here and the function that it names."""

BY_KIND = {one.kind: one for one in FORMATS}
BY_ENDING = {one.sign: one.kind for one in FORMATS if one.sign.startswith(".")}
BY_PREFIX = {one.sign: one.kind for one in FORMATS if not one.sign.startswith(".")}


@dataclass(frozen=True, slots=True)
class ReportFile:
    """A requested report.

    Args:
        kind: one of the values of `BY_ENDING` and `BY_PREFIX`.
        path: path of the report.
    """

    kind: str
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
    if colon and rest and prefix in BY_PREFIX:
        return ReportFile(BY_PREFIX[prefix], folder / local_path(rest, "The report"))
    kind = BY_ENDING.get(Path(text).suffix.lower())
    if kind is None:
        raise ConfigurationError(
            f"The report {text!r} has no known suffix; expected a file name that ends with "
            f"{', '.join(BY_ENDING)}, or {' or '.join(f'{name}:FILE' for name in BY_PREFIX)}."
        )
    return ReportFile(kind, folder / local_path(text, "The report"))
