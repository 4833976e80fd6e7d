"""How often the gate is wrong, simulated: `python tests/perf/gate_power.py [--nights 1000] [--tables rules,kinds,...]`.

With `--csv FILE` the rows of the tables `rules`, `kinds`, `hosts` and `large` are written, too: docs/gate.md shows
those of docs/data/gate-power.csv.

Prints, for published baselines (A), one and three recorded runs (B, B3) and 30 nights of history (C), how many
nights without any change are red, how many slower cells are found and how many passes that takes, beside other
rules in use. Seeded: the same command prints the same tables.
"""

from __future__ import annotations

import argparse
import csv
import math
import shlex
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field, fields, replace
from itertools import product, repeat
from pathlib import Path
from typing import TYPE_CHECKING

import gate_budgets
import gate_hosts
import numpy as np
from gate_noise import CELLS, PASSES, QUIET, SCENARIOS, VIRTUAL, Array, Host, Noise
from gate_pairs import lines
from gate_rules import RULES
from gate_steps import locate_step

from pytest_ddperf.gate.creep import REFERENCE_NIGHTS, judge_creep
from pytest_ddperf.gate.statistics import midmean, round_statistic
from pytest_ddperf.gate.verdicts import Cell, Verdict, judge

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from pytest_ddperf.gate.references import Run

NIGHTS_OF_HISTORY = 30
FEW = 5
"""Cells that are slower where a few are."""


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a table, as it is written: shares of 1, None where the row does not say.

    Args:
        table: `rules`, `kinds`, `hosts` or `large`.
        name: the rule, the kind of baseline, or the host.
        slower: by how much the slower cells are; of a host, the median resolution.
        nights: how many were tried.
        red: share of the nights that are red although the cells that are red did not change.
        found: share of the slower cells that are found.
        passes_unchanged, passes_slower: timed passes that a cell takes.
    """

    table: str
    name: str
    slower: float
    nights: int
    red: float
    found: float | None = None
    passes_unchanged: float | None = None
    passes_slower: float | None = None


class Baselines:
    """Nights of one host, and what a suite is held against before each."""

    def __init__(self, kind: str, host: Host) -> None:
        self.kind, self.host = kind, host
        count = {"A": 1, "B": 1, "B3": 3, "C": NIGHTS_OF_HISTORY}[kind]
        self.nights = [host.night(1)[:, 0].tolist() for _ in range(count)]

    def cells(self) -> Sequence[float | list[Run]]:
        if self.kind == "A":
            return [sum(passes) / len(passes) for passes in self.nights[0]]
        return [list(map(tuple, runs)) for runs in zip(*self.nights, strict=True)]

    def advance(self, rounds: Array | None) -> None:
        """The next night's baseline: the accepted night joins a history, anything else is recorded anew."""
        if self.kind == "C" and rounds is not None:
            self.nights = [*self.nights[1:], rounds[:, 0].tolist()]
        else:
            self.nights = [self.host.night(1)[:, 0].tolist() for _ in self.nights]


@dataclass(slots=True)
class Tally:
    """What came of many nights."""

    nights: int = 0
    red_nights: int = 0
    red_cells: int = 0
    slower: int = 0
    found: int = 0
    nights_found: int = 0
    passes_unchanged: float = 0.0
    unchanged: int = 0
    passes_slower: float = 0.0
    unstable: int = 0
    resolution: float = 0.0
    outcomes: dict[str, int] = field(default_factory=dict)

    def add(self, verdicts: list[Verdict], rounds: list[int], slow: set[int]) -> None:
        self.nights += 1
        red = {index for index, verdict in enumerate(verdicts) if verdict.outcome == "regressed"}
        self.red_nights += bool(red - slow)
        self.red_cells += len(red - slow)
        self.slower += len(slow)
        self.found += len(red & slow)
        self.nights_found += bool(red & slow)
        for index, verdict in enumerate(verdicts):
            self.resolution += verdict.resolution or 0.0
            self.outcomes[verdict.outcome] = self.outcomes.get(verdict.outcome, 0) + 1
            if index in slow:
                self.passes_slower += PASSES * rounds[index]
            else:
                self.passes_unchanged += PASSES * rounds[index]
                self.unchanged += 1

    def row(self, table: str, name: str, slower: float) -> Row:
        return Row(
            table,
            name,
            slower,
            self.nights,
            self.red_nights / self.nights,
            self.found / self.slower if self.slower else None,
            self.passes_unchanged / self.unchanged if self.unchanged else None,
            self.passes_slower / self.slower if self.slower else None,
        )

    def line(self) -> str:
        parts = [f"red {self.red_nights / self.nights:6.2%} of {self.nights:4} nights"]
        if self.slower:
            parts.append(f"found {self.found / self.slower:6.1%} (on {self.nights_found / self.nights:4.0%} of nights)")
            parts.append(f"passes {self.passes_slower / self.slower:5.1f}")
        if self.unchanged:
            parts.append(f"unchanged {self.passes_unchanged / self.unchanged:5.2f}")
        cells = sum(self.outcomes.values())
        parts.append(f"sees {self.resolution / cells:5.1%}")
        parts += [f"{name} {count / cells:.2%}" for name, count in sorted(self.outcomes.items()) if name != "ok"]
        return "  ".join(parts)


def simulate(
    kind: str,
    noise: Noise,
    nights: int,
    *,
    tolerance: float = 0.05,
    slower: float = 0.0,
    slow_cells: int = 0,
    seed: int = 1,
    creeping: bool = False,
) -> Tally:
    """Nights of one host, of which some cells are slower; with `creeping`, creep alarms of the others count as red."""
    host = Host(noise, seed)
    baselines = Baselines(kind, host)
    tally = Tally()
    chooser = np.random.default_rng(seed + 1)
    for night in range(nights):
        rounds = host.night()
        slow = set(chooser.choice(host.cells, slow_cells, replace=False).tolist()) if slow_cells else set()
        changed = rounds.copy()
        changed[list(slow)] *= 1 + slower
        before = baselines.cells()
        verdicts, taken = gate_hosts.measure(before, changed.tolist(), tolerance)
        if creeping:
            verdicts = [
                replace(verdict, outcome="regressed") if alarm else verdict
                for verdict, alarm in zip(verdicts, crept(before, rounds[:, 0].tolist(), tolerance), strict=True)
            ]
        tally.add(verdicts, taken, slow)
        baselines.advance(rounds if night % 100 else None)
    return tally


def crept(before: Sequence[float | list[Run]], now: list[list[float]], tolerance: float) -> list[bool]:
    """Which cells' nights, tonight's included, creep; each night's common shift is taken out, as a run does."""
    every = [
        [nightly(one) for one in [*runs, tonight]]  # type: ignore[arg-type] # a night's run is its passes
        for runs, tonight in zip(before, now, strict=True)
        if isinstance(runs, list)
    ]
    logs = np.log(np.array(every))
    shifts = np.median(logs - logs[:, :REFERENCE_NIGHTS].mean(1, keepdims=True), axis=0)
    return [judge_creep(values, tolerance) is not None for values in np.exp(logs - shifts).tolist()]


def nightly(passes: Sequence[float]) -> float:
    """What a night is worth: the geometric mean of its fastest 3 passes."""
    return math.exp(sum(math.log(ms) for ms in sorted(passes)[:3]) / 3)


def table_rules(nights: int) -> list[Row]:
    """Other rules, one run against one run."""
    host, tolerance = Host(QUIET, 1), 0.05
    red, found = dict.fromkeys(RULES, 0), dict.fromkeys(RULES, 0)
    for _ in range(nights):
        before, now = host.night(1)[:, 0], host.night(1)[:, 0]
        for name, rule in RULES.items():
            red[name] += bool(rule(before, now, tolerance).any())
            found[name] += int(rule(before, now * 1.1, tolerance).sum())
    for name in RULES:
        share = found[name] / nights / CELLS
        say(f"{name:28}  red {red[name] / nights:6.1%} of {nights} nights  10 % slower found {share:6.1%}")
    return [Row("rules", name, 0.1, nights, red[name] / nights, found[name] / nights / CELLS) for name in RULES]


def table_kinds(nights: int) -> list[Row]:
    """The gate, by kind of baseline."""
    chosen = [(kind, slower) for kind in KINDS for slower in (0.0, 0.03, 0.05, 0.07, 0.1, 0.2)]
    rows = []
    with ProcessPoolExecutor() as workers:
        tallies = workers.map(simulate_kind, *zip(*chosen, strict=True), repeat(nights))
        for (kind, slower), tally in zip(chosen, tallies, strict=True):
            say(f"{kind:3} {f'{slower:4.0%} slower' if slower else 'no change':12}  {tally.line()}")
            rows.append(tally.row("kinds", kind, slower))
    return rows


def simulate_kind(kind: str, slower: float, nights: int) -> Tally:
    """Nights of a quiet host without a change, or a quarter as many with a few slower cells."""
    if not slower:
        return simulate(kind, QUIET, nights, creeping=kind == "C")
    return simulate(kind, QUIET, max(1, nights // 4), slower=slower, slow_cells=FEW)


def table_many(nights: int) -> None:
    """Half of the suite 10 % slower, and all of it."""
    for kind in KINDS:
        for name, count in (("half slower", CELLS // 2), ("all slower", CELLS)):
            tally = simulate(kind, QUIET, max(1, nights // 4), slower=0.1, slow_cells=count)
            say(f"{kind:3} {name:12}  {tally.line()}")


def table_noises(nights: int) -> None:
    """A history of 30 nights under every noise."""
    for name, noise in SCENARIOS.items():
        say(f"C   {name:22}  {simulate('C', noise, nights).line()}")


def table_virtual(nights: int) -> None:
    """The shared virtual machine, tolerance 10 %."""
    for kind in KINDS:
        say(f"{kind:3} no change     {simulate(kind, VIRTUAL, nights, tolerance=0.1, creeping=kind == 'C').line()}")
        for slower in (0.25, 0.5):
            tally = simulate(kind, VIRTUAL, max(1, nights // 4), tolerance=0.1, slower=slower, slow_cells=FEW)
            say(f"{kind:3} {slower:4.0%} slower   {tally.line()}")


def table_creep(nights: int) -> None:
    """60 nights after 30 quiet ones: how many are red by creep without any, and where 0.2 % a night is found."""
    quiet, length = 30, 60
    suites = max(1, nights // length)
    red, new, heights = 0, 0, []
    for suite in range(suites):
        host = Host(QUIET, 100 + suite)
        every = [[nightly(one) for one in host.night(1)[:, 0].tolist()] for _ in range(quiet + length)]
        cells = [[night[cell] for night in every] for cell in range(CELLS)]
        before: set[int] = set()
        for upto in range(quiet + 1, quiet + length + 1):
            alarms = {cell for cell, values in enumerate(cells) if judge_creep(values[:upto])}
            red, new, before = red + bool(alarms), new + bool(alarms - before), alarms
        for values in cells[::4]:
            risen = [ms * (1 + 0.002 * max(0, night + 1 - quiet)) for night, ms in enumerate(values)]
            found = (upto for upto in range(quiet, quiet + length) if judge_creep(risen[: upto + 1]))
            heights.append(0.002 * (next(found, quiet + length) + 1 - quiet))
    late = sum(height >= 0.05 for height in heights) / len(heights)
    every_night = suites * length
    say(f"red by creep on {red / every_night:.2%} of nights, newly on {new / every_night:.2%} ({every_night} nights)")
    height = np.median(heights)
    say(f"0.2 % a night found at a median of {height:.1%}, before 5 % in {1 - late:.1%} of {len(heights)} cells")


def table_steps(nights: int) -> None:
    """A step of twice the resolution after 30 nights, tonight or some nights ago: how often its night is found."""
    hosts = (("quiet", QUIET, 0.05), ("virtual", VIRTUAL, 0.1))
    for (name, noise, tolerance), slow in product(hosts, (1, 3, 10)):
        places = [
            place
            for seed in range(max(1, nights // 100))
            for place in locate_steps(Host(noise, 1000 + seed), slow, tolerance)
        ]
        red = [place for place in places if place is not None]
        line = f"{name:8} slow on {slow:2} nights: {len(red) / len(places):6.1%} of {len(places)} cells red"
        if red:
            right, close = sum(place == 0 for place in red), sum(abs(place) <= 1 for place in red)
            line += f"; of these {right / len(red):6.1%} on the right night, {close / len(red):6.1%} within one"
        say(line)


def locate_steps(host: Host, slow: int, tolerance: float) -> list[int | None]:
    """How many nights after the true one the step of each of a few slower cells is found; None if it is not red."""
    nights = [host.night(1) for _ in range(NIGHTS_OF_HISTORY)]
    later = [host.night() for _ in range(slow)]
    baselines = [list(map(tuple, runs)) for runs in np.stack([night[:, 0] for night in nights], axis=1).tolist()]
    resolutions = [one.resolution or 0.0 for one in gate_hosts.measure(baselines, later[-1].tolist(), tolerance)[0]]
    chosen = range(0, host.cells, host.cells // FEW)
    for cell in chosen:
        for night in later:
            night[cell] *= 1 + 2 * resolutions[cell]
    verdicts, rounds = zip(*(gate_hosts.measure(baselines, night.tolist(), tolerance) for night in later), strict=True)
    counts = [*repeat([1] * host.cells, len(nights)), *rounds]
    values = np.array(
        [
            [midmean(map(round_statistic, cell[:count])) for cell, count in zip(night.tolist(), taken, strict=True)]
            for night, taken in zip(nights + later, counts, strict=True)
        ]
    )
    values -= np.median(values - np.median(values, axis=0), axis=1, keepdims=True)
    return [locate_step(values[:, cell].tolist(), [night[cell] for night in verdicts], tolerance) for cell in chosen]


def table_speed(_: int) -> None:
    """One suite of 104 cells with 30 nights."""
    host = Host(QUIET, 1)
    baselines, rounds = Baselines("C", host).cells(), host.night(1).tolist()
    cells = [Cell(one, baseline) for one, baseline in zip(rounds, baselines, strict=True)]
    durations = []
    for _ in range(21):
        start = time.perf_counter()
        judge(cells, 0.05)
        durations.append(time.perf_counter() - start)
    middle = np.median(durations) * 1e3
    say(f"104 cells of 30 nights judged in {min(durations) * 1e3:.1f} ms at best, {middle:.1f} ms in the middle")


def table_hosts(nights: int) -> list[Row]:
    """Hosts of every size and noise: unchanged runs that are red, and whether the stated resolution holds."""
    return list_rows("hosts", gate_hosts.table(nights, say))


def list_rows(table: str, scores: Iterable[tuple[str, gate_hosts.Score]]) -> list[Row]:
    return [
        Row(
            table,
            name,
            float(np.median(one.resolutions)) if one.tried else 0.0,
            one.runs,
            one.red / one.runs,
            one.found / one.tried if one.tried else None,
        )
        for name, one in scores
    ]


def table_large(nights: int) -> list[Row]:
    """Suites so large that a cell is judged beside some of the others."""
    return list_rows("large", gate_hosts.table(nights, say, gate_hosts.large()))


def table_pairs(nights: int) -> None:
    """Two servers measured in pairs (--ddperf-against), tolerance 5 %."""
    for line in lines(nights):
        say(line)


def table_budgets(nights: int) -> None:
    """Cells 3 % below to 20 % over their budgets, beside an assertion on the median of five passes."""
    for line in gate_budgets.lines(nights):
        say(line)


KINDS = ("A", "B", "B3", "C")
TABLES: dict[str, Callable[[int], list[Row] | None]] = {
    "rules": table_rules,
    "kinds": table_kinds,
    "many": table_many,
    "noises": table_noises,
    "virtual": table_virtual,
    "creep": table_creep,
    "steps": table_steps,
    "pairs": table_pairs,
    "budgets": table_budgets,
    "speed": table_speed,
    "hosts": table_hosts,
    "large": table_large,
}


def say(line: str) -> None:
    print(line, flush=True)


def write(path: Path, rows: Sequence[Row], command: str) -> None:
    """The rows as CSV, under the command that made them."""
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write(f"# {command}\n")
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(column.name for column in fields(Row))
        for row in rows:
            writer.writerow(f"{value:.6g}" if isinstance(value, float) else value for value in asdict(row).values())


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--nights", type=int, default=1000, help="nights of a row without change; slower rows take a quarter"
    )
    parser.add_argument("--tables", default=",".join(TABLES), help="which, of " + ", ".join(TABLES))
    parser.add_argument("--csv", type=Path, help="write the rows of rules, kinds, hosts and large to this file, too")
    chosen = parser.parse_args(arguments)
    rows: list[Row] = []
    for name in chosen.tables.split(","):
        say(f"\n{name}: {TABLES[name].__doc__}")
        rows += TABLES[name](chosen.nights) or []
        if chosen.csv is not None:
            write(chosen.csv, rows, shlex.join(["python", "tests/perf/gate_power.py", *arguments]))


if __name__ == "__main__":
    main(sys.argv[1:])
