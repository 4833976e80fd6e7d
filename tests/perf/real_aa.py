"""A check of the gate on real inference: does a night without change stay green, is a network that got slower found?

    python tests/perf/real_aa.py [--nights 10] [--tolerance 10%]

Nothing is simulated: each night is a `pytest` run of its own against an embedded server of its own. First nights are
accepted into a history; then come nights without a change, and nights on which one network does 10 % and 20 % more real
work in the engine (`ddperf serve --slow`). Prints how many nights were red, and why.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from pytest_ddperf.embedded import launch
from pytest_ddperf.servers import generated_images

MODELS = ("mobilenet_depthwise", "googlenet", "squeezenet_v1.0", "squeezenet_v1.1", "shufflenet", "densenet121")
SLOWED = "squeezenet_v1.1"
BATCH_SIZES = (1, 4)
TEST = "def test_predict(ddperf):\n    ddperf.measure()\n"


@dataclass(frozen=True)
class Night:
    """One run: its red cells, all cells by verdict, and how many passes it took a cell."""

    red: tuple[str, ...]
    verdicts: Counter[str]
    passes: float


def night(project: Path, *, slow: float | None, accept: bool, tolerance: str) -> Night:
    """One pytest run against an embedded server of its own; `slow` is how much more work one network does."""
    extra = [] if slow is None else ["--slow", f"{SLOWED}={slow}"]
    with launch.start(models=MODELS, data_dir=generated_images.ensure_bench_images(), extra=extra) as server:
        subprocess.run(
            [
                sys.executable,
                "-m",
                "pytest",
                "-q",
                "test_predict.py",
                f"--ddperf-url={server.url}",
                f"--ddperf-data-dir={generated_images.ensure_bench_images()}",
                f"--ddperf-models={','.join(MODELS)}",
                f"--ddperf-batch-sizes={','.join(map(str, BATCH_SIZES))}",
                f"--ddperf-tolerance={tolerance}",
                f"--ddperf-baseline={'auto' if accept else 'history'}",
                "--benchmark-json=night.json",
                *(["--ddperf-accept"] if accept else []),
            ],
            cwd=project,
            check=False,
            stdout=subprocess.DEVNULL,
            env={**os.environ, "XDG_CACHE_HOME": os.environ.get("XDG_CACHE_HOME", str(Path.home() / ".cache"))},
        )
    benchmarks = json.loads((project / "night.json").read_text())["benchmarks"]
    verdicts = [(one["extra_info"]["verdict"], one["param"]) for one in benchmarks]
    return Night(
        red=tuple(cell for verdict, cell in verdicts if verdict == "regressed"),
        verdicts=Counter(verdict for verdict, _ in verdicts),
        passes=sum(len(one["stats"]["data"]) for one in benchmarks) / len(benchmarks),
    )


def main() -> None:
    """Run the nights and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nights", type=int, default=10, help="of each kind; default: %(default)s")
    parser.add_argument("--tolerance", default="10%", help="default: %(default)s")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder)
        (project / "pytest.ini").write_text("[pytest]\n")
        (project / "test_predict.py").write_text(TEST)
        began_s = time.monotonic()
        for _ in range(arguments.nights):
            night(project, slow=None, accept=True, tolerance=arguments.tolerance)
        cells = len(MODELS) * len(BATCH_SIZES)
        print(f"{arguments.nights} accepted nights of {cells} cells, then {arguments.nights} nights of each kind, "
              f"tolerance {arguments.tolerance}")  # fmt: skip
        print(f"{'night':<34}{'red nights':>11}{'slowed cells red':>18}{'others red':>12}{'unstable':>10}{'passes':>8}")
        for what, slow in (("no change", None), (f"{SLOWED} 10 % slower", 1.1), (f"{SLOWED} 20 % slower", 1.2)):
            nights = [
                night(project, slow=slow, accept=False, tolerance=arguments.tolerance) for _ in range(arguments.nights)
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
