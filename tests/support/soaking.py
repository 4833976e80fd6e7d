"""The soak test: repeated runs of the measuring core against a server that misbehaves at random."""

from __future__ import annotations

import gc
import random
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import psutil
from misbehaviour import COLD_START_TIMEOUT_S, MISBEHAVIOURS, REQUEST_TIMEOUT_S, MisbehavingServer
from plans import make_plan

from pytest_ddperf.config.server_options import ServerOptions
from pytest_ddperf.core.budgets import NO_BUDGET
from pytest_ddperf.core.catalog import build_bare_catalog
from pytest_ddperf.core.platform import Platform
from pytest_ddperf.core.records import CellKey, CellRecord, Outcome
from pytest_ddperf.core.service_parameters import ServiceParameters
from pytest_ddperf.errors import DdperfError
from pytest_ddperf.history.run_file import read_run
from pytest_ddperf.history.writer import HistoryWriter, create_header
from pytest_ddperf.measure.loop import Plan
from pytest_ddperf.runner.runner import Runner
from pytest_ddperf.servers.generated_images import ensure_bench_images

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MODELS, SIZES = ("squeezenet_v1.1", "shufflenet"), (1, 2, 4)
PASSES = 3
SHARE = 0.5
"""Share of the cells affected by a misbehaviour; crashes between two cells come in addition."""

BETWEEN = "crash between two cells"
RECOVERY_S = 30.0
CELL_LIMIT_S = RECOVERY_S + 5
CRASHES_RUNNING = 2
"""Consecutive crashes after which the next cell is not affected: the run drops a server that keeps dying."""

GROWTH_MIB = 20.0
LONG_LIFE, SETTLED = 60, 15
"""Minimum cells in a server's lifetime to measure its growth, and the cells in which it settles."""


@dataclass(frozen=True, slots=True)
class Footprint:
    """Resources that a process holds."""

    mib: float
    threads: int
    files: int
    processes: int

    @classmethod
    def now(cls) -> Footprint:
        """Return those of this process; processes are all its direct and indirect children."""
        gc.collect()
        own = psutil.Process()
        return cls(own.memory_info().rss / 2**20, own.num_threads(), own.num_fds(), len(own.children(recursive=True)))


@dataclass(slots=True)
class Soaked:
    """The results of a soak.

    Args:
        first: resources after the first runs, when everything is loaded.
        met: number of cells by misbehaviour ("" for none) and verdict.
        wrong: descriptions of cells with a verdict that docs/faults.md does not allow.
        lost: cells whose record is missing in the history.
        longest_s: duration of the longest cell.
        server_growth_mib: largest growth of a server that lived for at least LONG_LIFE cells, from its minimum in the
            first half of its lifetime to that in the second; minima, because networks are loaded and unloaded. It is
            shown but not checked: lifetimes are too short here to distinguish growth from settling.
        long_lives: number of servers that lived that long.
    """

    seed: int
    runs: int = 0
    cells: int = 0
    measured_s: float = 0.0
    first: Footprint | None = None
    last: Footprint | None = None
    peak_mib: float = 0.0
    met: Counter[tuple[str, str]] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    lost: int = 0
    longest_s: float = 0.0
    server_lives: int = 1
    long_lives: int = 0
    server_growth_mib: float = 0.0

    def table(self) -> str:
        """Return a readable table."""
        assert self.first is not None
        assert self.last is not None
        names = dict.fromkeys(["", *sorted({name for name, _ in self.met})])
        rows = []
        for name in names:
            verdicts = sorted((verdict, count) for (met, verdict), count in self.met.items() if met == name)
            reported = ", ".join(f"{count} {verdict}" for verdict, count in verdicts)
            rows.append(f"  {name or '(nothing)':26}{sum(count for _, count in verdicts):6}  {reported}")
        first, last = self.first, self.last
        more_mib = last.mib - first.mib
        lives = f"{self.server_lives} lives; in the {self.long_lives} of {LONG_LIFE} cells or more"
        return "\n".join(
            [
                f"soak: {self.measured_s:.0f} s, seed {self.seed}, {self.runs} runs, {self.cells} cells",
                f"  {'met':26}{'cells':>6}  verdicts",
                *rows,
                *(f"  WRONG: {one}" for one in self.wrong),
                f"  wrong verdicts {len(self.wrong)}, lost records {self.lost}, longest cell {self.longest_s:.1f} s",
                f"  {'growth':20}{'first':>8}{'last':>8}{'more':>8}",
                f"  {'memory, MiB':20}{first.mib:8.1f}{last.mib:8.1f}{more_mib:+8.1f}  (at most {self.peak_mib:.1f})",
                *(
                    f"  {name:20}{before:8}{after:8}{after - before:+8}"
                    for name, before, after in (
                        ("threads", first.threads, last.threads),
                        ("open files", first.files, last.files),
                        ("child processes", first.processes, last.processes),
                    )
                ),
                f"  the server: {lives} it grew by at most {self.server_growth_mib:.1f} MiB",
            ]
        )


class Soak:
    """One soak.

    Args:
        server: the server that misbehaves.
        folder: folder of the history.
        seed: seed for what happens when.
        now: a monotonic clock, in seconds.
    """

    def __init__(
        self, server: MisbehavingServer, folder: Path, seed: int, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._server = server
        self._folder = folder
        self._random = random.Random(seed)  # noqa: S311 - reproducible randomness
        self._now = now
        self._deck: list[str] = []
        self._crashes = 0
        self._life: tuple[int, list[float]] = (0, [])
        self.result = Soaked(seed)

    def last(self, seconds: float) -> Soaked:
        """Measure for this many seconds; the first tenth is for settling."""
        result, began_s = self.result, self._now()
        while True:
            self._run()
            result.runs += 1
            result.measured_s = self._now() - began_s
            settled = result.measured_s > seconds / 10
            if settled:
                result.last = Footprint.now()
                result.peak_mib = max(result.peak_mib, result.last.mib)
                result.first = result.first or result.last
            if result.measured_s > seconds and result.first is not result.last:
                return result

    def _run(self) -> None:
        """Do what a run of pytest does: measure, judge and record each cell, then release everything."""
        options = ServerOptions(
            self._server.url,
            timeout_s=REQUEST_TIMEOUT_S,
            cold_start_timeout_s=COLD_START_TIMEOUT_S,
            repository="{model}",
            parameters=ServiceParameters(mllib="onnxruntime"),
            recovery_timeout_s=RECOVERY_S,
        )
        platform = Platform("soak", "Soak", parameters=ServiceParameters(mllib="onnxruntime"))
        plan = make_plan(platform, options, Plan(1, PASSES), 0.1, {})
        runner = Runner({"soak": plan}, build_bare_catalog().networks, lambda _: None)
        header = create_header("soak", ("soak",), datetime.now(UTC), accepted=False, facts={})
        kept = []
        try:
            runner.open("soak")
            with HistoryWriter(self._folder, header) as history:
                for model in MODELS:
                    limited = False
                    for size in SIZES:
                        record, limited = self._cell(runner, CellKey("soak", model, size), limited=limited)
                        history.append(record)
                        kept.append((record.key, record.outcome))
                history.close(0, whole=True)
        finally:
            runner.close()
        run = read_run(history.path)
        history.path.unlink()
        self.result.lost += len(set(kept) - {(one.key, one.outcome) for one in run.records})

    def _cell(self, runner: Runner, key: CellKey, *, limited: bool) -> tuple[CellRecord, bool]:
        """Measure a cell, possibly with a misbehaviour.

        Returns:
            Its record, and whether larger batches of its model need not be run from now on.
        """
        name = self._next()
        if name == BETWEEN:
            # after a cut connection, the server appears to have died of the batch in progress
            limited = limited or (self._crashes > 0 and key.batch_size > SIZES[0])
            self._server.crash()
        elif name:
            self._server.arm(name, self._random.randint(MISBEHAVIOURS[name].least, PASSES + 1))
        began_s, run = self._now(), runner.platforms[key.platform]
        try:
            record = run.records.judge(runner.open(key.platform).measure(key), str(key), NO_BUDGET, 1)
        except DdperfError as error:
            record = run.records.record_failure(key, str(key), error)
        self.result.longest_s = max(self.result.longest_s, self._now() - began_s)
        reported = self._server.disarm()
        met = name if name == BETWEEN or reported["struck"] else ""
        self._note_life(reported["pid"], reported["server_mib"])
        self._note(record, met, limited=limited)
        self._crashes = self._crashes + 1 if record.outcome is Outcome.CRASHED else 0
        return record, limited or (met in MISBEHAVIOURS and MISBEHAVIOURS[met].limits)

    def _next(self) -> str:
        """Return the misbehaviour for the next cell, "" for none: all equally often, in random order."""
        if self._random.random() > SHARE:
            return ""
        if not self._deck:
            self._deck = [*MISBEHAVIOURS, BETWEEN]
            self._random.shuffle(self._deck)
        if self._crashes >= CRASHES_RUNNING:
            return ""
        return self._deck.pop()

    def _note(self, record: CellRecord, met: str, *, limited: bool) -> None:
        allowed = MISBEHAVIOURS[met].verdicts if met in MISBEHAVIOURS else frozenset({"new"})
        if limited:
            allowed |= {"unavailable"}
        outcome = str(record.outcome)
        self.result.cells += 1
        self.result.met[met, outcome] += 1
        measurement = record.measurement
        whole = measurement is not None and all(len(one.passes) == PASSES for one in measurement.rounds)
        if outcome not in allowed or (outcome == "new" and not whole):
            self.result.wrong.append(f"{record.key} met {met or 'nothing'} and is {outcome}: {record.reason}")

    def _note_life(self, pid: int, mib: float) -> None:
        """Record the memory of a server."""
        known, samples = self._life
        if pid != known:
            self.result.server_lives += known != 0
            samples = []
            self._life = pid, samples
        samples.append(mib)
        self.result.long_lives += len(samples) == LONG_LIFE
        if len(samples) >= LONG_LIFE:
            middle = len(samples) // 2
            growth = min(samples[middle:]) - min(samples[SETTLED:middle])
            self.result.server_growth_mib = max(self.result.server_growth_mib, growth)


def soak(folder: Path, seconds: float, seed: int) -> Soaked:
    """Run a whole soak.

    Args:
        folder: folder of the history.
        seconds: duration.
        seed: seed for what happens when.
    """
    with MisbehavingServer(ensure_bench_images()) as server:
        return Soak(server, folder, seed).last(seconds)
