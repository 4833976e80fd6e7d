"""The Markdown report: the layout of the published performance report, with its headings in its order.

A section on the run comes first. Raw tables contain the baselines: where they are the published ones, to every digit.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING
from urllib.parse import quote

from pytest_ddperf import __version__
from pytest_ddperf.core.records import COMMIT_DIGITS, Outcome
from pytest_ddperf.plots.api import describe
from pytest_ddperf.plots.describe import names
from pytest_ddperf.plots.describe.latency import list_mobilenet_gains
from pytest_ddperf.report import budget_text, load_text, phrases
from pytest_ddperf.report.markdown_escape import escape_inline
from pytest_ddperf.report.markdown_tables import (
    format_accuracy,
    render_measured_table,
    render_raw_table,
    render_table,
)
from pytest_ddperf.text import format_ms

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from pytest_ddperf.core.results import Result, Results, Trend
    from pytest_ddperf.plots.describe.charts import Chart


_LONGEST_REASON = 400
_REAL_TIME_FPS = (25, 10)
"""Images per second that the published report uses as thresholds for real-time use."""


def render_with_figures(results: Results, trends: Sequence[Trend], folder: Path) -> tuple[str, dict[str, Chart]]:
    """Render the report with its figures.

    Args:
        results: results to show.
        trends: histories of cells.
        folder: folder of the figures next to the report; the caller must write them there as PNG.

    Returns:
        The text, and the figures by file name without suffix.
    """
    charts = describe(results, trends, list(results.runs) or results.platforms)
    if len(results.platforms) == 1:  # nothing to compare
        charts = {name: chart for name, chart in charts.items() if not names.compares_platforms(name)}
    figures = Figures(charts, folder)
    content = render_text(results, figures)
    return content, {name: charts[name] for name in charts if name in figures.shown}


def render_text(results: Results, figures: Figures) -> str:
    """Render the text of the report.

    Args:
        results: results to show.
        figures: available figures.
    """
    lines = ["# dd\\_performances", "## DeepDetect performance report", ""]
    lines += _this_run(results)
    plain = results.plain
    lines += _references(plain, figures)
    lines += _overview(plain, figures)
    lines += _platforms(plain, figures)
    across = figures.folded(figures.names("model"), "see all plots..")
    lines += ["## Networks comparison across platforms", "", *across]
    lines += _selecting(plain, figures)
    lines += _under_load(results, figures)
    if others := figures.others():
        lines += ["## Further figures", "", *figures.folded(others, "see all plots..")]
    lines += _methodology(results)
    lines += _raw_data(results)
    lines += ["", f"Made by pytest-ddperf {__version__}.", ""]
    return "\n".join(lines)


def _title(results: Results, platform: str) -> str:
    return escape_inline(results.catalog.platform_title(platform))


def _this_run(results: Results) -> list[str]:
    lines = ["### This run", ""]
    for shift in phrases.describe_shifts(results):
        lines += [f"**{escape_inline(shift)}**", ""]
    for line in phrases.list_references(results):
        lines += [escape_inline(line), ""]
    counts = phrases.count_verdicts(results)
    if not counts:
        lines += ["No run: only the baselines follow, as published or recorded.", ""]
        return lines + _warnings(results)
    rows = []
    for platform, run in results.runs.items():
        server = run.servers.get(platform)
        parts = [] if server is None else [server.url, server.version, server.commit, server.build_type]
        state = "" if run.complete else " (interrupted)"
        facts = ", ".join(part for part in parts if part and part != "unknown")
        rows.append(
            [
                _title(results, platform),
                escape_inline(run.run) + state,
                *map(escape_inline, (run.started, run.commit[:COMMIT_DIGITS], facts)),
            ]
        )
    lines += render_table(["platform", "run", "started", "commit", "server"], rows)
    lines += ["", f"**{phrases.format_totals(results)}**", ""]
    red = [cell for cell in results.judged if cell.fails and not cell.platform_shifted]
    lines += _cells("#### Slower night by night", [cell for cell in red if cell.creep is not None])
    lines += _cells("#### Regressions and other failures", [cell for cell in red if cell.creep is None])
    others = [cell for cell in results.judged if not cell.fails and _to_know_of(cell)]
    lines += _cells("#### Other notable cells", others)
    lines += _budgets(results)
    lines += [line for note in phrases.collect_notes(results) for line in (f"> Note: {escape_inline(note)}", "")]
    return lines + _warnings(results)


def _budgets(results: Results) -> list[str]:
    """Render every limit of a cell, the least headroom first."""
    rows = [
        [escape_inline(text) for text in budget_text.budget_row(*each)]
        for each in budget_text.list_checks(results.cells)
    ]
    return ["#### Budgets", "", budget_text.RULE, "", *render_table(budget_text.COLUMNS, rows), ""] if rows else []


def _to_know_of(cell: Result) -> bool:
    """Whether a cell that did not fail needs attention: its verdict is not ok, or it is beyond the tolerance."""
    if cell.outcome is Outcome.OK:
        return cell.change is not None and cell.tolerance is not None and cell.change > cell.tolerance
    return cell.outcome is not Outcome.UNAVAILABLE


def _cells(heading: str, cells: Sequence[Result]) -> list[str]:
    """Render a table of cells with their numbers and explained verdicts."""
    if not cells:
        return []
    rows = [
        [
            escape_inline(str(cell.key)),
            str(cell.outcome),
            format_ms(cell.now_ms),
            format_ms(cell.baseline_ms),
            phrases.format_decision(cell),
            phrases.format_ratio(cell.tolerance),
            phrases.format_ratio(cell.resolution),
            escape_inline(phrases.explain_verdict(cell, _LONGEST_REASON)),
        ]
        for cell in cells
    ]
    head = ["cell", "verdict", "ms per image", "baseline", "change", "tolerance", "resolution", "why"]
    return [heading, "", *render_table(head, rows), ""]


def _warnings(results: Results) -> list[str]:
    return [line for warning in results.warnings for line in (f"> Warning: {escape_inline(warning)}", "")]


def _references(results: Results, figures: Figures) -> list[str]:
    catalog = results.catalog
    models = sorted({cell.key.model for cell in results.cells}, key=catalog.model_order)
    return [
        "### Reference platforms",
        *(f"- {_title(results, platform)}{_backend(results, platform)}" for platform in results.platforms),
        "",
        "### Reference networks",
        *(f"- {escape_inline(catalog.network_title(model))}" for model in models),
        "",
        "#### FLOPS and Parameters",
        "",
        "Cost of one image: multiply-adds, and the weights that must fit into memory. The raw data has the numbers.",
        "",
        *figures.side_by_side(figures.names("cost")),
    ]


def _backend(results: Results, name: str) -> str:
    backend = results.catalog.find_platform(name).backend
    return f" ({escape_inline(backend)})" if backend else ""


def _overview(results: Results, figures: Figures) -> list[str]:
    shown = [name for platform in results.platforms for name in figures.of_platform(platform)[:1]]
    rows = [row for platform in results.platforms if (row := _fastest(results, platform))]
    head = ["platform", "fastest network", "ms per image", "fps", *(f"networks at {fps} fps" for fps in _REAL_TIME_FPS)]
    return [
        "### Results Overview",
        "",
        *figures.side_by_side(shown),
        "Times are milliseconds per image: with a batch, the mean over its images.",
        "`x`: could not be measured on that platform, usually for lack of memory.",
        "",
        "### Discussion",
        "",
        "The fastest network of each platform, and how many of its networks reach 25 and 10 images a second:",
        "",
        *render_table(head, rows),
        "",
    ]


def _fastest(results: Results, platform: str) -> list[str]:
    """Render a platform's row in the discussion."""
    best: dict[str, tuple[float, int]] = {}
    for cell in results.of(platform):
        if cell.value_ms is not None:
            value = (cell.value_ms, cell.key.batch_size)
            best[cell.key.model] = min(best.get(cell.key.model, value), value)
    if not best:
        return []
    model, (ms, batch_size) = min(best.items(), key=lambda each: each[1])
    reach = [f"{sum(1000 / ms >= fps for ms, _ in best.values())} of {len(best)}" for fps in _REAL_TIME_FPS]
    return [
        _title(results, platform),
        f"{escape_inline(model)}, b{batch_size}",
        format_ms(ms),
        format_ms(1000 / ms),
        *reach,
    ]


def _platforms(results: Results, figures: Figures) -> list[str]:
    lines = ["## Platforms", ""]
    for name in results.platforms:
        platform = results.catalog.platforms.get(name)
        facts = [] if platform is None else phrases.describe_hardware(platform)
        lines += [f"- {_title(results, name)}" + (f" ({', '.join(facts)})" if facts else ""), ""]
        if platform is not None:
            parts = [f"Backend: {platform.backend}.", f"Figures: {platform.source}." if platform.source else ""]
            lines += [f"  {escape_inline(' '.join(part for part in (*parts, platform.note) if part))}", ""]
        own = figures.of_platform(name)
        lines += [line for figure in own[:1] for line in (figures.image(figure), "")]
        lines += figures.folded(own[1:], "see linear plot")
        for family, summary in (
            ("against", "see the server against its reference"),
            ("against_baseline", "see the run against its baseline"),
        ):
            shown = [figure for figure in figures.names(family) if figure.endswith(f"/{name}")]
            lines += figures.folded(shown, summary)
    return lines


def _selecting(results: Results, figures: Figures) -> list[str]:
    lines = ["## Selecting an embedded platform and network", ""]
    lines += figures.folded(figures.names("pareto"), "see accuracy against time per image")
    lines += ["#### MobileNet", ""]
    rows = [row for platform in results.platforms if (row := _speed_up(results, platform))]
    if rows:
        lines += [
            "Speed-up of MobileNet by the depthwise layer: the smallest and the largest, with their batch sizes:",
            "",
            *render_table(["platform", "smallest", "at batch size", "largest", "at batch size"], rows),
            "",
        ]
    lines += figures.side_by_side(figures.names("mobilenet"))
    lines += ["#### ShuffleNet", ""]
    rows = []
    for platform in results.platforms:
        own = [cell for cell in results.of(platform) if cell.key.model == "shufflenet" and cell.value_ms is not None]
        if own:
            best = min(own, key=lambda cell: cell.value_ms or 0.0)
            rows.append([_title(results, platform), format_ms(best.value_ms), str(best.key.batch_size)])
    return [*lines, *render_table(["platform", "lowest ms per image", "at batch size"], rows), ""]


def _speed_up(results: Results, platform: str) -> list[str]:
    """Render a platform's row in the comparison of MobileNet with MobileNet depthwise."""
    gains = list_mobilenet_gains(results.of(platform))
    if not gains:
        return []
    (least, at), (most, best_at) = min(gains), max(gains)
    return [_title(results, platform), f"{least:.2f}", str(at), f"{most:.2f}", str(best_at)]


def _under_load(results: Results, figures: Figures) -> list[str]:
    """Render throughput and latencies of the cells measured under load."""
    cells = load_text.select_loaded(results.cells)
    if not cells:
        return []
    rows = [[escape_inline(column) for column in load_text.load_row(cell)] for cell in cells]
    shown = [*figures.names("concurrency"), *figures.names("rate")]
    return [
        f"## Measured {load_text.TITLE}",
        "",
        load_text.TABLE_RULE,
        "",
        *render_table(load_text.COLUMNS, rows),
        "",
        *figures.folded(shown, "see all plots.."),
    ]


def _methodology(results: Results) -> list[str]:
    lines = ["## Methodology", "### benchmarking", ""]
    for platform in results.platforms:
        own = [cell for cell in results.of(platform) if cell.samples_ms]
        if own:
            clocks = ", ".join(sorted({cell.clock for cell in own}))
            passes = sorted({len(cell.samples_ms) for cell in own})
            count = str(passes[0]) if passes[0] == passes[-1] else f"{passes[0]} to {passes[-1]}"
            lines.append(
                f"- {_title(results, platform)}: {count} timed passes per cell, clock: {escape_inline(clocks)}."
            )
    return [
        *lines,
        "- A warm-up pass, which is not counted, precedes the timed passes.",
        "- A cell that is not clearly within the tolerance is measured again in further rounds.",
        "- To measure: `pytest benchmarks --platform=ID --ddperf-url=URL`.",
        "- Sources of the published tables: see [Platforms](#platforms).",
        "",
        "### Using additional models",
        "",
        "To measure another network, name a service of the server or a model folder on it:",
        "`pytest benchmarks --ddperf-models=NAME --ddperf-repository=DIR`.",
        "",
    ]


def _raw_data(results: Results) -> list[str]:
    lines = ["## Raw Data", "", "<details>", ""]
    for platform in results.platforms:
        cells = [cell for cell in results.of(platform) if not cell.key.scenario]
        title = _title(results, platform)
        if any(cell.side in {"both", "baseline", "x"} for cell in cells):
            lines += [f"### {_of_what(results, platform)}({title}):", *render_raw_table(cells, results.catalog), ""]
        if any(cell.outcome is not None for cell in cells):
            run = results.runs.get(platform)
            of = "" if run is None else f", run {escape_inline(run.run)}"
            lines += [f"### Measured processing time({title}{of}):", *render_measured_table(cells, results.catalog), ""]
        others = [cell for cell in results.of(platform) if cell.key.scenario and cell.outcome is not None]
        lines += _cells(f"### Measured in other scenarios({title}):", others)
    return [*lines, *_costs(results), "", "</details>", ""]


def _of_what(results: Results, platform: str) -> str:
    """Describe the baseline figures of a platform, in the words of the published report."""
    kinds = {cell.baseline_kind for cell in results.of(platform) if cell.baseline_kind}
    if kinds - {"report"}:
        return "Baseline of the processing time"
    of_five = "mean of 5 passes" in results.catalog.find_platform(platform).source
    return "5 pass average processing time" if of_five else "Average processing time"


def _costs(results: Results) -> list[str]:
    networks = [network for network in results.catalog.networks.values() if network.giga_flops_text]
    return [
        "### flops and params for each model:",
        *render_table(
            ["", *(escape_inline(network.id) for network in networks)],
            [
                ["Giga flops", *(network.giga_flops_text for network in networks)],
                ["million params", *(network.million_params_text for network in networks)],
                ["Top 5 accuracy", *(format_accuracy(network.top5_accuracy_percent) for network in networks)],
            ],
        ),
    ]


_WIDTH = 450
"""Width of figures shown side by side, pixels; as in the published report."""


class Figures:
    """The figures of a report, rendered as Markdown.

    Args:
        charts: names of the figures without suffix; the PNG of each is shown.
        folder: folder of the figures, next to the report.
    """

    def __init__(self, charts: Iterable[str], folder: Path) -> None:
        self._links = {name: quote(f"{folder.name}/{name}.png") for name in charts}
        self.shown: set[str] = set()
        """Names of the figures shown so far."""

    def names(self, folder: str) -> list[str]:
        """Return the names of the figures in a folder, in the order of the report."""
        return [name for name in self._links if name.startswith(f"{folder}/")]

    def others(self) -> list[str]:
        """Return the names of the figures not shown yet."""
        return [name for name in self._links if name not in self.shown]

    def of_platform(self, platform: str) -> list[str]:
        """Return the names of a platform's figures of the time per image, the linear one last."""
        own = [names.figure("latency", f"{platform}_{scale}") for scale in ("bars", "log", "linear")]
        return [name for name in own if name in self._links]

    def image(self, name: str, indent: str = "") -> str:
        """Render one figure."""
        self.shown.add(name)
        return f"{indent}![{escape_inline(_words(name))}]({self._links[name]})"

    def side_by_side(self, names: Sequence[str]) -> list[str]:
        """Render figures in rows of two."""
        lines: list[str] = []
        self.shown.update(names)
        for first in range(0, len(names), 2):
            lines += ["<table>", "  <tr>"]
            for name in names[first : first + 2]:
                lines.append(
                    f'     <th><img src="{self._links[name]}" width="{_WIDTH}" alt="{escape(_words(name))}"></th>'
                )
            lines += ["  </tr>", "</table>"]
        return [*lines, ""] if lines else []

    def folded(self, names: Sequence[str], summary: str) -> list[str]:
        """Render figures in a section that opens on a click."""
        if not names:
            return []
        shown = [line for name in names for line in (self.image(name, "  "), "")]
        return ["<details>", f"  <summary>{summary}</summary>", "", *shown, "</details>", ""]


def _words(name: str) -> str:
    """Return the alternative text of a figure: `latency, tk1 log`."""
    return name.replace("/", ", ").replace("_", " ")
