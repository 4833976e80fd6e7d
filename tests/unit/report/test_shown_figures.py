"""The figure beside a verdict is the one that decided it, in simulated runs; noise is drawn from seeds."""

from __future__ import annotations

import math
import random
import re
from collections import Counter
from functools import cache

from plans import make_plan

from pytest_ddperf.config.load_catalog import load_catalog
from pytest_ddperf.config.server_options import ServerOptions
from pytest_ddperf.core.records import (
    Baseline,
    CellKey,
    CellRecord,
    Clock,
    Conditions,
    Measurement,
    Outcome,
    Pass,
    Round,
)
from pytest_ddperf.core.results import join_cell
from pytest_ddperf.measure.loop import Plan
from pytest_ddperf.report import csv_json, junit
from pytest_ddperf.report.phrases import format_decision
from pytest_ddperf.report.terminal import describe_regression, format_platform_table, format_verdict
from pytest_ddperf.runner.judge import Judge

TK1 = load_catalog().platform("tk1")
CONDITIONS = Conditions(Clock.PREDICT, TK1.parameters.mllib, gpu=TK1.parameters.gpu)
KEYS = tuple(CellKey("tk1", model, size) for model in ("googlenet", "vgg16", "resnet50") for size in (1, 4, 8))
RUNS = 1000


def draw_round(chance: random.Random, mean_ms: float, noise: float) -> list[float]:
    mean_ms *= math.exp(chance.gauss(0, noise / 2))
    return [mean_ms * math.exp(chance.gauss(0, noise)) for _ in range(5)]


def draw_baseline(chance: random.Random, noise: float) -> Baseline:
    if chance.random() < 0.5:
        return Baseline("report", 20.0, "tk1.csv, line 5")
    rounds = [draw_round(chance, 20.0, noise) for _ in range(3)]
    run = tuple(ms for one in rounds for ms in one)
    return Baseline("recorded", 20.0, "tk1.json", (run,), conditions=CONDITIONS, round_sizes=((5, 5, 5),))


@cache
def noisy_runs() -> list[CellRecord]:
    """The final records of many runs on noisy hosts, some of which are slower or faster."""
    chance = random.Random(19)  # noqa: S311 - noise, not secrets
    found: list[CellRecord] = []
    for _ in range(RUNS):
        noise = chance.choice([0.015, 0.05, 0.1, 0.3])
        tolerance = chance.choice([0.05, 0.1])
        keys = KEYS[: chance.choice([1, 1, 2, 2, 9])]
        baselines = {key: draw_baseline(chance, noise) for key in keys}
        judge = Judge(make_plan(TK1, ServerOptions("http://h:1"), Plan(), tolerance, baselines))
        factor = chance.choice([1.0, 1.0, 1 + tolerance, 1.4, 0.7])
        rounds: dict[CellKey, list[Round]] = {key: [] for key in keys}
        waiting = list(keys)
        while waiting:
            key = waiting.pop(0)
            passes = draw_round(chance, 20.5 * factor, noise)
            rounds[key].append(Round(0.0, tuple(Pass(1e6, None, ms * key.batch_size) for ms in passes)))
            record = judge.judge(Measurement(key, CONDITIONS, tuple(rounds[key])), str(key), None)
            if record.outcome is Outcome.REMEASURE:
                waiting.append(key)
            else:
                found.append(record)
    return found


def percentages(text: str) -> list[float]:
    return [float(number) for number in re.findall(r"[+-]\d+(?:\.\d+)?(?= ?%)", text)]


def fits(outcome: str, change: float, tolerance: float, limit: float) -> bool:
    """Whether a figure agrees with the verdict beside it; all in percent."""
    if outcome == "ok":
        return change <= tolerance
    if outcome == "regressed":
        return change > tolerance and change > limit
    if outcome == "unstable":
        return tolerance < change <= limit
    return outcome == "improved" and change < -tolerance


def test_the_simulated_runs_have_every_verdict() -> None:
    counts = Counter(record.outcome for record in noisy_runs())
    assert sum(counts.values()) > 2 * RUNS
    assert all(counts[one] > 50 for one in (Outcome.OK, Outcome.REGRESSED, Outcome.UNSTABLE, Outcome.IMPROVED))


def test_a_common_shift_that_was_removed_is_stated() -> None:
    removed = [record for record in noisy_runs() if abs(record.shift_removed) > 0.001]
    assert removed
    assert all("common shift of" in format_decision(record) for record in removed)


def test_no_row_of_the_terminal_contradicts_its_verdict() -> None:
    marks = {"!": "regressed", "~": "unstable", "*": "improved", "": "ok"}
    for record in noisy_runs():
        row = format_platform_table("t", [join_cell(record.key, None, record)], width=80)[2]
        figure = re.search(r"([+-]\d+(?:\.\d+)?)%(.?)$", row[1][0])
        assert figure is not None, row
        assert marks[figure[2]] == record.outcome
        tolerance, limit = (record.tolerance or 0) * 100, (record.limit or 0) * 100
        assert fits(str(record.outcome), float(figure[1]), tolerance, limit), row


def test_no_line_of_a_verdict_contradicts_the_limit_beside_it() -> None:
    for record in noisy_runs():
        change, *limits = percentages(format_decision(record))
        assert limits == percentages(format_verdict(record))[1:]
        limit = limits[0] if limits else math.inf
        assert fits(str(record.outcome), change, (record.tolerance or 0) * 100, limit), format_decision(record)


def test_no_reason_contradicts_its_verdict() -> None:
    for record in noisy_runs():
        change, *limits = percentages(record.reason)
        limit = limits[0] if limits else math.inf if record.outcome is Outcome.UNSTABLE else -math.inf
        assert fits(str(record.outcome), change, (record.tolerance or 0) * 100, limit), record.reason


def test_no_message_of_a_regressed_cell_contradicts_its_limit() -> None:
    for record in noisy_runs():
        if record.outcome is Outcome.REGRESSED and record.baseline is not None:
            change, limit, *_ = percentages(describe_regression(record, record.baseline, "again").splitlines()[0])
            assert fits("regressed", change, (record.tolerance or 0) * 100, limit)


def test_no_testcase_of_junit_contradicts_its_verdict() -> None:
    for record in noisy_runs():
        values = dict(junit.list_properties(record))
        figures = (float(values[name]) for name in ("change_percent", "tolerance_percent", "limit_percent"))
        assert fits(values["verdict"], *figures), values


def test_the_time_shown_is_the_baseline_shown_and_the_change() -> None:
    for record in noisy_runs():
        values = csv_json.row(join_cell(record.key, None, record), None)
        assert math.isclose(values["now_ms"], values["baseline_ms"] * (1 + values["change"]), rel_tol=1e-9)
        assert fits(values["outcome"], values["change"], values["tolerance"], values["limit"])
