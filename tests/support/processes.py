"""Processes that tests start: whether one has ended, which takes it a moment, and which is an embedded server."""

from __future__ import annotations

import time

import psutil


def is_gone(pid: int, within_s: float = 10.0) -> bool:
    """Whether a process ends in time. One that nobody has waited for yet is gone, too."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.05)
    return False


def is_embedded_server(process: psutil.Process) -> bool:
    """Whether it is one; none that has ended meanwhile, and no zombie, is."""
    try:
        return "pytest_ddperf.embedded" in process.cmdline()
    except psutil.NoSuchProcess:
        return False
