"""A static site of a history: an index with a tile per platform, and the HTML report of each platform.

The pages load no other files. All of them are rendered each time, but only those that changed are written, so a site in
a folder that is kept costs little to update.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from html import escape
from string import Template
from typing import TYPE_CHECKING
from urllib.parse import quote

from pytest_ddperf.config.text_files import replace_file
from pytest_ddperf.core.records import FAILING
from pytest_ddperf.core.results import SEVERITY
from pytest_ddperf.errors import ConfigurationError
from pytest_ddperf.history.index import HistoryIndex
from pytest_ddperf.report import html
from pytest_ddperf.report.gather import list_unknown_platforms, load_indexed
from pytest_ddperf.report.phrases import count_cells

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from pytest_ddperf.core.catalog import Catalog
    from pytest_ddperf.core.records import Outcome
    from pytest_ddperf.core.results import Results
    from pytest_ddperf.history.index_lines import IndexedRun

INDEX = "index.html"
PLATFORMS = "platforms"
"""Folder of the pages of the platforms."""

MOST_NIGHTS = 365
"""Maximum number of nights in the chart of a tile."""

LONGEST_GAP = timedelta(hours=36)
"""How much earlier than the newest run of all platforms the newest run of one may have begun: longer than a day,
so that a run that somebody starts by day does not mark the other platforms."""

_FEWEST_PLACES = 30
"""Minimum number of places for nights in the chart, so that the bars of a short history are not wide."""

_CHART_HEIGHT, _LOWEST_BAR, _BAR_WIDTH = 24, 3, 0.8
_THINNEST = 170
"""Number of bars side by side that can still be seen, at about two pixels each."""


@dataclass(frozen=True, slots=True)
class Tile:
    """What the index shows of a platform.

    Args:
        platform: id of the platform.
        results: its cells as its page shows them.
        last: its newest run, even if it measured no time.
        counts: number of cells with each newest verdict, even of runs that measured no time; most severe first.
        red_cells: number of failed cells in each of its runs, oldest first.
        first: when the oldest of these runs began.
    """

    platform: str
    results: Results
    last: IndexedRun
    counts: Mapping[Outcome, int]
    red_cells: Sequence[int]
    first: datetime

    @property
    def started(self) -> datetime:
        """When the newest run began."""
        return datetime.fromisoformat(self.last.started)

    @property
    def red(self) -> int:
        """Number of cells whose newest verdict fails."""
        return sum(count for outcome, count in self.counts.items() if outcome in FAILING)

    @property
    def unmeasured(self) -> str:
        """A warning for the page if the newest run measured no time, so that the page shows an earlier one; else ""."""
        shown = self.results.runs.get(self.platform)
        if shown is not None and shown.run == self.last.run:
            return ""
        failed = f"; {count_cells(self.red_cells[-1])} failed" if self.red_cells[-1] else ""
        return f"The newest run, {self.last.run} of {self.last.started}, measured nothing{failed}."

    def list_doubts(self, newest: datetime) -> list[str]:
        """List why the verdicts shown may not be those of the last night.

        Args:
            newest: when the newest run of all platforms began.
        """
        gap = newest - self.started
        reasons = {
            f"{round(gap / timedelta(days=1))} days older than the newest run": gap > LONGEST_GAP,
            "nothing measured": bool(self.unmeasured),
            "interrupted": any(not run.complete for run in self.results.runs.values()),
        }
        return [reason for reason, applies in reasons.items() if applies]


@dataclass(slots=True)
class Site:
    """The pages of a site.

    Args:
        written: the pages that changed.
        unchanged: number of the other pages.
        warnings: problems found while reading the history.
    """

    written: list[Path] = field(default_factory=list)
    unchanged: int = 0
    warnings: list[str] = field(default_factory=list)

    def write(self, path: Path, text: str) -> None:
        """Write a page unless the file already contains this text."""
        content = text.encode(errors="replace")
        if path.is_file() and path.read_bytes() == content:
            self.unchanged += 1
            return
        replace_file(path, content)
        self.written.append(path)


def write_site(
    catalog: Catalog,
    storage: Path,
    folder: Path,
    *,
    project_dir: Path | None = None,
    platforms: Sequence[str] | None = None,
) -> Site:
    """Write the pages of a history that changed.

    Args:
        catalog: networks and platforms.
        storage: folder of the history.
        folder: folder of the site; it is created.
        project_dir: the project, whose own baselines take precedence; None for none.
        platforms: ids of the platforms; None for all in the history.

    Raises:
        ConfigurationError: the history contains no run of these platforms, or a page cannot be written.
    """
    site = Site()
    try:
        with HistoryIndex(storage) as index:
            last = index.last()
            shown = [name for name in platforms or catalog.platforms if name in last]
            if not shown:
                of_them = f" of {', '.join(platforms)}" if platforms else ""
                raise ConfigurationError(f"There is no run{of_them} in {storage} to show; run pytest benchmarks first.")
            (folder / PLATFORMS).mkdir(parents=True, exist_ok=True)
            site.warnings += [*index.problems, *list_unknown_platforms(index, catalog)]
            tiles = []
            for name in shown:
                results = load_indexed(catalog, index, project_dir=project_dir, platforms=[name])
                tile = _summarize(index, results, name, last[name])
                trends = [trend for trend in index.trends(name).values() if len(trend.nights) > 1]
                if tile.unmeasured:
                    results = replace(results, warnings=(tile.unmeasured, *results.warnings))
                site.write(folder / PLATFORMS / f"{name}.html", html.render_page(results, trends, f"../{INDEX}"))
                tiles.append(tile)
        site.write(folder / INDEX, render_index(tiles))
    except OSError as error:
        raise ConfigurationError(
            f"The site cannot be written to {folder}: {error.strerror or error}; name another folder with --site=DIR."
        ) from error
    return site


def _summarize(index: HistoryIndex, results: Results, platform: str, last: IndexedRun) -> Tile:
    runs = [run for run in index.runs() if platform in run.judged][-MOST_NIGHTS:]
    shown = results.runs.get(platform)
    verdicts = {cell.key: cell.outcome for cell in results.cells if cell.outcome is not None}
    is_later = shown is None
    red_cells = []
    for night in index.nights(platform, runs):
        outcomes = [cell.outcome for cell in night.cells()]
        red_cells.append(sum(outcome in FAILING for outcome in outcomes))
        if is_later:  # it measured no time
            verdicts.update(zip(night.keys, outcomes, strict=True))
        is_later = is_later or (shown is not None and night.run.run == shown.run)
    counts = Counter(verdicts.values())
    ordered = {outcome: counts[outcome] for outcome in SEVERITY}
    return Tile(platform, results, last, ordered, red_cells, datetime.fromisoformat(runs[0].started))


def render_index(tiles: Sequence[Tile]) -> str:
    """Render the index page.

    Args:
        tiles: the platforms in order, at least one.
    """
    newest = max(tile.started for tile in tiles)
    red = [tile for tile in tiles if tile.red]
    doubtful = [tile for tile in tiles if tile.list_doubts(newest)]
    platforms = f"{len(tiles)} platform{'s' * (len(tiles) > 1)}"
    finding = f"{len(red)} of {platforms} red" if red else f"{platforms}, none red"
    lines = [_line("red" if red else "green", finding, [f"{_link(one)} ({count_cells(one.red)})" for one in red])]
    if doubtful:
        lines.append(_line("amber", f"{len(doubtful)} without a new complete run", map(_link, doubtful)))
    body = Template(html.read_asset("site.html")).substitute(
        generator=html.GENERATOR,
        finding="\n".join(lines),
        tiles="\n".join(_tile(tile, newest) for tile in tiles),
    )
    css = html.read_asset("page.css") + html.read_asset("site.css")
    return html.render_document(f"{finding} - DeepDetect performance", body, css)


def _line(colour: str, finding: str, links: Iterable[str]) -> str:
    listed = ", ".join(links)
    return f'<p><strong class="{colour}">{finding}</strong>{": " if listed else ""}{listed}</p>'


def _link(tile: Tile) -> str:
    title = tile.results.catalog.platform_title(tile.platform)
    return f'<a href="{PLATFORMS}/{quote(tile.platform)}.html">{escape(title)}</a>'


def _tile(tile: Tile, newest: datetime) -> str:
    doubts = tile.list_doubts(newest)
    badges = "".join(f' <span class="badge amber">{doubt}</span>' for doubt in doubts)
    colour = "red" if tile.red else "amber" if doubts else "green"
    return (
        f'<article class="{colour}" id="{escape(tile.platform)}">'
        f"<h2>{_link(tile)} <small>{escape(tile.platform)}</small></h2>"
        f'<p class="quiet"><time datetime="{tile.last.started}">{tile.started:%Y-%m-%d %H:%M} UTC</time>{badges}</p>'
        f"{html.render_totals(tile.counts, tile.results.not_measured)}{_chart(tile)}</article>"
    )


def _chart(tile: Tile) -> str:
    """Draw the number of red cells of each night as a bar, the newest night on the right."""
    count, most = len(tile.red_cells), max(tile.red_cells)
    places = max(count, _FEWEST_PLACES)
    bars = [
        f"M{places - count + number + 0.5:g} {_CHART_HEIGHT}v-{max(_LOWEST_BAR, _CHART_HEIGHT * red / most):.3g}"
        for number, red in enumerate(tile.red_cells)
        if red
    ]
    nights = f"{count} night{'s' * (count > 1)}"
    text = f"Red on {len(bars)} of {nights}, at most {count_cells(most)}" if bars else f"None red in {nights}"
    return (
        f'<p class="quiet count">{text}</p>'
        f'<svg class="nights" viewBox="0 0 {places} {_CHART_HEIGHT}" preserveAspectRatio="none" aria-hidden="true">'
        f'<path d="{"".join(bars)}" stroke-width="{max(_BAR_WIDTH, places / _THINNEST):.3g}"/></svg>'
        f'<p class="span"><span>{tile.first:%Y-%m-%d}</span><span>{tile.started:%Y-%m-%d}</span></p>'
    )
