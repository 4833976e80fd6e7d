"""Collect a board's readings as they arrive, and summarise those of a period of time."""

from __future__ import annotations

import contextlib
import os
import signal
import statistics
import subprocess
import tempfile
import threading
import time
from collections import deque
from typing import IO, TYPE_CHECKING, Final

from pytest_ddperf.boards.telemetry.readings import Parser
from pytest_ddperf.boards.telemetry.ssh import build_script, shell_command
from pytest_ddperf.core.telemetry import Spread, Telemetry
from pytest_ddperf.embedded.launch import read_end

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_ddperf.boards.telemetry.readings import Reading
    from pytest_ddperf.core.board_address import BoardAddress

FIRST_WAIT_S: Final = 15.0
"""How long the first cell waits for the first reading, seconds: connecting over ssh can be slow."""

FRESH_S: Final = 2.5
"""Maximum age, seconds, of a reading used for a round that ended before the next reading arrived."""

_KEPT: Final = 4 * 3600
_STOP_S: Final = 5.0
_STDERR_BYTES: Final = 600


class Monitor:
    """Reads a board's sensors once a second in a thread until it is stopped. Failures are recorded, not raised."""

    def __init__(self, source: BoardAddress, *, gpuid: int = 0) -> None:
        self._source = source
        self._gpuid = gpuid
        self._readings: deque[Reading] = deque(maxlen=_KEPT)
        self._came = threading.Condition()
        self._parser = Parser()
        self._process: subprocess.Popen[bytes] | None = None
        self._errors: IO[bytes] | None = None
        self._thread: threading.Thread | None = None
        self._ended = False
        self.problem = ""

    def start(self) -> None:
        """Start reading."""
        try:
            self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed in stop
            self._process = subprocess.Popen(  # noqa: S603 - sh or the system's ssh
                shell_command(self._source),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                start_new_session=True,  # so that Ctrl-C reaches only pytest
            )
        except OSError as error:
            self._fail(f"{shell_command(self._source)[0]} cannot be started: {error.strerror or error}")
            return
        self._thread = threading.Thread(target=self._read, args=(self._process,), daemon=True, name="ddperf-telemetry")
        self._thread.start()

    def _read(self, process: subprocess.Popen[bytes]) -> None:
        if process.stdin is None or process.stdout is None:
            return
        with contextlib.suppress(OSError, ValueError), process.stdin as pipe:  # the exit status shows a dead process
            pipe.write(build_script("sampler.sh", {"DDPERF_GPU": str(self._gpuid)}))
        with contextlib.suppress(OSError, ValueError):
            for line in process.stdout:
                reading = self._parser.feed(line.decode(errors="replace"), time.time())
                if reading is not None:
                    with self._came:
                        self._readings.append(reading)
                        self._came.notify_all()
        status = process.wait()
        said = "" if self._errors is None else " ".join(read_end(self._errors, _STDERR_BYTES).split())
        self._fail(f"{self._source.text} ended with status {status}{f': {said}' if said else ''}")

    def _fail(self, problem: str) -> None:
        with self._came:
            if not self._ended:
                self.problem = problem
            self._came.notify_all()

    def stop(self) -> None:
        """Stop reading. May be called twice."""
        with self._came:
            self._ended = True
        process, self._process = self._process, None
        if process is not None:
            _signal_all(process, signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_STOP_S)
            _signal_all(process, signal.SIGKILL)  # its child processes may hang and hold the pipe open
            process.wait()
        if self._thread is not None:
            self._thread.join(_STOP_S)
        if process is not None and process.stdout is not None and not (self._thread and self._thread.is_alive()):
            process.stdout.close()  # closing would block while the thread still reads
        if self._errors is not None:
            self._errors.close()

    def wait_for_first(self) -> None:
        """Wait for the first reading, or until reading has failed."""
        with self._came:
            self._came.wait_for(lambda: self._readings or self.problem, FIRST_WAIT_S)

    def hottest_c(self) -> float | None:
        """Return the highest temperature of the last `FRESH_S` seconds, degrees Celsius; None if unknown."""
        since_s = time.time() - FRESH_S
        with self._came:
            fresh = [one.hottest_c for one in self._readings if one.at_s >= since_s]
        return max((degrees for degrees in fresh if degrees is not None), default=None)

    def next_reading(self, timeout_s: float) -> None:
        """Wait for the next reading, at most `timeout_s` seconds."""
        with self._came:
            self._came.wait(timeout_s)

    def throttled(self, began_s: float, ended_s: float) -> list[str]:
        """Describe how the board throttled in a period, given in seconds since the epoch."""
        before, during = self._stretch(began_s, ended_s)
        return describe_throttling(before, during)

    def telemetry(self, began_s: float, ended_s: float) -> Telemetry:
        """Summarise the sensor readings of a period, given in seconds since the epoch."""
        before, during = self._stretch(began_s, ended_s)
        notes = [f"power mode {self._parser.mode}"] if self._parser.mode else []
        first = {words: count for one in reversed((*before, *during)) for words, count in one.counters.items()}
        notes += [f"since the board booted: {words}" for words, count in first.items() if count]
        if self.problem:
            notes.append(
                f"sensor readings stopped: {self.problem}" if during else f"no sensor readings: {self.problem}"
            )
        elif not during:
            notes.append("no sensor readings")
        return summarise_readings(self._source.text, during, throttled=describe_throttling(before, during), notes=notes)

    def _stretch(self, began_s: float, ended_s: float) -> tuple[list[Reading], list[Reading]]:
        """Return the readings shortly before a period and those in it; if the period has none, the former twice."""
        with self._came:
            every = list(self._readings)
        before = [one for one in every if began_s - FRESH_S <= one.at_s < began_s]
        during = [one for one in every if began_s <= one.at_s <= ended_s]
        return before, during or before


def _signal_all(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """Send a signal to a process and all its children: the process leads a session of its own."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


def describe_throttling(before: Sequence[Reading], during: Sequence[Reading]) -> list[str]:
    """Describe how a board throttled, from the states it reported in a period and the counters that rose in it."""
    seen = {words for reading in during for words in reading.throttled}
    counted: dict[str, int] = {}
    for reading in (*before, *during):
        for words, count in reading.counters.items():
            if count > counted.setdefault(words, count):
                seen.add(words)
    return sorted(seen)


def summarise_readings(
    source: str, readings: Sequence[Reading], *, throttled: Sequence[str], notes: Sequence[str]
) -> Telemetry:
    """Summarise the readings of one cell."""
    further = {words for one in readings for words in one.chosen | one.alerts}
    loads = [one.load for one in readings if one.load is not None]
    return Telemetry(
        source=source,
        samples=len(readings),
        temperature_c=_spreads([one.temperature_c for one in readings]),
        clock_mhz=_spreads([one.clock_mhz for one in readings]),
        power_w=_spreads([one.power_w for one in readings]),
        load=_spread(loads) if loads else None,
        governors=tuple(sorted({governor for one in readings for governor in one.governors})),
        throttled=tuple(throttled),
        notes=(*notes, *sorted(further)),
    )


def _spreads(values: Sequence[Mapping[str, float]]) -> dict[str, Spread]:
    names = sorted({name for one in values for name in one})
    return {name: _spread([one[name] for one in values if name in one]) for name in names}


def _spread(values: Sequence[float]) -> Spread:
    return Spread(min(values), statistics.fmean(values), max(values), len(values))
