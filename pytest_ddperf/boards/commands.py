"""Commands of the user's, run around a platform's cells: to set clocks, to restart the server."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import tempfile
from typing import TYPE_CHECKING, Final

from pytest_ddperf.errors import HookError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_ddperf.core.platform import Command

TAIL_LINES: Final = 10
"""Lines of a failed command's output that are shown, the last ones."""

_TAIL_BYTES: Final = 4000


def run(command: Command, *, timeout_s: float, variables: Mapping[str, str]) -> None:
    """Run one command to its end.

    It gets no terminal and no input, so it cannot wait for a password, and a session of its own, so that Ctrl-C, which
    ends the run, does not end what puts the board back. What it leaves in the background stays.

    Args:
        command: a line for the shell, or the words of a command.
        timeout_s: it is killed after so many seconds, with all that it has started.
        variables: added to the environment.

    Raises:
        HookError: it could not be started, failed, or took too long; shows the end of its output.
    """
    shown = command if isinstance(command, str) else shlex.join(command)
    with tempfile.TemporaryFile() as output:  # no pipe: what it leaves in the background would hold that open
        try:
            process = subprocess.Popen(  # noqa: S603 - the user's own command
                ["/bin/sh", "-c", command] if isinstance(command, str) else command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **variables},
                start_new_session=True,
            )
        except OSError as error:
            raise HookError(f"The command `{shown}` cannot be started: {error.strerror or error}.") from None
        except ValueError as error:  # a NUL in it
            raise HookError(f"The command {shown!r} cannot be started: {error}.") from None
        try:
            status = process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            _kill(process)
            message = f"The command `{shown}` took longer than {timeout_s:g} s and was ended (hook_timeout)"
            raise HookError(f"{message}{_tail(output.fileno())}") from None
        except BaseException:
            _kill(process)
            raise
        if status:
            ended = f"was ended by signal {-status}" if status < 0 else f"failed with status {status}"
            raise HookError(f"The command `{shown}` {ended}{_tail(output.fileno())}")


def _kill(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _tail(descriptor: int) -> str:
    """The end of an output, for a message."""
    size = os.fstat(descriptor).st_size
    text = os.pread(descriptor, _TAIL_BYTES, max(0, size - _TAIL_BYTES)).decode(errors="replace").strip()
    if not text:
        return "; it printed nothing."
    return "; its output ends with:\n" + "\n".join(text.splitlines()[-TAIL_LINES:])
