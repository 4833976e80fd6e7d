"""Running pytest on a terminal, as a user does."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bench_project import BenchProject


def on_a_terminal(project: BenchProject, *args: str, environment: Mapping[str, str] | None = None) -> tuple[int, str]:
    """Run pytest on a pseudo-terminal; return its exit status and all its output."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "pytest", "benchmarks", *project.where, *args]
    surroundings = {**os.environ, "TERM": "xterm", "COLUMNS": "80", "LINES": "24", **(environment or {})}
    process = subprocess.Popen(command, cwd=project.path, env=surroundings, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    written = b""
    while True:
        ready, _, _ = select.select([ours], [], [], 60)
        try:
            part = os.read(ours, 65536) if ready else b""
        except OSError:  # raised by Linux if the other end is closed
            part = b""
        if not part:
            break
        written += part
    os.close(ours)
    return process.wait(60), written.decode()
