"""The user's commands that run before and after a platform's cells, for example to set clocks or restart the server."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import tempfile
from typing import IO, TYPE_CHECKING, Final

from pytest_ddperf.embedded.launch import read_end
from pytest_ddperf.errors import HookError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_ddperf.core.platform import Command

TAIL_LINES: Final = 10
"""Maximum number of output lines shown for a failed command; the last ones are shown."""

_TAIL_BYTES: Final = 4000


def run(command: Command, *, timeout_s: float, variables: Mapping[str, str]) -> None:
    """Run one command and wait for it to finish.

    The command gets no terminal and no input, so it cannot wait for a password. It runs in a session of its own, so
    that Ctrl-C ends the run but not a command that restores the board. Processes that it leaves in the background are
    not killed.

    After `timeout_s` seconds the command is killed with all processes it started.

    Raises:
        HookError: the command could not be started, failed, or took too long; the message shows the end of its output.
    """
    shown = command if isinstance(command, str) else shlex.join(command)
    with tempfile.TemporaryFile() as output:  # not a pipe: background processes would hold it open
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
        except ValueError as error:  # the command contains a NUL
            raise HookError(f"The command {shown!r} cannot be started: {error}.") from None
        try:
            status = process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            _kill(process)
            message = f"The command `{shown}` took longer than {timeout_s:g} s and was killed (hook_timeout)"
            raise HookError(f"{message}{_quote_end(output)}") from None
        except BaseException:
            _kill(process)
            raise
        if status:
            ended = f"was ended by signal {-status}" if status < 0 else f"failed with status {status}"
            raise HookError(f"The command `{shown}` {ended}{_quote_end(output)}")


def _kill(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _quote_end(output: IO[bytes]) -> str:
    """Return the last lines of an output, for a message."""
    text = read_end(output, _TAIL_BYTES)
    if not text:
        return "; it printed nothing."
    return "; its output ends with:\n" + "\n".join(text.splitlines()[-TAIL_LINES:])
