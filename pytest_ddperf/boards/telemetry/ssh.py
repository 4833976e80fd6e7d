"""Shell commands and scripts for a board, on this machine or over the system's ssh."""

from __future__ import annotations

import os
import shlex
from importlib.resources import files
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_ddperf.core.board_address import BoardAddress


SSH_OPTIONS: Final = (
    "-T",
    "-oBatchMode=yes",  # never prompt: nobody is there to answer
    "-oConnectTimeout=10",
    "-oServerAliveInterval=5",  # detects a board that hangs
    "-oServerAliveCountMax=3",
)


def shell_command(address: BoardAddress) -> list[str]:
    """Return the command that starts a POSIX shell at an address; the shell reads its script from standard input.

    The variable DDPERF_SSH_COMMAND replaces `ssh`, with its own options, such as `ssh -F boards.config`.
    """
    if not address.host:
        return ["/bin/sh", "-s"]
    ssh = shlex.split(os.environ.get("DDPERF_SSH_COMMAND") or "ssh")
    port = [] if address.port is None else ["-p", address.port]
    return [*ssh, *SSH_OPTIONS, *port, "--", address.host, "exec /bin/sh -s"]


def build_script(name: str, variables: Mapping[str, str]) -> bytes:
    """Return a shell script of this package, preceded by variable assignments.

    For tests, the variable DDPERF_SYSFS_ROOT of this process, the root of /sys and /proc, is one of them.
    """
    variables = {"DDPERF_SYSFS_ROOT": os.environ.get("DDPERF_SYSFS_ROOT", ""), **variables}
    text = files("pytest_ddperf.boards.telemetry").joinpath(name).read_text(encoding="utf-8")
    head = "".join(f"{variable}={shlex.quote(value)}\n" for variable, value in variables.items())
    return (head + text).encode()
