"""The HTML report: a single page that loads no other files and works without a network.

Failed cells are part of the HTML and need no script. The figures and the table of all cells are drawn by the scripts in
the folder `page` from data embedded in the page. The page's content security policy allows only these scripts and
styles, by their hashes, and no connections, so that server-supplied text could do no harm even if it were not escaped.
"""

from __future__ import annotations

import base64
import hashlib
import json
from html import escape
from importlib import resources
from string import Template
from typing import TYPE_CHECKING

from pytest_ddperf import __version__
from pytest_ddperf.core.budgets import Standing
from pytest_ddperf.core.records import COMMIT_DIGITS, Outcome
from pytest_ddperf.report import budget_text, load_text, page_data, phrases
from pytest_ddperf.report.phrases import css_class
from pytest_ddperf.text import format_ms

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pytest_ddperf.core.records import ServerFacts
    from pytest_ddperf.core.results import Result, Results, RunFacts, Trend

GENERATOR = f"pytest-ddperf {__version__}"
"""What made a page."""

_SCRIPTS = ("data.js", "plot.js", "hover.js", "controls.js", "table.js")
"""Scripts of the page in order: each uses only those before it."""

_ATTENTION = ("Cell", "Change", "Now", "Baseline", "Tolerance", "Resolution", "Passes")
"""Columns of the table of cells that need attention."""

_STRIP_WIDTH, _STRIP_HEIGHT, _STRIP_MARGIN = 170, 30, 6


def render_page(results: Results, trends: Sequence[Trend], home: str = "") -> str:
    """Render the whole page.

    Args:
        results: results to show.
        trends: histories of cells.
        home: URL of the page of all platforms, for a link; "" for none.
    """
    js = _script()
    body = Template(read_asset("page.html")).substitute(
        home=f'<nav><a href="{escape(home)}">All platforms</a></nav>' if home else "",
        generator=GENERATOR,
        js=js,
        run=_run(results),
        attention=_attention(results, trends),
        load=_load(results),
        budgets=_budgets(results),
        notes="".join(
            f'<p class="note">{_text(said)}</p>' for said in (*phrases.collect_notes(results), *results.warnings)
        ),
        data=embed_json(page_data.build_page_data(results, trends)),
    )
    return render_document(_title(results), body, read_asset("page.css"), js)


def render_document(title: str, body: str, css: str, js: str = "") -> str:
    """Render a whole page, with a content security policy that allows only its own style sheet and script.

    Args:
        title: its title, plain text.
        body: HTML of the body, which contains the script.
        css: the style sheet.
        js: the script; "" for none.
    """
    script = f"script-src '{_hash(js)}'; " if js else ""
    return Template(read_asset("document.html")).substitute(
        policy=f"default-src 'none'; {script}style-src '{_hash(css)}'; base-uri 'none'; form-action 'none'",
        generator=GENERATOR,
        title=escape(title),
        css=css,
        body=body,
    )


def embed_json(value: object) -> str:
    """Render JSON for a script element, escaped so that it can neither end the element nor start a comment."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)  # in ASCII, so U+2028 and U+2029 are escaped
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def read_asset(name: str) -> str:
    """Read a file of the folder `page`."""
    return resources.files(__package__).joinpath("page", name).read_text(encoding="utf-8")


def _script() -> str:
    """Join the scripts in one function scope."""
    return f'"use strict";\n(() => {{\n{"".join(read_asset(name) for name in _SCRIPTS)}}})();\n'


def _hash(text: str) -> str:
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return f"sha256-{digest}"


def _text(text: str) -> str:
    return escape(phrases.join_lines(text))


def _title(results: Results) -> str:
    platforms = ", ".join(results.runs or results.platforms)
    state = phrases.format_totals(results) if results.runs else "published tables"
    return f"{state} - {platforms} - DeepDetect performance"


def _run(results: Results) -> str:
    """Render shifts of whole platforms, the runs shown and the totals of their cells."""
    counts = phrases.count_verdicts(results)
    if not counts:
        return "<p>No run: only the baselines are shown, as published or recorded.</p>"
    parts = [f'<p class="red"><strong>{_text(shift)}</strong></p>' for shift in phrases.describe_shifts(results)]
    parts += [f'<p class="runs">{_text(line)}</p>' for line in phrases.list_references(results)]
    parts += [_run_line(results, platform, run) for platform, run in results.runs.items()]
    return "".join([*parts, render_totals(counts, results.not_measured)])


def render_totals(counts: Mapping[Outcome, int], not_measured: int) -> str:
    """Render the number of cells with each verdict, and that of baseline cells that were not measured."""
    chips = [
        f'<li class="{css_class(outcome)}"><b>{count}</b>{outcome}</li>' for outcome, count in counts.items() if count
    ]
    if not_measured:
        count, _, words = phrases.format_not_measured(not_measured).partition(" ")
        chips.append(f'<li class="amber"><b>{count}</b>{words}</li>')
    return "".join(['<ul class="totals" aria-label="Verdicts">', *chips, "</ul>"])


def _run_line(results: Results, platform: str, run: RunFacts) -> str:
    known = results.catalog.platforms.get(platform)
    title = platform if known is None else f"{known.title} ({platform})"
    commit = f", commit <code>{_text(run.commit[:COMMIT_DIGITS])}</code>" if run.commit else ""
    state = "" if run.complete else ' <span class="badge amber">interrupted</span>'
    server = run.servers.get(platform)
    return (
        f'<p class="runs"><strong>{_text(title)}</strong>: run <code>{_text(run.run)}</code>, '
        f"{_text(run.started)}{commit}{'' if server is None else _server(server)}{state}</p>"
    )


def _server(server: ServerFacts) -> str:
    parts = [text for text in (server.version, server.commit, server.build_type) if text and text != "unknown"]
    facts = f" ({_text(', '.join(parts))})" if parts else ""
    return f', server <code>{_text(server.url)}</code><span class="quiet">{facts}</span>'


def _attention(results: Results, trends: Sequence[Trend]) -> str:
    """Render the cells that failed or are unstable, with the figures that show how certain this is.

    Cells that became slower night by night come first. Those of a platform that shifted as a whole are not news.
    """
    with_history = {trend.key for trend in trends}
    cells = [cell for cell in results.judged if cell.fails or cell.outcome is Outcome.UNSTABLE]
    if cells and all(cell.platform_shifted for cell in cells):
        return ""
    cells = sorted((cell for cell in cells if not cell.platform_shifted), key=lambda cell: cell.creep is None)
    if not results.runs and not cells:
        return ""
    if not cells:
        return '<section><h2>Needs attention</h2><p class="green">No cell failed or is unstable.</p></section>'
    rows = [_attention_row(cell, has_history=cell.key in with_history) for cell in cells]
    hint = "Passes: each dot is one timed pass; the line is the baseline, the band the tolerance."
    return _table_section("look", "Needs attention", _ATTENTION, rows, hint=hint, style="stacked")


def _load(results: Results) -> str:
    """Render the cells under load, with throughput and latencies."""
    cells = load_text.select_loaded(results.cells)
    if not cells:
        return ""
    return _table_section(
        "load", f"Measured {load_text.TITLE}", load_text.COLUMNS, map(_load_row, cells), hint=load_text.TABLE_RULE
    )


def _load_row(cell: Result) -> str:
    name, outcome, *figures = load_text.load_row(cell)
    return _figures_row(name, css_class(cell.outcome), outcome, load_text.COLUMNS[2:], figures)


def _figures_row(name: str, badge: str, word: str, labels: Sequence[str], figures: Sequence[str]) -> str:
    """Render a row of a table: a cell, a coloured word, and figures with their labels."""
    return (
        f"<tr><th scope='row'><span class='cell'>{_text(name)}</span></th>"
        f"<td><span class='badge {badge}'>{_text(word)}</span></td>{_figure_cells(labels, map(_text, figures))}</tr>"
    )


def _figure_cells(labels: Iterable[str], figures: Iterable[str]) -> str:
    """Render figures, which are HTML, as cells of a row with their labels."""
    return "".join(
        f"<td class='figure' data-label='{label}'>{figure}</td>" for label, figure in zip(labels, figures, strict=True)
    )


def _budgets(results: Results) -> str:
    """Render every limit of a cell, the least headroom first."""
    name, *labels, decided = budget_text.COLUMNS
    colours = {Standing.OVER: "red", Standing.UNDECIDED: "amber", Standing.WITHIN: "green"}
    rows = []
    for cell, check in budget_text.list_checks(results.cells):
        key, *figures, word = budget_text.budget_row(cell, check)
        rows.append(_figures_row(key, colours[check.standing], word, labels, figures))
    if not rows:
        return ""
    heading = phrases.count_over_budget(results.cells)
    return _table_section("budgets", heading, (name, decided, *labels), rows, hint=budget_text.RULE)


def _table_section(
    name: str, heading: str, columns: Iterable[str], rows: Iterable[str], *, hint: str, style: str = "stacked load"
) -> str:
    """Render a section with a table that can be scrolled and a hint below it; `rows` is HTML, the others are text."""
    head = "".join(f"<th scope='col'>{column}</th>" for column in columns)
    return (
        f'<section aria-labelledby="{name}"><h2 id="{name}">{_text(heading)}</h2><div class="scroll" tabindex="0" '
        f'role="region" aria-labelledby="{name}"><table class="{style}"><thead><tr>{head}</tr></thead>'
        f'<tbody>{"".join(rows)}</tbody></table></div><p class="hint">{_text(hint)}</p></section>'
    )


def _attention_row(cell: Result, *, has_history: bool) -> str:
    """Render a cell with a link to its history, or to its network's line in the figure if it has no history.

    A cell under load without a history has no link, as it is not in that figure.
    """
    name = escape(str(cell.key))
    if has_history or not cell.key.scenario:
        title = "show its history" if has_history else "show it below"
        link = f"<a class='cell' href='#explore' data-cell='{name}' title='{title}'>{_text(str(cell.key))}</a>"
    else:
        link = f"<span class='cell'>{_text(str(cell.key))}</span>"
    sees = phrases.format_ratio(cell.resolution)
    if cell.resolution and cell.change and cell.change > cell.resolution:
        sees += f" <span class='quiet'>(the change is {cell.change / cell.resolution:.1f} times this)</span>"
    change, _, compared = phrases.format_decision(cell).partition(" (")
    figures = (
        "" if cell.change is None else f"<strong>{change}</strong>" + (f" ({compared}" if compared else ""),
        "" if cell.now_ms is None else f"{format_ms(cell.now_ms)} ms",
        "" if cell.baseline_ms is None else f"{format_ms(cell.baseline_ms)} ms",
        phrases.format_ratio(cell.tolerance),
        sees,
    )
    return (
        f"<tr class='details'><th scope='row'><span class='badge {css_class(cell.outcome)}'>{cell.outcome}</span> "
        f"{link}</th>{_figure_cells(_ATTENTION[1:-1], figures)}<td>{_strip(cell)}</td></tr>"
        f"<tr class='why'><td colspan='7'><p>{escape(phrases.explain_verdict(cell))}</p></td></tr>"
    )


def _strip(cell: Result) -> str:
    """Draw every timed pass as a dot, with the baseline and the tolerance."""
    held = cell.baseline_ms
    if not cell.samples_ms or held is None:
        return ""
    allowed = held * (1 + (cell.tolerance or 0.0))
    low, high = min(held, *cell.samples_ms), max(allowed, *cell.samples_ms)
    scale = (_STRIP_WIDTH - 2 * _STRIP_MARGIN) / ((high - low) or 1.0)

    def place(ms: float) -> str:
        return f"{_STRIP_MARGIN + (ms - low) * scale:.1f}"

    dots = "".join(
        f"<circle cx='{place(ms)}' cy='{8 + 7 * (number % 3)}' r='3'/>" for number, ms in enumerate(cell.samples_ms)
    )
    words = (
        f"{len(cell.samples_ms)} passes from {format_ms(min(cell.samples_ms))} to {format_ms(max(cell.samples_ms))} ms"
    )
    return (
        f"<svg class='strip' viewBox='0 0 {_STRIP_WIDTH} {_STRIP_HEIGHT}' role='img' aria-label='{words}'>"
        f"<rect class='band' x='{place(held)}' y='2' width='{(allowed - held) * scale:.1f}' height='26'/>"
        f"<line class='held' x1='{place(held)}' x2='{place(held)}' y1='2' y2='28'/>{dots}</svg>"
    )
