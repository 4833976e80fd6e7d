"""Cells under load, as a run records them."""

from __future__ import annotations

from pytest_ddperf.core.load_summary import summarise_load
from pytest_ddperf.core.records import (
    CellKey,
    CellRecord,
    Clock,
    Conditions,
    LoadPass,
    Measurement,
    Outcome,
    Pass,
    Round,
    ServerFacts,
)
from pytest_ddperf.core.results import Result
from pytest_ddperf.core.scenarios import Scenario
from pytest_ddperf.measure.load_passes import compute_gate_ms

SERVER = ServerFacts("http://tk1.lan:8080", version="v0.28.0")


def load_pass(latency_ms: float, count: int = 40, *, kept_up: bool = True, rate: float | None = None) -> LoadPass:
    """Return a pass whose latencies increase by 0.1 ms each, so that every percentile is known."""
    latencies_ms = tuple(round(latency_ms + number / 10, 3) for number in range(count))
    due_s = None if rate is None else (count - 1) / rate
    took_s = sum(latencies_ms) / 1000 / 4 if due_s is None else due_s + latency_ms / 1000
    answered_s = took_s if due_s is None else due_s * (1 if kept_up else 2)
    return LoadPass(took_s, latencies_ms, due_s, answered_s, 4 if kept_up else 23)


def loaded(
    scenario: str = "c4",
    *,
    model: str = "squeezenet_v1.1",
    batch_size: int = 1,
    latency_ms: float = 50.0,
    count: int = 40,
    kept_up: bool = True,
    outcome: Outcome = Outcome.NEW,
    change: float | None = None,
) -> CellRecord:
    """Return a cell of the TK1 under load, with five passes."""
    asked = Scenario.parse(scenario) or Scenario(clients=1)
    passes = (load_pass(latency_ms, count, kept_up=kept_up, rate=asked.rate),) * 5
    batch_ms = compute_gate_ms(passes[0], asked)
    key = CellKey("tk1", model, batch_size, scenario)
    measurement = Measurement(
        key,
        Conditions(Clock.CLIENT, "caffe", gpu=True, requests=asked.requests(None)),
        (Round(0.0, (Pass(batch_ms),) * 5),),
        load=passes,
    )
    return CellRecord(
        key,
        f"benchmarks/test_predict.py::test_predict[{key}]",
        outcome,
        reason="nothing to compare with",
        now_ms=batch_ms / batch_size,
        change=change,
        tolerance=0.1,
        measurement=measurement,
        server=SERVER,
    )


def result(record: CellRecord) -> Result:
    """Return the cell as used in figures and reports."""
    return Result(
        record.key,
        now_ms=record.now_ms,
        change=record.change,
        outcome=record.outcome,
        reason=record.reason,
        tolerance=record.tolerance,
        nodeid=record.nodeid,
        samples_ms=tuple(ms for one in record.measurement.per_image_ms() for ms in one) if record.measurement else (),
        clock="client",
        notes=record.notes,
        load=summarise_load(record.measurement),
    )
