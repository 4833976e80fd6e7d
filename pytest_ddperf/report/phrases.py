"""Text shared by all reports: totals, verdicts in words, numbers formatted for readers. Pure."""

from __future__ import annotations

import unicodedata
from collections import Counter
from statistics import median
from typing import TYPE_CHECKING

from pytest_ddperf.core.budgets import Standing, find_tightest
from pytest_ddperf.core.records import AGAINST, FAILING, Outcome
from pytest_ddperf.core.results import SEVERITY, format_decided, shared_notes
from pytest_ddperf.gate.statistics import EPSILON
from pytest_ddperf.text import format_change, format_interval, wrap

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pytest_ddperf.core.platform import Platform
    from pytest_ddperf.core.records import CellKey
    from pytest_ddperf.core.results import Decided, Result, Results

_WITHOUT_LIMIT = frozenset({Outcome.IMPROVED, Outcome.NEW})

_NO_SHIFT = format_change(0.0)

Segment = tuple[str, str]
"""A piece of a line of the terminal and its style: "" or one of pytest's markup names (red, green, yellow, bold)."""

Line = list[Segment]

STYLES: Mapping[Outcome | None, str] = {
    Outcome.OK: "",
    Outcome.IMPROVED: "green",
    Outcome.NEW: "yellow",
    Outcome.UNSTABLE: "yellow",
    Outcome.REMEASURE: "yellow",
}


def style_of(cell: Result) -> str:
    """Return the style of a cell in the terminal."""
    return "red" if cell.fails else STYLES.get(cell.outcome, "")


def css_class(outcome: Outcome | None) -> str:
    """Return the CSS class with the colour of a verdict; grey without one."""
    if outcome in FAILING:
        return "red"
    if outcome in {Outcome.UNSTABLE, Outcome.NEW, Outcome.REMEASURE}:
        return "amber"
    return "green" if outcome in {Outcome.OK, Outcome.IMPROVED} else "grey"


def wrap_text(text: str, width: int, style: str = "") -> list[Line]:
    """Wrap a text as `wrap` does, as lines of the terminal."""
    return [[(part, style)] for part in wrap(text, width)]


def join_lines(text: str) -> str:
    """Put a text on one line: control and other invisible characters become spaces, and spaces are collapsed."""
    plain = "".join(" " if unicodedata.category(char)[0] in "CZ" else char for char in text)
    return " ".join(plain.split())


def count_verdicts(results: Results) -> dict[Outcome, int]:
    """Count the cells with each verdict, most severe first."""
    counts = Counter(cell.outcome for cell in results.cells if cell.outcome is not None)
    return {outcome: counts[outcome] for outcome in SEVERITY if counts[outcome]}


def count_cells(count: int) -> str:
    """Format a number of cells: `1 cell`, `52 cells`."""
    return f"{count} cell{'' if count == 1 else 's'}"


def list_verdicts(cells: Iterable[Result]) -> str:
    """Format the number of cells with each verdict, greenest first: `50 ok, 2 regressed`."""
    counts = Counter(cell.outcome for cell in cells)
    return ", ".join(f"{counts[outcome]} {outcome}" for outcome in Outcome if counts[outcome])


def format_totals(results: Results) -> str:
    """Format the totals: `52 cells: 2 regressed, 50 ok; 3 baseline cells not measured`."""
    counts = count_verdicts(results)
    count = sum(counts.values())
    parts = ", ".join(f"{number} {outcome}" for outcome, number in counts.items()) or "no verdicts"
    text = f"{count_cells(count)}: {parts}"
    further = (count_over_budget(results.cells), results.not_measured and format_not_measured(results.not_measured))
    return "; ".join([text, *(one for one in further if one)])


def count_over_budget(cells: Iterable[Result]) -> str:
    """Count the cells over their budgets: `2 of 52 over budget, 1 undecided`; "" if no cell has a budget."""
    worst = [one.standing for cell in cells if (one := find_tightest(cell.budgets)) is not None]
    undecided = worst.count(Standing.UNDECIDED)
    text = f"{worst.count(Standing.OVER)} of {len(worst)} over budget"
    return "" if not worst else f"{text}, {undecided} undecided" if undecided else text


def format_not_measured(count: int) -> str:
    """Format the number of baseline cells without a measurement: `3 baseline cells not measured`."""
    return f"{count} baseline cell{'' if count == 1 else 's'} not measured"


def explain_verdict(cell: Result, length: int | None = None) -> str:
    """Explain a verdict on one line, with the notes on the comparison.

    Args:
        cell: a cell with a verdict.
        length: maximum length of the explanation, characters; None for no limit. Notes are not truncated.
    """
    reason = join_lines(cell.reason)
    short = reason if length is None or len(reason) <= length else f"{reason[:length]} ..."
    said = f"{short}." if short and cell.notes and not short.endswith(".") else short
    return " ".join(part for part in (said, *(f"Note: {join_lines(note)}." for note in cell.notes)) if part)


def describe_comparison(cell: Decided) -> list[str]:
    """List the limit with which a cell's change was compared, and the common shift that was removed from it, if any.

    `limit +12.1 %`, `common shift of +4.2 % removed`.
    """
    texts = []
    if cell.change is not None and cell.limit is not None and cell.outcome not in _WITHOUT_LIMIT:
        texts.append(f"limit {format_change(cell.limit, cell.change)}")
    removed = format_change(cell.shift_removed)
    if removed != _NO_SHIFT:
        texts.append(f"common shift of {removed} removed")
    return texts


def format_decision(cell: Decided) -> str:
    """Format the change that decided, with what it was compared or what it was measured from; "" without a baseline.

    `+30.0 % (limit +12.1 %)`; in pairs `+30.0 % [+25.1, +35.2] (24 pairs)`.
    """
    parts = describe_comparison(cell)
    if cell.pairs and cell.change is not None:
        parts.append(f"{cell.pairs} pairs")
    words = [format_decided(cell)]
    words += [] if cell.interval is None else [format_interval(cell.interval)]
    words += [f"({', '.join(parts)})"] if parts else []
    return " ".join(words)


def describe_shift(results: Results, platform: str) -> str:
    """Describe how much slower a platform has become as a whole; "" if it has not."""
    judged = [cell for cell in results.of(platform) if cell.change is not None]
    moved = [cell for cell in judged if cell.platform_shifted]
    if not moved:
        return ""
    shift = median((cell.change or 0.0) if cell.suite_shift is None else cell.suite_shift for cell in moved)
    beyond = sum((cell.change or 0.0) > (cell.tolerance or 0.0) + EPSILON for cell in judged)
    several = len({cell.key.model for cell in judged}) > 1
    what = (
        "not one of each network: check clocks" if several else "of the network or of the platform: check files, clocks"
    )
    nights = Counter(cell.since for cell in moved if cell.since is not None).most_common(1)
    since = f" It has been {nights[0][0]}." if nights and 2 * nights[0][1] > len(moved) else ""
    return (
        f"{platform} as a whole is {shift * 100:.1f} % slower: {beyond} of {count_cells(len(judged))} "
        f"{'is' if beyond == 1 else 'are'} beyond the tolerance. This is one change, {what}, heat, driver and server "
        f"build first.{since}"
    )


def describe_shifts(results: Results) -> list[str]:
    """Describe each platform that has become slower as a whole."""
    return [text for platform in results.platforms if (text := describe_shift(results, platform))]


COARSE = 1.5
"""How many times its tolerance a cell's resolution may be before a run warns."""


def format_resolution(resolution: float) -> str:
    """Format a resolution: `5.2 %`."""
    return f"{resolution * 100:.1f} %"


def format_resolutions(resolutions: Mapping[CellKey, float]) -> str:
    """Format the finest and the coarsest resolution of some cells: `11.2 % to 14.0 % (tk1-vgg16-b8)`."""
    coarsest = max(resolutions, key=lambda key: resolutions[key])
    low, high = (format_resolution(one) for one in (min(resolutions.values()), resolutions[coarsest]))
    return low if low == high else f"{low} to {high} ({coarsest})"


REMEDY = (
    "To see smaller slowdowns: measure on a quieter host, pin the clocks (--ddperf-tune), accept more nights "
    "(--ddperf-accept), or compare with a second server (--ddperf-against)."
)
"""What to do about a coarse resolution."""

REMEDY_IN_PAIRS = (
    "To see smaller slowdowns: measure on a quieter host, pin the clocks (--ddperf-tune), or raise --ddperf-max-pairs."
)
"""What to do about it in a measurement in pairs."""


def describe_coarse(cells: Iterable[Result]) -> str:
    """Describe in which cells the resolution exceeds 1.5 times the tolerance, and what to do; "" if in none.

    Args:
        cells: cells of one platform.
    """
    judged = [cell for cell in cells if cell.change is not None and cell.tolerance]
    seen = [(cell.resolution, cell.key, cell.tolerance or 0.0) for cell in judged if cell.resolution is not None]
    coarse = _list_coarse(seen, len(judged))
    if coarse and all(cell.baseline_kind == "report" for cell in judged):
        return f"in {coarse}. A published table does not show a host's noise; --ddperf-update-baselines records it."
    remedy = REMEDY_IN_PAIRS if all(cell.baseline_kind == AGAINST for cell in judged) else REMEDY
    return coarse and f"in {coarse}. {remedy}"


def describe_unknown_noise(cells: Iterable[Result]) -> str:
    """Describe that no cell has a resolution, because nothing shows the noise of the host; "" if any has one.

    Args:
        cells: cells of one platform.
    """
    judged = [cell for cell in cells if cell.change is not None]
    if not judged or any(cell.resolution is not None or cell.baseline_kind != "report" for cell in judged):
        return ""
    return (
        f"{judged[0].key.platform}, {count_cells(len(judged))}: neither a published table nor so few cells show how "
        "noisy the host is, so it is unknown how small a slowdown is found; --ddperf-update-baselines records a "
        "baseline that shows it."
    )


def describe_noisy_recording(platform: str, resolutions: Mapping[CellKey, float], tolerance: float) -> str:
    """Describe that a recording was made on a noisy host, and what to do; "" if it was not.

    Args:
        platform: its platform.
        resolutions: those of later runs against it, relative, by cell.
        tolerance: relative.
    """
    seen = [(resolution, key, tolerance) for key, resolution in resolutions.items()]
    coarse = _list_coarse(seen, len(seen))
    return coarse and f"The baseline of {platform} was recorded on a noisy host: against it, in {coarse}. {REMEDY}"


def _list_coarse(seen: Iterable[tuple[float, CellKey, float]], count: int) -> str:
    """Count the cells with a coarse resolution, and name the coarsest; "" without one.

    Args:
        seen: resolution, key and tolerance of cells.
        count: number of cells among which they are counted.
    """
    coarse = [each for each in seen if each[0] > each[2] * COARSE]
    if not coarse:
        return ""
    resolution, key, tolerance = max(coarse)
    return (
        f"{len(coarse)} of {count_cells(count)} the resolution exceeds {COARSE:g} times the tolerance, "
        f"{tolerance * 100:g} %; coarsest: {key}, {format_resolution(resolution)}"
    )


def collect_notes(results: Results) -> list[str]:
    """Collect the notes on comparisons, each once with the cells it applies to.

    Notes that a cell comes from an earlier run are omitted; the warnings list these runs.
    """
    return shared_notes(
        (cell.key, map(join_lines, cell.notes if cell.earlier is None else cell.notes[:-1])) for cell in results.cells
    )


def list_references(results: Results) -> list[str]:
    """Describe both servers of each platform that was measured in pairs, one line each."""
    lines = []
    for platform in results.platforms:
        sources = dict.fromkeys(cell.reference for cell in results.of(platform) if cell.reference)
        server = results.server_of(platform)
        tested = "its server" if server is None else f"{server.url} ({server.version})"
        if sources:
            lines.append(join_lines(f"{platform}: {tested}, in pairs with the reference {', '.join(sources)}"))
    return lines


def format_published(ms: float, platform: Platform) -> str:
    """Format a published value as in its table; a value read from a picture has three significant digits.

    Args:
        ms: milliseconds per image.
        platform: the platform of the table.
    """
    whole = f"{ms:.15g}"
    if not (platform.reading_error_percent or platform.reading_error_ms):
        return whole
    three = f"{ms:#.3g}".rstrip(".") if ms < 1000 else f"{ms:.0f}"
    return three if float(three) == ms else whole  # the project's own table may have more digits


def format_ratio(ratio: float | None) -> str:
    """Format a ratio as percent: `10 %`; "" for None."""
    return "" if ratio is None else f"{ratio * 100:.3g} %"


def describe_hardware(platform: Platform) -> list[str]:
    """List what the report states about a platform's hardware: `300 GFLOPS`, `192 cores` ..."""
    facts = (
        (platform.peak_gflops, "{:.0f} GFLOPS"),
        (platform.cores, "{:g} cores"),
        (platform.memory_gib, "{:g} GiB"),
        (platform.watts, "{:g} W under load"),
        (platform.price_usd, "{:g} USD"),
    )
    return [text.format(value) for value, text in facts if value]
