"""What a piece of Python costs in a process of its own: CPU seconds and peak memory."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass

# The peak is the kernel's VmHWM: ru_maxrss goes on from that of the process that started this one (getrusage(2)).
_REPORT = """
import json, os, resource, sys, time
began = time.perf_counter()
{body}
with open("/proc/self/status", encoding="ascii") as status:
    peak_kib = next(int(line.split()[1]) for line in status if line.startswith("VmHWM:"))
own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps({{
    "watch_s": time.perf_counter() - began,
    "own_s": own.ru_utime + own.ru_stime,
    "children_s": children.ru_utime + children.ru_stime,
    "peak_mib": peak_kib / 1024,
    "answer": answer,
}}))
"""


@dataclass(frozen=True)
class Cost:
    """Of one process: CPU seconds of its own and of its children, seconds by the watch, peak memory in MiB."""

    own_s: float
    children_s: float
    watch_s: float
    peak_mib: float
    answer: object


def cost_of(body: str, *arguments: str) -> Cost:
    """Run statements in a process of its own; they assign `answer`, and find the arguments in `sys.argv`."""
    script = _REPORT.format(body=body)
    done = subprocess.run([sys.executable, "-c", script, *arguments], check=True, stdout=subprocess.PIPE, text=True)
    return Cost(**json.loads(done.stdout.splitlines()[-1]))


def row(what: str, measured: float, bound: float | None, unit: str) -> None:
    """Print a row of a table of measured values and bounds."""
    limit = "" if bound is None else f"{bound:>10.1f}"
    print(f"{what:<58}{measured:>10.2f}{limit:>10} {unit}")
