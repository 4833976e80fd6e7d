"""A fault costs at most its time limit and three runs without a fault."""

from __future__ import annotations

import math
import statistics
import time

import pytest
from bench_project import BenchProject, TableServer
from faults import FAULTS, GOOGLENET_AND_SQUEEZENET, Fault

BOUND = 3.0
"""Of what a run takes beyond one without a fault and its time limit: so many times a run without a fault."""

WELL = Fault("no fault", "none", "4 ok", lambda _: None, exit_status=0)


def limit_s(fault: Fault) -> float:
    """The longest of the time limits that the row's options name; a fault without one has nothing to wait for."""
    named = (arg.partition("=") for arg in fault.args)
    return max((float(value) for name, _, value in named if name.endswith("-timeout")), default=0)


def took_s(project: BenchProject, fault: Fault, how: tuple[str, ...]) -> float:
    """Seconds of a whole run in a process of its own, from its start to its end."""
    with TableServer("tk1") as server:
        project.server = server
        project.name_images(fault.names)
        fault.arrange(server)
        began_s = time.monotonic()
        running = project.start(*GOOGLENET_AND_SQUEEZENET, "-p", "no:cacheprovider", *fault.args, *how)
        said, _ = running.communicate()
        assert running.returncode == fault.exit_status, said
        return time.monotonic() - began_s


def show(rows: list[tuple[Fault, float]], usual_s: float, how: str) -> None:
    print(f"\n{how}: a run without a fault takes {usual_s:.1f} s (median of 5); beyond that, seconds")
    print(f"{'fault':<100}{'limit':>7}{'took':>7}")
    for fault, seconds in rows:
        print(f"{fault.name[:98]:<100}{limit_s(fault):>7.1f}{seconds - usual_s:>7.1f}")
    worst = max(beyond(fault, seconds, usual_s) for fault, seconds in rows)
    print(f"{len(rows)} faults; beyond its limit, the worst of them takes {worst:.1f} usual runs, bound {BOUND:.1f}")


def beyond(fault: Fault, seconds: float, usual_s: float) -> float:
    """What a run takes beyond a usual one and the time limit, relative to a usual one."""
    return (seconds - usual_s - limit_s(fault)) / usual_s


@pytest.mark.parametrize("how", [(), ("-n2",)], ids=["n0", "n2"])
def test_no_fault_takes_longer_than_its_time_limit_and_three_more_runs(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, how: tuple[str, ...]
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(pytester.path / "cache"))
    with TableServer("tk1") as server:
        project = BenchProject(pytester, server)
    usual: list[float] = []
    rows: list[tuple[Fault, float]] = []
    for number, fault in enumerate(FAULTS):  # in turns, as the machine's load changes meanwhile
        if number % math.ceil(len(FAULTS) / 5) == 0:
            usual.append(took_s(project, WELL, how))
        rows.append((fault, took_s(project, fault, how)))
    usual_s = statistics.median(usual)
    show(rows, usual_s, "".join(how) or "-n0")
    assert [fault.name for fault, seconds in rows if beyond(fault, seconds, usual_s) > BOUND] == []
