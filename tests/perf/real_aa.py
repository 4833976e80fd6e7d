"""A check of the gate on real inference: does a night without change stay green, is a network that got slower found?

    python tests/perf/real_aa.py [--nights 10] [--tolerance 10%]

Nothing is simulated: each night is a `pytest` run of its own against an embedded server of its own. First nights are
accepted into a history; then come nights without a change, and nights on which one network does 10 % and 20 % more real
work in the engine (`ddperf serve --slow`). Prints how many nights were red, and why.

    python tests/perf/real_aa.py --stress [--folder stress]

The same beside a load that comes and goes, random bursts on all cores: six recordings under that load, ten runs without
a change against each, then ten runs with one network 40 % slower. At most 4 of the 60 may be red, and none of the other
cells where one network is slower. Each run is stored in the folder when it ends; the same command resumes.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stored_runs import bursts, make_project, measure_once, run_pytest

from pytest_ddperf.embedded import launch
from pytest_ddperf.servers import generated_images

if TYPE_CHECKING:
    from collections.abc import Sequence

MODELS = ("mobilenet_depthwise", "googlenet", "squeezenet_v1.0", "squeezenet_v1.1", "shufflenet", "densenet121")
SLOWED = "squeezenet_v1.1"
BATCH_SIZES = (1, 4)
SMALL = ("squeezenet_v1.0", "squeezenet_v1.1", "shufflenet")
SMALL_BATCH_SIZES = (1, 2)
RECORDINGS, UNCHANGED, SLOWER, MOST_RED = 6, 10, 10, 4


@dataclass(frozen=True)
class Night:
    """One run: its red cells, all cells by verdict, and how many passes it took a cell."""

    red: tuple[str, ...]
    verdicts: Counter[str]
    passes: float


def night(
    project: Path,
    *options: str,
    slow: float | None,
    tolerance: str,
    models: Sequence[str] = MODELS,
    batch_sizes: Sequence[int] = BATCH_SIZES,
) -> Night:
    """One pytest run against an embedded server of its own; `slow` is how much more work one network does."""
    extra = [] if slow is None else ["--slow", f"{SLOWED}={slow}"]
    with launch.start(models=models, data_dir=generated_images.ensure_bench_images(), extra=extra) as server:
        benchmarks = run_pytest(
            project, server.url, f"--ddperf-tolerance={tolerance}", *options, models=models, batch_sizes=batch_sizes
        )
    verdicts = [(one["extra_info"]["verdict"], one["param"]) for one in benchmarks]
    return Night(
        red=tuple(cell for verdict, cell in verdicts if verdict == "regressed"),
        verdicts=Counter(verdict for verdict, _ in verdicts),
        passes=sum(len(one["stats"]["data"]) for one in benchmarks) / len(benchmarks),
    )


def stress(folder: Path, tolerance: str) -> None:
    """Measure beside bursts, store each run, and print the result."""

    def measure(project: Path, name: str, *options: str, slow: float | None = None) -> dict[str, Any]:
        def run() -> dict[str, Any]:
            with bursts(f"{project.name}-{name}"):
                one = night(
                    project, *options, slow=slow, tolerance=tolerance, models=SMALL, batch_sizes=SMALL_BATCH_SIZES
                )
            print(f"{project.name}: {name}: {dict(one.verdicts)}, {one.passes:.1f} passes a cell", flush=True)
            return {"red": one.red, "all": list(one.verdicts.elements())}

        return measure_once(project / f"{name}.json", run)

    projects = [make_project(folder.resolve() / f"recording-{number}") for number in range(RECORDINGS)]
    red = 0
    for project in projects:
        measure(project, "recording", "--ddperf-update-baselines=all")
        runs = [measure(project, f"unchanged-{number}") for number in range(UNCHANGED)]
        red += sum(bool(one["red"]) for one in runs)
    print(f"without a change: {red} red of {RECORDINGS * UNCHANGED} runs (at most {MOST_RED})")
    found = others = 0
    for number in range(SLOWER):
        one = measure(projects[number % RECORDINGS], f"slower-{number}", slow=1.4)
        slowed = sum(f"-{SLOWED}-" in cell for cell in one["red"])
        found, others = found + slowed, others + len(one["red"]) - slowed
    cells = SLOWER * len(SMALL_BATCH_SIZES)
    print(f"{SLOWED} 40 % slower: {found} of {cells} of its cells found; other cells red: {others} (must be 0)")


def main() -> None:
    """Run the nights and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nights", type=int, default=10, help="of each kind; default: %(default)s")
    parser.add_argument("--tolerance", default="10%", help="default: %(default)s")
    parser.add_argument(
        "--stress", action="store_true", help="runs against recordings, beside a load that comes and goes"
    )
    parser.add_argument(
        "--folder", type=Path, default=Path("stress"), help="where --stress stores its runs; default: %(default)s"
    )
    arguments = parser.parse_args()
    if arguments.stress:
        stress(arguments.folder, arguments.tolerance)
        return
    with tempfile.TemporaryDirectory() as folder:
        project = make_project(Path(folder))
        began_s = time.monotonic()
        for _ in range(arguments.nights):
            night(project, "--ddperf-accept", slow=None, tolerance=arguments.tolerance)
        cells = len(MODELS) * len(BATCH_SIZES)
        print(f"{arguments.nights} accepted nights of {cells} cells, then {arguments.nights} nights of each kind, "
              f"tolerance {arguments.tolerance}")  # fmt: skip
        print(f"{'night':<34}{'red nights':>11}{'slowed cells red':>18}{'others red':>12}{'unstable':>10}{'passes':>8}")
        for what, slow in (("no change", None), (f"{SLOWED} 10 % slower", 1.1), (f"{SLOWED} 20 % slower", 1.2)):
            nights = [
                night(project, "--ddperf-baseline=history", slow=slow, tolerance=arguments.tolerance)
                for _ in range(arguments.nights)
            ]
            red = [cell for one in nights for cell in one.red]
            slowed = sum(f"-{SLOWED}-" in cell for cell in red)
            print(
                f"{what:<34}{f'{sum(bool(one.red) for one in nights)}/{len(nights)}':>11}"
                f"{f'{slowed}/{len(BATCH_SIZES) * len(nights)}' if slow else '-':>18}"
                f"{len(red) - (slowed if slow else 0):>12}{sum(one.verdicts['unstable'] for one in nights):>10}"
                f"{sum(one.passes for one in nights) / len(nights):>8.1f}"
            )
        print(f"{time.monotonic() - began_s:.0f} s")


if __name__ == "__main__":
    main()
