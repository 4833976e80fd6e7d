"""Servers that crash, run out of memory, hang and lie: the right verdict, in time, and nothing else is touched."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from faults import FAULTS, Fault

if TYPE_CHECKING:
    from bench_project import BenchProject

GOOGLENET_AND_SQUEEZENET = ("--ddperf-models=googlenet,squeezenet_v1.1", "--ddperf-batch-sizes=1,8")
LIMIT_S = 25.0
"""No row has a longer limit of its own than 20 s; 5 s are pytest's."""

plain_and_xdist = pytest.mark.parametrize("how", [(), ("-n2",)], ids=["n0", "n2"])


def expected(fault: Fault) -> dict[str, str]:
    sizes = next((arg.partition("=")[2] for arg in fault.args if arg.startswith("--ddperf-batch-sizes=")), "1,8")
    cells = [f"tk1-{model}-b{size}" for model in ("googlenet", "squeezenet_v1.1") for size in sizes.split(",")]
    return {cell: fault.cells.get(cell, "ok") for cell in cells}


@plain_and_xdist
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_ends_in_its_verdict_and_the_other_cells_are_measured(
    tk1: BenchProject, fault: Fault, how: tuple[str, ...]
) -> None:
    names = "".join(f"img_{number:03d}.jpg\n" for number in range(fault.names))
    (tk1.path / "images.txt").write_text(names, encoding="utf-8")
    fault.arrange(tk1.server)
    began_s = time.monotonic()
    result = tk1.run(*GOOGLENET_AND_SQUEEZENET, *fault.args, *how)
    assert time.monotonic() - began_s < LIMIT_S
    assert result.ret == fault.exit_status
    output = " ".join((result.stdout.str() + result.stderr.str()).split())
    assert fault.said in output
    assert "Traceback" not in output
    if fault.exit_status == pytest.ExitCode.USAGE_ERROR:
        assert tk1.histories() == []
        return
    assert tk1.verdicts() == {cell: verdict for cell, verdict in expected(fault).items() if verdict != "unavailable"}
    measured = {str(record.key) for record in tk1.records() if record.now_ms is not None}
    assert measured == {cell for cell, verdict in expected(fault).items() if verdict in {"ok", "new"}}
