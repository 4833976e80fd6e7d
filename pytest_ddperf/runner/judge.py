"""Verdicts on measurements: compare each cell with its baseline and with the other cells of its platform."""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from dataclasses import replace
from itertools import islice
from types import MappingProxyType
from typing import TYPE_CHECKING

from pytest_ddperf.core.load_summary import summarise_load
from pytest_ddperf.core.records import (
    AGAINST,
    Baseline,
    CellRecord,
    Clock,
    Outcome,
    Unavailable,
    convert_published,
)
from pytest_ddperf.core.service_parameters import AUTO, TENSORRT
from pytest_ddperf.errors import BatchNotRunError, ServerGoneError, ServerOutOfMemoryError
from pytest_ddperf.gate import verdicts
from pytest_ddperf.gate.pairs import estimate_round, judge_pairs
from pytest_ddperf.gate.statistics import midmean
from pytest_ddperf.history.nights import Tonight

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_ddperf.core.networks import Network
    from pytest_ddperf.core.platform import Platform
    from pytest_ddperf.core.records import Against, CellKey, Conditions, Creep, Measurement, ServerFacts, Since
    from pytest_ddperf.errors import DdperfError
    from pytest_ddperf.gate.creep import Creep as Judged
    from pytest_ddperf.gate.pairs import PairedRound
    from pytest_ddperf.runner.plan import PlatformPlan


_SHIFTED = "the platform as a whole became slower, so this is one change, not one of each cell"
"""The cause of the cells that are regressed because their platform shifted."""

_NOT_ACCEPTED = frozenset({Outcome.REGRESSED, Outcome.UNSTABLE})

FELLOWS = 128
"""Maximum number of cells judged together: more do not improve a suite's centre and spread."""

STEP = 32
"""Number of cells of a large suite that are judged beside the same others, whose noise is then learnt once for all of
them: a quarter of these others, so that most were measured shortly before the cell."""


class Judge:
    """Judges the cells of one platform as they are measured.

    Args:
        plan: how the platform is judged.
        networks: the networks, by id.
    """

    def __init__(self, plan: PlatformPlan, networks: Mapping[str, Network] = MappingProxyType({})) -> None:
        self._plan = plan
        self._networks = networks
        # cells under load are judged apart, by the kind of load, because queueing adds its own scatter
        self._suites = defaultdict[str, dict[str, verdicts.Prepared]](dict)
        self._measured: dict[CellKey, tuple[Conditions, float]] = {}
        self._pairs: dict[str, list[PairedRound]] = {}  # the rounds of each cell that was measured in pairs

    def judge(self, measurement: Measurement, nodeid: str, server: ServerFacts | None, choice: str = "") -> CellRecord:
        """Judge a cell from all its rounds and the cells judged so far.

        Args:
            measurement: everything measured of the cell in this run.
            nodeid: node id of the cell's test.
            server: facts of the measured server.
            choice: why its backend was chosen; it replaces the note that the published table is of another backend.
        """
        suite = self._suites[measurement.key.scenario[:1]]
        if measurement.invalid:
            suite.pop(nodeid, None)
            self._pairs.pop(nodeid, None)
            return CellRecord(
                key=measurement.key,
                nodeid=nodeid,
                outcome=Outcome.INVALID,
                reason=f"{measurement.key} is invalid, not slower: {measurement.invalid}.",
                tolerance=self._plan.tolerance,
                measurement=measurement,
                server=server,
                cause=measurement.invalid,
                detail=measurement.invalid,
            )
        if measurement.against is not None:
            return self._judge_pairs(measurement, measurement.against, nodeid, server)
        baseline, notes = self._comparable(measurement, choice)
        network = self._networks.get(measurement.key.model)
        if network is not None and (other := network.describe_other(measurement.model_stats.params)):
            notes = (*notes, other)
        load = summarise_load(measurement)
        if load is not None and load.shortfall:
            notes = (*notes, load.shortfall)
        cell = build_gate_cell(measurement, baseline)
        own = suite[nodeid] = verdicts.prepare(cell)
        self._measured[measurement.key] = measurement.conditions, midmean(own.values)
        fellows = find_fellows(suite, nodeid)
        (verdict,) = verdicts.judge_some(fellows, [own], self._plan.tolerance, len(suite) - len(fellows))
        rounds, least_rounds = len(cell.rounds), self._plan.least_rounds
        outcome, reason = Outcome(verdict.outcome), verdict.reason
        if rounds < least_rounds and outcome is not Outcome.REMEASURE:
            outcome, reason = Outcome.REMEASURE, f"{rounds} of {least_rounds} rounds needed to record a baseline"
        crept = self._creep(measurement.key, outcome)
        since = None
        if crept is not None:
            since = crept[2]
            outcome, verdict, reason = Outcome.REGRESSED, *_name_creep(verdict, outcome, *crept[:2])
        elif outcome is Outcome.REGRESSED and (since := self._slower_since(measurement.key, verdict, server)):
            reason = f"{reason}; {since}"
        if outcome in _NOT_ACCEPTED and self._is_first_recording(measurement.key, baseline):
            notes = (*notes, f"first recording; compared with the published table it would be {outcome}: {reason}")
            outcome, reason, crept, since = Outcome.NEW, "first recording of this cell", None, None
        shifted = verdict.platform_shifted and outcome is Outcome.REGRESSED and crept is None
        return CellRecord(
            key=measurement.key,
            nodeid=nodeid,
            outcome=outcome,
            reason=reason,
            now_ms=verdict.now_ms,
            tolerance=self._plan.tolerance,
            measurement=measurement,
            server=server,
            change=verdict.change,
            # drop the runs: thirty nights in every record would make the history grow quadratically
            baseline=replace(baseline, runs=(), round_sizes=()) if baseline is not None and baseline.runs else baseline,
            resolution=verdict.resolution,
            suite_shift=verdict.suite_shift,
            notes=notes,
            cause=_SHIFTED if shifted else "",
            baseline_ms=verdict.baseline_ms,
            limit=None if baseline is None else verdict.limit,
            shift_removed=verdict.shift_removed,
            platform_shifted=shifted,
            creep=None if crept is None else crept[0],
            since=since,
        )

    def _judge_pairs(
        self, measurement: Measurement, against: Against, nodeid: str, server: ServerFacts | None
    ) -> CellRecord:
        """Judge a cell that was measured in pairs; neither baselines nor the history are consulted."""
        self._pairs[nodeid] = [
            estimate_round([math.log(now / then) for now, then in zip(ours, theirs, strict=True)])
            for ours, theirs in zip(measurement.per_image_ms(), measurement.against_per_image_ms(), strict=True)
        ]
        others = [rounds for name, rounds in self._pairs.items() if name != nodeid]
        verdict = judge_pairs(self._pairs[nodeid], others, self._plan.tolerance, self._plan.max_pairs)
        now_ms = statistics.median(ms for one in measurement.per_image_ms() for ms in one)
        reference = Baseline(
            kind=AGAINST,
            value_ms=now_ms / (1 + verdict.change),
            source=f"{against.service} on {against.server.url} ({against.server.version})",
            conditions=against.conditions,
        )
        return CellRecord(
            key=measurement.key,
            nodeid=nodeid,
            outcome=Outcome(verdict.outcome),
            reason=verdict.reason,
            now_ms=now_ms,
            tolerance=self._plan.tolerance,
            measurement=measurement,
            server=server,
            change=verdict.change,
            baseline=reference,
            resolution=verdict.resolution,
            notes=(*against.notes, *describe_differences(measurement.conditions, reference, self._plan.platform)),
            interval=verdict.interval,
        )

    def _is_first_recording(self, key: CellKey, baseline: Baseline | None) -> bool:
        """Whether the run records the cell for the first time, without values of this board to compare with."""
        if self._plan.recorded is None or key in self._plan.recorded:
            return False
        return baseline is None or baseline.kind == "report"

    def _creep(self, key: CellKey, outcome: Outcome) -> tuple[Creep, Judged, Since] | None:
        """Return since when a cell became slower night by night; None if it did not, or has no final verdict."""
        if self._plan.nights is None or outcome not in {Outcome.OK, Outcome.UNSTABLE, Outcome.REGRESSED}:
            return None
        return self._plan.nights.creep(key, self._plan.tolerance)

    def _slower_since(self, key: CellKey, verdict: verdicts.Verdict, server: ServerFacts | None) -> Since | None:
        """Return between which nights a regressed cell became slower; None without a history of it."""
        plan = self._plan
        return plan.history.slower_since(key, Tonight(plan.night, self._measured, server), verdict, plan.tolerance)

    def _comparable(self, measurement: Measurement, choice: str) -> tuple[Baseline | None, tuple[str, ...]]:
        """Return the baseline of a cell, None without one of comparable conditions, and notes on the comparison."""
        found, chosen = self._plan.baseline.get(measurement.key), (choice,) if choice else ()
        if found is None or isinstance(found, Unavailable):
            return None, chosen
        if found.conditions is None and (size := self._other_size(measurement)):
            return None, (*chosen, size)
        notes = describe_differences(measurement.conditions, found, self._plan.platform, choice)
        if notes and found.kind != "report":
            return None, (f"not compared with {found.source}: {'; '.join(notes)}", *chosen)
        notes += chosen
        if changed := _changed_files(found.network_files, measurement.network_files):
            notes.append(f"the network changed since this baseline was measured: {', '.join(changed)}")
        return found, tuple(notes)

    def _other_size(self, measurement: Measurement) -> str:
        """Return why a published table does not apply: the input size is the network's other one; "" if it does."""
        network, now = self._networks.get(measurement.key.model), measurement.conditions
        if network is None or network.other_side is None or now.width != network.other_side:
            return ""
        return (
            f"{network.id} was measured with images of {now.width}x{now.height}, so it is not compared with the table "
            f"made at {network.width}x{network.height}"
        )


def find_fellows(suite: dict[str, verdicts.Prepared], nodeid: str) -> tuple[verdicts.Prepared, ...]:
    """Return the cells of a suite whose first rounds were measured shortly before and after that of a cell.

    Their order is that of the first rounds, because the cells measured last may all have been slow and measured again.
    In a large suite the cell itself, if it is one of the newest, may be missing.
    """
    later = next(count for count, name in enumerate(reversed(suite)) if name == nodeid)
    place = len(suite) - 1 - later
    first = max(0, min(place - FELLOWS // 2, len(suite) - FELLOWS)) // STEP * STEP
    newer = max(0, len(suite) - first - FELLOWS)
    return (*islice(reversed(suite.values()), newer, newer + FELLOWS),)


def _changed_files(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Return the files of a network that changed or are only on one side; empty if one side is unknown."""
    if not before or not now or sorted(before.values()) == sorted(now.values()):
        return []
    return sorted(name for name in before.keys() | now.keys() if before.get(name) != now.get(name))


def build_gate_cell(measurement: Measurement, baseline: Baseline | None) -> verdicts.Cell:
    """Build the gate's input: the rounds of the gated clock and the baseline converted to that clock."""
    rounds = measurement.per_image_ms()
    if baseline is None:
        return verdicts.Cell(rounds)
    if baseline.runs:
        return verdicts.Cell(rounds, baseline.rounds)
    mean_ms = convert_published(measurement.conditions.clock, baseline.value_ms, measurement.key.batch_size)
    return verdicts.Cell(rounds, mean_ms, baseline.reading_error_ms)


def _name_creep(
    verdict: verdicts.Verdict, outcome: Outcome, creep: Creep, judged: Judged
) -> tuple[verdicts.Verdict, str]:
    """Return the verdict and the reason of a cell that became slower night by night.

    If this night alone decides nothing, the figures are those of the rise, because they decided.
    """
    stays = "the cell stays red until --ddperf-update-baselines=all records it"
    if outcome is Outcome.REGRESSED:
        return verdict, f"{creep}; this night {verdict.reason}; {stays}"
    verdict = replace(
        verdict,
        change=judged.change,
        limit=judged.limit,
        baseline_ms=judged.before_ms,
        now_ms=judged.before_ms * (1 + judged.change),
        shift_removed=0.0,
    )
    return verdict, f"{creep}, in steps too small to detect in one night; {stays}"


def describe_differences(now: Conditions, baseline: Baseline, platform: Platform, choice: str = "") -> list[str]:
    """Describe how the current conditions differ from those of the baseline.

    A published table states its backend and whether it used a GPU; its clock is head.time. A board declared to be like
    another platform uses the table of that platform.

    Args:
        now: conditions of the measurement.
        baseline: the baseline.
        platform: the platform of both.
        choice: why the backend was chosen, if another note says so; a table of another backend is then not described.
    """
    platform = platform.alike or platform
    then = baseline.conditions
    if then is None:
        words: list[str] = []
        if now.clock is Clock.CLIENT:
            words.append("the client's clock is compared with head.time")
        if not choice and platform.parameters.mllib.lower() not in {now.backend.lower(), AUTO}:
            words.append(f"the table was measured with {platform.parameters.mllib}, this server runs {now.backend}")
        if now.gpu != platform.parameters.gpu:
            words.append(
                f"the table was measured on a {_device(platform.parameters.gpu)}, "
                f"this service runs on a {_device(now.gpu)}"
            )
        has_engine = platform.parameters.mllib.lower() == TENSORRT
        if has_engine and now.engine is not None and now.engine != max(platform.batch_sizes):
            words.append(
                f"the table's engine was built for its largest batch size, this one for batch size {now.engine}"
            )
        if now.preparation:
            words.append(f"the table's image preparation was the default, this service's is {now.preparation}")
        if now.settings:
            words.append(f"the table's service had default settings, this one has {now.settings}")
        return words
    if then == now:
        return []
    return [
        f"{what} was {before} and is {after}"
        for what, before, after in (
            ("the clock", then.clock, now.clock),
            ("the backend", then.backend, now.backend),
            ("the datatype", then.datatype, now.datatype),
            ("the input size", f"{then.width}x{then.height}", f"{now.width}x{now.height}"),
            ("the device", _device(then.gpu), _device(now.gpu)),
            ("the image route", then.image_route, now.image_route),
            ("the image preparation", then.preparation or "the default", now.preparation or "the default"),
            ("the engine's batch size", then.engine or "any", now.engine or "any"),
            ("the template", then.template or "none", now.template or "none"),
            ("--ddperf-load-requests", then.requests or "unset", now.requests or "unset"),
            ("the service", then.settings or "the default", now.settings or "the default"),
            ("each request", then.run_as or "run as the server chooses", now.run_as or "run as the server chooses"),
        )
        if before != after
    ]


def _device(gpu: bool) -> str:
    return "GPU" if gpu else "CPU"


def classify_failure(error: DdperfError, *, expected: bool) -> tuple[Outcome, str]:
    """Return the verdict on a cell that could not be measured, and a phrase that describes it.

    Args:
        error: why it could not be measured.
        expected: whether its baseline has a value. If so, the cell was measurable once, and a failure now is a
            regression; else the cell is unavailable on that platform.
    """
    if isinstance(error, ServerOutOfMemoryError):
        return (Outcome.OOM if expected else Outcome.UNAVAILABLE), "ran out of memory"
    if isinstance(error, BatchNotRunError):
        outcome = Outcome.CRASHED if error.died else Outcome.OOM
        return (outcome if expected else Outcome.UNAVAILABLE), "was not run"
    if isinstance(error, ServerGoneError):
        return Outcome.CRASHED, "crashed"
    return Outcome.ERROR, "could not be measured"
