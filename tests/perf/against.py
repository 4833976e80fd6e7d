"""A check of measurements in pairs on real inference: are two equal servers green, is a slower one found?

    python tests/perf/against.py [--folder pairs] [--parts aa,power,passes,time]

Each suite is a `pytest` run of 4 cells with `--ddperf-against` on two embedded servers of its own, at a tolerance of
5 %. A load comes and goes, random bursts on all cores. Each run is stored in the folder when it ends; the same command
resumes, and prints the figures of stored runs without measuring them again. About half an hour on two cores:

- aa: two equal servers beside the load. At most 3 of 60 suites may be red, and 2 % of 1,000 suites whose rounds are
  drawn from those measured and judged as the product does. For comparison, plain runs of 15 passes against a recording.
- power: one server does 5, 10 and 20 % more work (`ddperf serve --slow`), beside the load and without it; together with
  `aa`, also the measured rounds of equal servers made slower.
- passes: the smallest change that is found in 80 % of cases at a false alarm rate of 1 %: in 15 pairs, it must be at
  most half of that of 15 recorded and 15 measured passes. From the pairs of `aa`, and all pairs of its plain runs.
- time: what the first round of pairs takes, at most 10 % more than two plain cells of as many passes with
  `--ddperf-recreate`; and each further round.
"""

from __future__ import annotations

import argparse
import contextlib
import math
import statistics
import time
import xml.etree.ElementTree as ET
from collections import Counter, defaultdict
from itertools import permutations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from gate_pairs import ROUNDS, TOLERANCE, one_run
from stored_runs import bursts, make_project, measure_once, run_pytest

from pytest_ddperf.embedded import launch
from pytest_ddperf.gate.pairs import FALSE_ALARM, PAIRS_PER_ROUND, estimate_round
from pytest_ddperf.gate.statistics import round_statistic
from pytest_ddperf.servers import generated_images

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gate_noise import Array

MODELS = ("squeezenet_v1.1", "shufflenet")
BATCH_SIZES = (1, 2)
CELLS = len(MODELS) * len(BATCH_SIZES)
THREADS = 1
SLOWER = (1.05, 1.1, 1.2)
RECORDINGS = 4
"""Recordings that the plain runs are compared with in turn."""

PASSES = 15
FOUND = 0.8
DRAWS = 4000
MOST_RED, MOST_RED_RESAMPLED, MOST_EXTRA_TIME = 0.05, 0.02, 0.10
PARTS = ("aa", "power", "passes", "time")
JUDGED = {"ok", "unstable", "improved", "regressed", "new"}
"""Verdicts on cells that were measured."""

REPOSITORY = "--ddperf-repository={model}"
ALWAYS_OK = "--ddperf-tolerance=900%"
NEVER_OK = "--ddperf-tolerance=0.0001%"


def measure(
    project: Path, *options: str, slow: float | None = None, against: bool = True, load: str = ""
) -> list[dict[str, Any]]:
    """Measure the cells on embedded servers of this run.

    Args:
        project: folder with the test.
        options: further options of pytest.
        slow: factor on the work of the server under test.
        against: whether to compare it with a second server.
        load: seed of the load beside the measurement; "" for none.
    """
    images = generated_images.ensure_bench_images()
    extra = [word for model in MODELS for word in ("--slow", f"{model}={slow}")] if slow else []
    with contextlib.ExitStack() as running:
        if load:
            running.enter_context(bursts(load))
        server = running.enter_context(launch.start(threads=THREADS, data_dir=images, extra=extra))
        if against:
            reference = running.enter_context(launch.start(threads=THREADS, data_dir=images))
            options = (f"--ddperf-against={reference.url}", *options)
        benchmarks = run_pytest(project, server.url, REPOSITORY, *options, models=MODELS, batch_sizes=BATCH_SIZES)
    verdicts = Counter(one["extra_info"]["verdict"] for one in benchmarks)
    if len(benchmarks) != CELLS or verdicts.keys() - JUDGED:
        raise SystemExit(f"of {CELLS} cells in {project}, these were measured: {describe(verdicts)}")
    return benchmarks


def measure_suite(folder: Path, name: str, slow: float | None = None, *, load: bool = True) -> dict[str, Any]:
    """Return what is stored of a suite of pairs, measured if necessary: its seconds, and verdict and times by cell."""

    def run() -> dict[str, Any]:
        began_s = time.monotonic()
        benchmarks = measure(
            make_project(folder / "in-pairs"), f"--ddperf-tolerance={TOLERANCE:%}", slow=slow, load=name if load else ""
        )
        took_s = time.monotonic() - began_s
        cells = {}
        for one in benchmarks:
            info = one["extra_info"]
            cells[one["param"]] = {
                "verdict": info["verdict"],
                "new_ms": info["clocks_ms_per_image"][info["conditions"]["clock"]],
                "reference_ms": info["against"]["ms_per_image"],
            }
        print(f"{name}: {describe(Counter(one['verdict'] for one in cells.values()))}, {took_s:.0f} s", flush=True)
        return {"took_s": took_s, "cells": cells}

    return measure_once(folder / f"{name}.json", run)


def log_ratios(cell: Mapping[str, Any]) -> Array:
    """Log ratios of the pairs of a stored cell: rounds x pairs."""
    return np.asarray(np.log(np.array(cell["new_ms"]) / np.array(cell["reference_ms"])))


def describe(verdicts: Counter[str]) -> str:
    """Describe numbers of verdicts."""
    return ", ".join(f"{count} {verdict}" for verdict, count in sorted(verdicts.items()))


def count_suites(suites: Sequence[Mapping[str, Any]]) -> str:
    """Describe the cells of suites: verdicts, pairs and seconds."""
    cells = [cell for suite in suites for cell in suite["cells"].values()]
    pairs = statistics.fmean(len(cell["new_ms"]) * PAIRS_PER_ROUND for cell in cells)
    took_s = statistics.fmean(suite["took_s"] for suite in suites)
    verdicts = describe(Counter(cell["verdict"] for cell in cells))
    return f"{len(cells)} cells: {verdicts}; {pairs:.1f} pairs a cell, {took_s:.0f} s a suite with its servers' start"


def limit(is_met: bool, text: str) -> str:
    """Describe a limit and whether it is met."""
    return f"({text}: {'met' if is_met else 'NOT MET'})"


def is_red(suite: Mapping[str, Any]) -> bool:
    """Whether a cell of a stored suite is red."""
    return any(cell["verdict"] == "regressed" for cell in suite["cells"].values())


def gather_rounds(suites: Sequence[Mapping[str, Any]]) -> dict[str, Array]:
    """Gather the rounds of each cell from all suites: log ratios, rounds x pairs."""
    rounds = defaultdict(list)
    for suite in suites:
        for name, cell in suite["cells"].items():
            rounds[name].append(log_ratios(cell))
    return {name: np.concatenate(each) for name, each in rounds.items()}


def resample(pool: Mapping[str, Array], count: int, slower: float = 0.0) -> list[tuple[list[str], list[int]]]:
    """Draw suites from measured rounds, with replacement, and judge each as it would have been measured.

    A round is drawn as a whole. The rounds of a cell come from all suites, because those of one suite are few and their
    mean is not 0.

    Args:
        pool: rounds by cell.
        count: number of suites.
        slower: relative slowdown that is added to all cells.

    Returns:
        Of each suite, the verdicts and the numbers of pairs of its cells.
    """
    random = np.random.default_rng(1)
    drawn = (np.stack([each[random.integers(len(each), size=ROUNDS)] for each in pool.values()]) for _ in range(count))
    return [one_run(one + math.log1p(slower)) for one in drawn]


def suite_ratio(suites: Sequence[Mapping[str, Any]]) -> float:
    """Return the variance between the suites' means of a cell relative to what its rounds explain.

    It is about 1 if rounds are independent, and above 1 if something lasts for a suite, which drawn suites do not have.
    """
    explained = between = 0.0
    for name in suites[0]["cells"]:
        cells = [
            [estimate_round(one.tolist()).estimate for one in log_ratios(suite["cells"][name])] for suite in suites
        ]
        full = [cell for cell in cells if len(cell) == ROUNDS]  # others stopped because of their mean
        if len(full) > 1:
            explained += statistics.fmean(statistics.variance(cell) for cell in full) / ROUNDS
            between += statistics.variance(map(statistics.fmean, full))
    return between / explained if explained else math.nan


def measure_equal(folder: Path, arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Return suites of equal servers; each is followed by a plain run for comparison, if there are enough of them."""
    suites = []
    for number in range(arguments.suites):
        suites.append(measure_suite(folder, f"aa-{number}"))
        if number < arguments.plain:  # in turn, because a machine's own load changes from hour to hour
            measure_plain(folder, number)
    return suites


def show_aa(folder: Path, suites: Sequence[Mapping[str, Any]], arguments: argparse.Namespace) -> None:
    """Print how often equal servers are red; measure plain runs against recordings for comparison."""
    red = sum(map(is_red, suites))
    most = round(MOST_RED * len(suites))
    print(f"\nA against A beside the load: {red} of {len(suites)} suites red {limit(red <= most, f'at most {most}')}")
    print(f"  {count_suites(suites)}")
    pool = gather_rounds(suites)
    print(f"  rounds measured: {', '.join(f'{name} {len(each)}' for name, each in pool.items())}")
    print(f"  variance between suites relative to what their rounds explain: {suite_ratio(suites):.2f}")
    drawn = resample(pool, arguments.resampled)
    red = sum("regressed" in outcomes for outcomes, _ in drawn)
    met = limit(red <= MOST_RED_RESAMPLED * len(drawn), f"at most {MOST_RED_RESAMPLED:.0%}")
    print(f"  drawn from these rounds: {red} of {len(drawn)} suites red, {red / len(drawn):.1%} {met}")
    plain = [measure_plain(folder, number) for number in range(arguments.plain)]
    if plain:
        red = sum("regressed" in one["verdicts"] for one in plain)
        verdicts = describe(Counter(verdict for one in plain for verdict in one["verdicts"]))
        print(f"  plain runs against one recording, beside the load: {red} of {len(plain)} red ({verdicts})")


def measure_plain(folder: Path, number: int) -> dict[str, Any]:
    """Return what is stored of a plain run, measured against a recording if necessary."""
    project = make_project(folder / f"recording-{number % RECORDINGS}")

    def run(name: str, *options: str) -> dict[str, Any]:
        benchmarks = measure(
            project,
            f"--ddperf-tolerance={TOLERANCE:%}",
            f"--ddperf-npasses={PASSES}",
            *options,
            against=False,
            load=f"{project.name}-{name}",
        )
        verdicts = [one["extra_info"]["verdict"] for one in benchmarks]
        print(f"{project.name}: {name}: {describe(Counter(verdicts))}", flush=True)
        passes_s = {one["param"]: one["stats"]["data"][:PASSES] for one in benchmarks}
        return {"verdicts": verdicts, "passes_s": passes_s}

    measure_once(project / "recording.json", lambda: run("recording", "--ddperf-update-baselines=all"))
    return measure_once(project / f"plain-{number}.json", lambda: run(f"plain-{number}"))


def show_power(folder: Path, arguments: argparse.Namespace) -> None:
    """Measure slower servers, and print how many cells are found."""
    found: list[str] = []
    for load, place in ((True, "beside the load"), (False, "without it")):
        for factor in SLOWER:
            suites = [
                measure_suite(folder, f"{'load' if load else 'quiet'}-{factor}-{number}", factor, load=load)
                for number in range(arguments.power)
            ]
            cells = [cell for suite in suites for cell in suite["cells"].values()]
            red = sum(cell["verdict"] == "regressed" for cell in cells)
            found.append(f"  {factor - 1:+4.0%} {place:15}: found {red:2} of {count_suites(suites)}")
    print("\n5 to 20 % more work", *found, sep="\n")


def show_resampled_power(suites: Sequence[Mapping[str, Any]], arguments: argparse.Namespace) -> None:
    """Print how many cells are found if the pairs of equal servers are made slower."""
    print("  drawn from the rounds of A against A beside the load:")
    pool = gather_rounds(suites)
    for factor in (*SLOWER, 1.5, 2.0):
        drawn = resample(pool, arguments.resampled // 5, factor - 1)
        cells = [outcome for outcomes, _ in drawn for outcome in outcomes]
        pairs = statistics.fmean(number for _, numbers in drawn for number in numbers)
        red = cells.count("regressed")
        print(
            f"  {factor - 1:+4.0%}: found {red} of {len(cells)} cells, {red / len(cells):.0%}; {pairs:.1f} pairs a cell"
        )


def hodges_lehmann(values: Array) -> float:
    """Return the median of all means of two values."""
    one, other = np.triu_indices(len(values))
    return float(np.median((values[one] + values[other]) / 2))


def smallest_change(changes: Array) -> float:
    """Return the change that is found in 80 % of cases, at a limit that equal servers exceed in 1 %.

    Args:
        changes: estimated changes of equal servers, logarithms.
    """
    return math.expm1(np.quantile(changes, 1 - FALSE_ALARM) - np.quantile(changes, 1 - FOUND))


def show_passes(folder: Path, suites: Sequence[Mapping[str, Any]], arguments: argparse.Namespace) -> None:
    """Print the smallest change that pairs, and passes of two runs, find."""
    plain = [measure_plain(folder, number) for number in range(arguments.plain)]
    if len(plain) < 2:
        return
    print(
        f"\nSmallest change found in {FOUND:.0%} of cases at {FALSE_ALARM:.0%} false alarms, beside the load: "
        f"{DRAWS} draws of pairs, all {len(plain) * (len(plain) - 1)} pairs of plain runs"
    )
    shares = []
    for name, pool in gather_rounds(suites).items():
        blocks = [round_statistic(one["passes_s"][name]) for one in plain]  # of the first round of each run
        random = np.random.default_rng(2)
        in_pairs = smallest_change(np.array([_draw_pairs(pool, random) for _ in range(DRAWS)]))
        apart = smallest_change(np.array([now - then for now, then in permutations(blocks, 2)]))
        shares.append(in_pairs / apart)
        print(
            f"  {name:28} {PASSES} pairs {in_pairs:6.1%}, {PASSES} recorded and {PASSES} measured passes {apart:6.1%}: "
            f"{in_pairs / apart:.2f} of it (from {len(pool)} rounds and {len(plain)} runs)"
        )
    share = math.exp(statistics.fmean(map(math.log, shares)))
    print(f"  geometric mean: {share:.2f} of it {limit(share <= 1 / 2, 'at most 0.50')}")


def _draw_pairs(pool: Array, random: np.random.Generator) -> float:
    rounds = pool[random.integers(len(pool), size=math.ceil(PASSES / PAIRS_PER_ROUND))]
    return hodges_lehmann(rounds.ravel()[:PASSES])


def show_time(folder: Path, arguments: argparse.Namespace) -> None:
    """Measure and print what pairs cost, without a load."""

    def time_cells(project: Path, *options: str, against: bool) -> float:
        measure(project, "--junitxml=junit.xml", *options, against=against)
        tests = ET.parse(project / "junit.xml").iter("testcase")  # noqa: S314 - written by pytest
        return sum(float(test.get("time", "nan")) for test in tests) / CELLS

    def run() -> dict[str, Any]:
        project = make_project(folder / "time")
        seconds = {
            "first": time_cells(project, ALWAYS_OK, against=True),
            "plain": time_cells(
                project, ALWAYS_OK, "--ddperf-recreate", f"--ddperf-npasses={PAIRS_PER_ROUND}", against=False
            ),
            # of a cell that was measured again, JUnit has the time of the last round
            "further": time_cells(project, NEVER_OK, "--ddperf-max-pairs=24", against=True),
        }
        print("time:", ", ".join(f"{name} {value:.2f} s" for name, value in seconds.items()), flush=True)
        return seconds

    runs = [measure_once(folder / f"time-{number}.json", run) for number in range(arguments.times)]
    first, plain, further = (statistics.median(one[key] for one in runs) for key in ("first", "plain", "further"))
    extra = first / (2 * plain) - 1
    print(
        f"\nTime of a cell without load, median of {len(runs)} runs of {CELLS} cells: {first:.2f} s up to the first "
        f"look, twice {plain:.2f} s for {PAIRS_PER_ROUND} plain passes with --ddperf-recreate: {extra:+.0%} "
        f"{limit(extra <= MOST_EXTRA_TIME, f'at most {MOST_EXTRA_TIME:+.0%}')}; {further:.2f} s for each further round"
    )


def main() -> None:
    """Measure what is not stored yet, and print the figures of the parts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path("pairs"), help="stores the runs; default: %(default)s")
    parser.add_argument("--parts", default=",".join(PARTS), help="default: %(default)s")
    for name, count, what in (
        ("suites", 60, "suites of equal servers"),
        ("plain", 60, "plain runs against a recording, each after one of these suites"),
        ("power", 3, "suites of each slowdown, with the load and without it"),
        ("times", 5, "repetitions of the part `time`"),
        ("resampled", 1000, "suites drawn from measured rounds"),
    ):
        parser.add_argument(f"--{name}", type=int, default=count, help=f"{what}; default: %(default)s")
    arguments = parser.parse_args()
    parts = arguments.parts.split(",")
    if unknown := set(parts) - set(PARTS):
        parser.error(f"--parts: {', '.join(sorted(unknown))}; expected {', '.join(PARTS)}")
    folder = arguments.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    suites = measure_equal(folder, arguments) if {"aa", "passes"} & set(parts) else []
    if "aa" in parts:
        show_aa(folder, suites, arguments)
    if "power" in parts:
        show_power(folder, arguments)
        if suites:
            show_resampled_power(suites, arguments)
    if "passes" in parts:
        show_passes(folder, suites, arguments)
    if "time" in parts:
        show_time(folder, arguments)


if __name__ == "__main__":
    main()
