"""Checks of processes that tests start: whether one has ended, and whether it is an embedded server."""

from __future__ import annotations

import time

import psutil


def is_gone(pid: int) -> bool:
    """Whether a process ends within 10 seconds. A zombie counts as gone."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.05)
    return False


def is_embedded_server(process: psutil.Process) -> bool:
    """Whether a process is an embedded server that is still running; a zombie is not."""
    try:
        return "pytest_ddperf.embedded" in process.cmdline()
    except psutil.NoSuchProcess:
        return False
