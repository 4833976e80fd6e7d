"""Board settings that are changed only on request (--ddperf-tune) and restored afterwards.

The previous settings are first recorded in a file in the user's cache folder. If a run is killed before it restores the
board, the next run that tunes the board restores it first.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import filelock
import msgspec
import platformdirs

from pytest_ddperf.boards.telemetry.ssh import build_script, shell_command
from pytest_ddperf.config.text_files import replace_file
from pytest_ddperf.errors import HookError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from pytest_ddperf.core.board_address import BoardAddress

TIMEOUT_S: Final = 60.0
"""Time limit of each action: reading, setting and restoring."""

_HELLO = "ddperf-tune 1"


@dataclass(frozen=True, slots=True)
class PreviousSettings:
    """The settings of a board before tuning.

    Args:
        nvpmodel: the power mode, "" if it is not changed.
        clocks: the file on the board in which jetson_clocks stored its settings, "" if jetson_clocks is missing.
        governors: CPU frequency governors, by file.
    """

    nvpmodel: str = ""
    clocks: str = ""
    governors: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        """Return the settings in words, for a user who has to restore them manually."""
        parts = [f"nvpmodel -m {self.nvpmodel}"] if self.nvpmodel else []
        parts += [f"jetson_clocks --restore {self.clocks}"] if self.clocks else []
        parts += [f"echo {value} > {file}" for file, value in self.governors.items()]
        return ", ".join(parts) or "nothing"

    @property
    def variables(self) -> dict[str, str]:
        """The variables that the script expects."""
        governors = " ".join(f"{file}={value}" for file, value in self.governors.items())
        return {
            "DDPERF_WAS_NVPMODEL": self.nvpmodel,
            "DDPERF_WAS_CLOCKS": self.clocks,
            "DDPERF_WAS_GOVERNORS": governors,
        }


class Tuning:
    """The settings of one board, from `apply` to `restore`.

    They are recorded under the board's address, not its platform id: two projects may use one id for two boards, or two
    ids for one board.

    Args:
        nvpmodel: the power mode to set; None leaves it unchanged.
    """

    def __init__(self, source: BoardAddress, nvpmodel: int | None, tell: Callable[[str], None]) -> None:
        self._source = source
        self._nvpmodel = {} if nvpmodel is None else {"DDPERF_NVPMODEL": str(nvpmodel)}
        self._tell = tell
        self.path = _path(source.text)
        self.note = ""
        self._lock = filelock.FileLock(self.path.with_suffix(".lock"), thread_local=False)

    def apply(self) -> None:
        """Record the settings, then change them.

        Raises:
            HookError: the board cannot be reached, a setting could not be changed, or another run has tuned the board.
        """
        if not self._take():
            raise HookError(
                f"--ddperf-tune: another run has tuned the board at {self._source.text} and restores it when it ends. "
                "Wait for that run."
            )
        if self.path.exists():
            self._tell("an earlier run ended before it restored the board; restoring it first")
            self._restore()
            if self.path.exists():
                raise HookError(
                    "--ddperf-tune: the settings that an earlier run changed could not be restored. Restore them "
                    f"manually, then delete {self.path}, which records them."
                )
        found = self._run("look", self._nvpmodel)
        was = _was(found)
        self._refuse(found, "could not be recorded, so nothing was changed")
        if was == PreviousSettings():
            self._tell(
                "there is nothing to tune: no nvpmodel mode is set, and there is no jetson_clocks or CPU governor"
            )
            return
        replace_file(self.path, msgspec.json.encode(was), sync=True)
        done = self._run("apply", self._nvpmodel)
        self.note = f"tuned: {', '.join(_of('did', done))}"
        self._tell(f"{self.note}; restored at the end with: {was}")
        self._refuse(done, "could not be set")

    def restore(self) -> None:
        """Restore the recorded settings and report what could not be restored. May be called twice."""
        if not self._take():  # another run tuned the board
            return
        try:
            self._restore()
        finally:
            self._lock.release(force=True)

    def _take(self) -> bool:
        """Acquire the board's lock and return whether that succeeded; the kernel releases it when this process ends."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._lock.acquire(blocking=False)
        except filelock.Timeout:
            return False
        return True

    def _restore(self) -> None:
        try:
            was = msgspec.json.decode(self.path.read_bytes(), type=PreviousSettings)
        except FileNotFoundError:
            return
        except (OSError, msgspec.DecodeError) as error:
            self._tell(f"the previous settings cannot be read from {self.path}: {error}")
            return
        by_hand = f"Restore the board manually: {was}. The settings are recorded in {self.path}."
        try:
            done = self._run("restore", was.variables)
        except HookError as error:
            self._tell(f"NOT restored: {error}. {by_hand}")
            return
        failed = _of("not", done)
        if failed:
            self._tell(f"NOT restored: {'; '.join(failed)}. {by_hand}")
            return
        with contextlib.suppress(OSError):
            self.path.unlink()
        self._tell(f"restored: {', '.join(_of('did', done))}")

    def _refuse(self, lines: list[str], what: str) -> None:
        if failed := _of("not", lines):
            raise HookError(
                f"--ddperf-tune: the board's settings {what}: {'; '.join(failed)}. Tuning needs root on the board, or "
                "sudo without a password."
            )

    def _run(self, action: str, variables: Mapping[str, str]) -> list[str]:
        """Run the script and return its output lines.

        Raises:
            HookError: the script did not finish.
        """
        text = build_script("tune.sh", {**variables, "DDPERF_ACTION": action})
        command = shell_command(self._source)
        try:
            ended = subprocess.run(  # noqa: S603 - sh or the system's ssh
                command,
                input=text,
                capture_output=True,
                timeout=TIMEOUT_S,
                start_new_session=True,  # so that Ctrl-C reaches only pytest
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise HookError(f"--ddperf-tune: {self._source.text} took longer than {TIMEOUT_S:g} s") from None
        except OSError as error:
            raise HookError(f"--ddperf-tune: {command[0]} cannot be started: {error.strerror or error}") from None
        lines = ended.stdout.decode(errors="replace").splitlines()
        if _HELLO not in lines or lines[-1] != "end":
            said = " ".join(ended.stderr.decode(errors="replace").split())[-400:]
            raise HookError(f"--ddperf-tune: {self._source.text} ended with status {ended.returncode}: {said}")
        return lines[lines.index(_HELLO) + 1 : -1]


def find_leftover_tuning(source: BoardAddress) -> bool:
    """Return whether a board is still tuned, by a run that ended without restoring it or by a running one."""
    return _path(source.text).exists()


def _path(reached: str) -> Path:
    name = f"{re.sub('[^A-Za-z0-9.-]+', '-', reached)}-{hashlib.sha256(reached.encode()).hexdigest()[:8]}.json"
    return platformdirs.user_cache_path("pytest-ddperf") / "tuned" / name


def _of(kind: str, lines: list[str]) -> list[str]:
    return [line.removeprefix(f"{kind} ") for line in lines if line.startswith(f"{kind} ")]


def _was(lines: list[str]) -> PreviousSettings:
    found = [line.partition(" ")[::2] for line in _of("was", lines)]
    single = dict(found)
    governors = dict(value.split("=", 1) for kind, value in found if kind == "governor")
    return PreviousSettings(single.get("nvpmodel", ""), single.get("clocks", ""), governors)
