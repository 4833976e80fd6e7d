"""A platform's board during its measurements: run the user's commands, read sensors, wait until the board is cool."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

import platformdirs

from pytest_ddperf.boards import commands
from pytest_ddperf.boards.clocks import Tuning, find_leftover_tuning
from pytest_ddperf.boards.telemetry.monitor import Monitor
from pytest_ddperf.config.credentials import mask_secrets
from pytest_ddperf.core.board_address import BoardAddress
from pytest_ddperf.errors import HookError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytest_ddperf.core.platform import Platform
    from pytest_ddperf.core.records import Measurement
    from pytest_ddperf.core.telemetry import Telemetry


class Board:
    """The board of one platform, from `begin` to `end`.

    Args:
        url: URL of its server, without credentials; passed to the commands.
        tune: whether to set the board's clocks to their highest during the measurement.
        marker: a file that exists from `begin` to `end`, for a process that outlives this one; None for no file.
    """

    def __init__(
        self,
        platform: Platform,
        url: str,
        say: Callable[[str], None],
        *,
        gpuid: int = 0,
        tune: bool = False,
        marker: Path | None = None,
    ) -> None:
        self._marker = marker
        self._tune = tune
        self._tuning: Tuning | None = None
        self._gpuid = gpuid
        self._monitor: Monitor | None = None
        self._ready = False
        self._told = False
        self._platform = platform
        self._say = say
        self._variables = {"DDPERF_HOOK_PLATFORM": platform.id, "DDPERF_HOOK_URL": url}
        self._begun = False

    def begin(self) -> None:
        """Run the `before` commands, set the clocks if requested, and start reading the sensors.

        Raises:
            HookError: a command failed, and the commands after it were not run; or a clock could not be set.
        """
        self.make_up()  # in case another worker of this run died before `end`
        self._begun = True
        if self._marker is not None and (self._tune or self._platform.after):
            self._marker.parent.mkdir(parents=True, exist_ok=True)
            self._marker.touch()
        for command in self._platform.before:
            try:
                commands.run(command, timeout_s=self._platform.hook_timeout, variables=self._variables)
            except HookError as error:
                raise HookError(mask_secrets(str(error), self._platform)) from None
        if self._platform.telemetry is not None:
            self._ready = self._told = False
            source = BoardAddress.parse(self._platform.telemetry)
            if self._tune:
                self._tuning = self._tuning_of(source)
                self._tuning.apply()
            elif find_leftover_tuning(source):
                self._tell(
                    "a run with --ddperf-tune ended before it restored the board, which is measured with the settings "
                    "of that run; the next run with --ddperf-tune restores it"
                )
            self._monitor = Monitor(source, gpuid=self._gpuid)
            self._monitor.start()

    def _tuning_of(self, source: BoardAddress) -> Tuning:
        return Tuning(source, self._platform.nvpmodel, self._tell)

    def make_up(self) -> None:
        """Run `end` for a process that died before it; xdist's controller does this for its workers."""
        if self._marker is None or not self._marker.exists():
            return
        self._begun = True
        if self._tune and self._platform.telemetry is not None:
            self._tuning = self._tuning_of(BoardAddress.parse(self._platform.telemetry))
        self.end()

    def ready(self) -> None:
        """Before the first cell, wait until the sensors report and the board is as cool as configured."""
        if self._monitor is None or self._ready:
            return
        self._ready = True
        self._monitor.wait_for_first()
        if self._platform.cool_to_c is not None:
            self._cool(self._monitor, self._platform.cool_to_c)

    def _cool(self, monitor: Monitor, to_c: float) -> None:
        began_s = time.monotonic()
        until_s = began_s + self._platform.cool_wait
        said = False
        while (hottest_c := monitor.hottest_c()) is not None and hottest_c > to_c:
            if not said:
                self._tell(
                    f"the board is at {hottest_c:.1f} C; waiting up to {self._platform.cool_wait:g} s until it has "
                    f"cooled to {to_c:g} C"
                )
                said = True
            left_s = until_s - time.monotonic()
            if left_s <= 0:
                self._tell(f"still at {hottest_c:.1f} C after {self._platform.cool_wait:g} s; measuring anyway")
                return
            monitor.next_reading(min(left_s, 1.0))
        if hottest_c is None:
            self._tell(f"the board's temperature is unknown; measuring without waiting. {monitor.problem}".rstrip())
        elif said:
            self._tell(f"cooled to {hottest_c:.1f} C after {time.monotonic() - began_s:.0f} s")

    def rejection_reason(self, began_s: float, ended_s: float) -> str:
        """Return why a round measured in this period is invalid; "" if it is valid."""
        seen = [] if self._monitor is None else self._monitor.throttled(began_s, ended_s)
        return f"the board throttled while it was measured: {', '.join(seen)}" if seen else ""

    def telemetry(self, began_s: float, ended_s: float, earlier: Measurement | None = None) -> Telemetry | None:
        """Return the telemetry of this period merged with that of the cell's earlier rounds; None without sensors."""
        before = None if earlier is None else earlier.telemetry
        if self._monitor is None:
            return before
        if self._monitor.problem and not self._told:
            self._told = True
            self._tell(f"the sensors cannot be read: {self._monitor.problem}")
        now = self._monitor.telemetry(began_s, ended_s)
        if self._tuning is not None and self._tuning.note:
            now = replace(now, notes=(*now.notes, self._tuning.note))
        return now if before is None else before.merged(now)

    def _tell(self, text: str) -> None:
        self._say(f"ddperf: {self._platform.id}: {text}")

    def end(self) -> None:
        """Restore the clocks and run all `after` commands, whatever the result of the cells."""
        if not self._begun:
            return
        self._begun = False
        monitor, self._monitor = self._monitor, None
        if monitor is not None:
            monitor.stop()
        interrupted: KeyboardInterrupt | None = None
        tuning, self._tuning = self._tuning, None
        if tuning is not None:
            try:
                tuning.restore()
            except KeyboardInterrupt as error:
                interrupted = error
                tuning.restore()
        for command in self._platform.after:
            try:
                commands.run(command, timeout_s=self._platform.hook_timeout, variables=self._variables)
            except HookError as error:
                self._tell(mask_secrets(str(error), self._platform))
            except KeyboardInterrupt as error:  # a second Ctrl-C ends one command, never the restoring of the board
                interrupted = error
        if self._marker is not None:
            self._marker.unlink(missing_ok=True)
        if interrupted is not None:
            raise interrupted


def marker_path(run_id: str, platform: str) -> Path:
    """Return the path of the file that marks that a board's commands were started in this run."""
    return platformdirs.user_cache_path("pytest-ddperf") / "begun" / f"{run_id}-{platform}"
