"""Find the platforms, networks and batch sizes that meet an application's requirements. Pure.

This automates the report's section "Selecting an embedded platform and network". An unknown figure never meets a
requirement: a cell whose watts, accuracy, price or parameters are unknown is ruled out if they are required, unless
unknown figures are allowed. The budgets of ddperf.toml are requirements too: the stricter limit of the two counts.

Ranking: each platform and network is represented by the smallest batch that meets all requirements, since its first
result comes soonest. Candidates are ranked by top-1 accuracy, then by images per second per watt, then by images per
second, which favours a small footprint without loss of accuracy. An unknown figure ranks last. The other rankings start
with another figure.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from math import inf
from typing import TYPE_CHECKING

from pytest_ddperf.core.budgets import NO_BUDGET
from pytest_ddperf.core.records import Outcome
from pytest_ddperf.selection.rules import RULES, Considered, Miss, Ranking, Requirements, Rule, Selection

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from pytest_ddperf.core.budgets import Budget
    from pytest_ddperf.core.networks import Network
    from pytest_ddperf.core.platform import Platform
    from pytest_ddperf.core.results import Result, Results

ROUNDING = 1e-9
"""Relative rounding error allowed, so that 40 ms per image meets a minimum of 25 images per second."""

FP32_BACKENDS = frozenset({"caffe", "onnxruntime"})
"""Backends (`mllib`) that store every weight in 4 bytes; for all others, only a minimum of 1 byte is known."""

_CHANNELS = 3
_GIB = 2**30


def select(
    results: Results,
    requirements: Requirements,
    *,
    ranking: Ranking = Ranking.ACCURACY,
    platforms: Collection[str] | None = None,
    models: Collection[str] | None = None,
    tasks: Collection[str] | None = None,
) -> Selection:
    """Compare every cell of some platforms and networks with the requirements.

    Args:
        results: published, recorded and measured figures.
        requirements: the requirements.
        ranking: the figure that candidates are ranked by first.
        platforms: ids of the platforms; None for all in the catalogue.
        models: ids of the networks; None for all.
        tasks: `classification`, `detection`, `ocr`; None for all.
    """
    catalog = results.catalog
    wanted = catalog.platforms if platforms is None else platforms
    everything = []
    for cell in results.cells:
        network, platform = catalog.find_network(cell.key.model), catalog.find_platform(cell.key.platform)
        asked = (models is None or network.id in models) and (tasks is None or network.task in tasks)
        if platform.id in wanted and asked:
            run = results.run_of(cell)
            everything.append(_considered(cell, network, platform, "" if run is None else run.run, requirements))
    candidates = [one for one in everything if not one.misses]
    return Selection(
        requirements,
        tuple(sorted(candidates, key=lambda one: _rank(one, ranking))),
        tuple(one for one in everything if one.misses),
        tuple(name for name in wanted if not results.of(name)),
        results.warnings,
    )


def estimate_memory_gib(network: Network, platform: Platform, batch_size: int) -> float | None:
    """Compute the least memory that a cell needs, GiB: the weights and one batch of input.

    This is a lower bound: activations, the backend's own buffers and the system come on top, and the report states none
    of them. A cell that exceeds a limit certainly does not fit; one below the limit may still not fit.

    Returns:
        GiB; None if the number of parameters is unknown.
    """
    if network.million_params is None:
        return None
    bytes_each = 4 if platform.parameters.mllib in FP32_BACKENDS else 1
    pixels = (network.width or 0) * (network.height or 0)
    return (network.million_params * 1e6 + batch_size * _CHANNELS * pixels) * bytes_each / _GIB


def _rank(one: Considered, ranking: Ranking) -> tuple[float, ...]:
    """Return a sort key that puts the best first and unknown figures last."""
    figures = {
        Ranking.ACCURACY: _falling(one.network.top1_accuracy_percent),
        Ranking.EFFICIENCY: _falling(one.fps_per_watt),
        Ranking.SPEED: _falling(one.fps),
        Ranking.LATENCY: inf if one.latency_ms is None else one.latency_ms,
    }
    return (figures.pop(ranking), *figures.values())


def _falling(figure: float | None) -> float:
    return inf if figure is None else -figure


@dataclass(frozen=True, slots=True)
class _Figure:
    """The time that is used for a cell, and where it comes from."""

    value_ms: float | None
    low_ms: float = 0.0
    high_ms: float = 0.0
    source: str = ""
    where: str = ""
    notes: tuple[str, ...] = ()
    miss: Miss | None = None


def _figure(cell: Result, run: str) -> _Figure:
    """Return the measured time of a cell, or its baseline if it was not measured or the measurement is invalid.

    A cell that failed, or that was measured under load, has no time.
    """
    if cell.key.scenario:
        text = f"measured under {cell.key.scenario}, not plain latency"
        return _Figure(None, miss=Miss(Rule.SCENARIO, text))
    named = f"run {run}" if run else "this run"
    if cell.outcome in {Outcome.ERROR, Outcome.OOM, Outcome.CRASHED}:
        said = cell.reason.splitlines()[0] if cell.reason else "no reason given"
        return _Figure(None, miss=Miss(Rule.FAILED, f"{cell.outcome} in {named}: {said}"))
    if cell.measured_ms is not None and cell.outcome is not Outcome.INVALID:
        passes = cell.samples_ms or (cell.measured_ms,)
        where = f"{named}, clock {cell.clock}" if cell.clock else named
        not_confirmed = (f"not confirmed: {named} ended before it was measured again",)
        notes = {
            Outcome.UNSTABLE: (f"unstable in {named}",),
            Outcome.REMEASURE: not_confirmed,
            Outcome.NOT_CONFIRMED: not_confirmed,
        }
        return _Figure(
            cell.measured_ms, min(passes), max(passes), "measured", where, notes.get(cell.outcome or Outcome.OK, ())
        )
    notes_of_run = (f"invalid in {named}",) if cell.outcome is Outcome.INVALID else ()
    if cell.baseline_ms is None:
        if cell.unavailable:
            return _Figure(None, miss=Miss(Rule.UNAVAILABLE, "marked x, not measurable there"))
        return _Figure(None, miss=Miss(Rule.NOT_MEASURED, "; ".join(("not measured", *notes_of_run))))
    low_ms, high_ms = _published_range(cell) if cell.baseline_kind == "report" else (cell.baseline_ms,) * 2
    source = "published" if cell.baseline_kind == "report" else cell.baseline_kind
    return _Figure(cell.baseline_ms, low_ms, high_ms, source, cell.baseline_source, notes_of_run)


def _published_range(cell: Result) -> tuple[float, float]:
    """Return the lower and upper bound of a published time, milliseconds per image.

    `head.time` is truncated to whole milliseconds for the batch, so the true time may be up to 1 ms longer. A figure
    that was read from a picture has a reading error in both directions.
    """
    value_ms = cell.stored_ms or cell.baseline_ms or 0.0
    return value_ms - cell.reading_error_ms, value_ms + cell.reading_error_ms + 1 / cell.key.batch_size


def _considered(cell: Result, network: Network, platform: Platform, run: str, asked: Requirements) -> Considered:
    figure = _figure(cell, run)
    memory_gib = estimate_memory_gib(network, platform, cell.key.batch_size)
    notes = figure.notes
    if figure.value_ms and memory_gib and platform.memory_gib and memory_gib > platform.memory_gib:
        notes = (*notes, f"needs at least {memory_gib:.2f} GiB; {platform.title} has {platform.memory_gib:g}")
    misses = [] if figure.miss is None else [figure.miss]
    on_edge: list[Rule] = []
    unknown: list[Rule] = []
    budget = NO_BUDGET if cell.key.scenario else platform.budget_of(network.id).of_cell(cell.key)
    for limit in (
        *_limits(network, platform, cell.key.batch_size, memory_gib=memory_gib, asked=asked),
        *_time_limits(network, platform, cell.key.batch_size, figure=figure, asked=asked, budget=budget),
    ):
        if limit.value is None:
            unknown.append(limit.rule)
            if not asked.allow_unknown:
                misses.append(Miss(limit.rule, f"{limit.rule} unknown", unknown=True))
            continue
        if limit.on_edge:
            on_edge.append(limit.rule)
        if not limit.meets(limit.value):
            misses.append(limit.miss(limit.value))
    misses.sort(key=lambda miss: RULES.index(miss.rule))
    return Considered(
        key=cell.key,
        network=network,
        platform=platform,
        value_ms=figure.value_ms,
        low_ms=figure.low_ms,
        high_ms=figure.high_ms,
        memory_gib=memory_gib,
        source=figure.source,
        where=figure.where,
        notes=notes,
        misses=tuple(misses),
        on_edge=tuple(on_edge),
        unknown=tuple(unknown),
        budget=budget,
    )


@dataclass(frozen=True, slots=True)
class _Limit:
    """One requirement and the figure of a cell that it applies to.

    Args:
        rule: the rule.
        value: the figure; None if it is unknown.
        bound: the limit.
        text: format of the description, with `{value}` and `{bound}`.
        decimals: decimal places of the printed figure; None for all.
        rising: whether more is better.
        span: lower and upper bound of the figure; None if it is exact.
        budget: same as `Miss.budget`.
    """

    rule: Rule
    value: float | None
    bound: float
    text: str
    decimals: int | None = None
    rising: bool = False
    span: tuple[float, float] | None = None
    budget: str = ""

    def meets(self, value: float) -> bool:
        """Whether a figure is within the limit."""
        if self.rising:
            return value >= self.bound * (1 - ROUNDING)
        return value <= self.bound * (1 + ROUNDING)

    @property
    def on_edge(self) -> bool:
        """Whether the limit is within the figure's error."""
        return self.span is not None and self.meets(self.span[0]) != self.meets(self.span[1])

    def miss(self, value: float) -> Miss:
        """Describe a figure that is not within the limit."""
        text = self.text.format(value=self._printed(value), bound=self.bound)
        if self.on_edge:
            text += " (within its error)"
        shortfall = self.bound / value - 1 if self.rising else value / self.bound - 1
        return Miss(self.rule, text, shortfall, budget=self.budget)

    def _printed(self, value: float) -> str:
        """Format a figure with enough decimals to show that it misses the limit: never `25.0 of 25`."""
        if self.decimals is None:
            return f"{value:g}"
        printed = (f"{value:.{decimals}f}" for decimals in range(self.decimals, 12))
        return next((text for text in printed if float(text) != self.bound), f"{value}")


def _limits(
    network: Network,
    platform: Platform,
    batch_size: int,
    *,
    memory_gib: float | None,
    asked: Requirements,
) -> Iterator[_Limit]:
    """Yield each requirement that does not limit the time, with the cell's figure."""
    stated: Sequence[tuple[Rule, float | None, float | None, str, int | None]] = (
        (Rule.WATTS, platform.watts, asked.max_watts, "{value} W, limit {bound:g}", None),
        (Rule.PRICE, platform.price_usd, asked.max_price_usd, "{value} USD, limit {bound:g}", None),
        (Rule.MEMORY, memory_gib, asked.max_memory_gib, "needs at least {value} GiB, limit {bound:g}", 3),
        (Rule.BATCH_SIZE, batch_size, asked.max_batch_size, "batch {value}, limit {bound:g}", None),
    )
    for rule, value, bound, text, decimals in stated:
        if bound is not None:
            yield _Limit(rule, value, bound, text, decimals)
    if (bound := asked.min_accuracy_percent) is not None:
        text = "top-1 accuracy {value} %, minimum {bound:g}"
        yield _Limit(Rule.ACCURACY, network.top1_accuracy_percent, bound, text, rising=True)


def _time_limits(
    network: Network,
    platform: Platform,
    batch_size: int,
    *,
    figure: _Figure,
    asked: Requirements,
    budget: Budget,
) -> Iterator[_Limit]:
    """Yield the strictest limit of the time per batch and of the time per image; none if the cell has no time."""
    value_ms, low_ms, high_ms = figure.value_ms, figure.low_ms, figure.high_ms
    if value_ms is None:
        return
    per_batch = partial(
        _Limit,
        value=value_ms * batch_size,
        text="{value} ms for the batch, limit {bound:g}",
        decimals=1,
        span=(low_ms * batch_size, high_ms * batch_size),
    )
    per_image = partial(
        _Limit, value=value_ms, text="{value} ms per image, limit {bound:g}", decimals=1, span=(low_ms, high_ms)
    )
    per_second = partial(
        _Limit,
        value=1000 / value_ms,
        text="{value} images/s, minimum {bound:g}",
        decimals=1,
        rising=True,
        span=(1000 / high_ms, 1000 / low_ms if low_ms > 0 else inf),
    )
    of_batch = [] if asked.max_latency_ms is None else [per_batch(Rule.LATENCY, bound=asked.max_latency_ms)]
    of_image = [] if asked.min_fps is None else [per_second(Rule.SPEED, bound=asked.min_fps)]
    for key, bound in budget.limits():
        limit = {"max_latency_ms": per_batch, "max_ms": per_image, "min_fps": per_second}[key](Rule.BUDGET, bound=bound)
        name = platform.name_budget(network.id, key)
        named = replace(limit, text=f"{limit.text} (budget of {name})", budget=f"{key} {bound:g} of {name}")
        (of_batch if key == "max_latency_ms" else of_image).append(named)
    for limits in (of_batch, of_image):
        if limits:  # of equal limits the first, which is that of the command line
            yield min(limits, key=lambda limit: 1000 / limit.bound if limit.rising else limit.bound)
