"""Where a board's sensors are read: on this machine, or over the system's ssh."""

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
    "-oBatchMode=yes",  # it never asks: nobody is there to answer
    "-oConnectTimeout=10",
    "-oServerAliveInterval=5",  # a board that hangs is noticed
    "-oServerAliveCountMax=3",
)


def shell_command(address: BoardAddress, environ: Mapping[str, str] = os.environ) -> list[str]:
    """The words that start a POSIX shell at an address; the shell reads its script from standard input.

    Args:
        address: of the board.
        environ: DDPERF_SSH_COMMAND in it replaces `ssh`, with options of its own, such as `ssh -F boards.config`.
    """
    if not address.host:
        return ["/bin/sh", "-s"]
    ssh = shlex.split(environ.get("DDPERF_SSH_COMMAND") or "ssh")
    port = [] if address.port is None else ["-p", address.port]
    return [*ssh, *SSH_OPTIONS, *port, "--", address.host, "exec /bin/sh -s"]


def build_script(name: str, variables: Mapping[str, str]) -> bytes:
    """A shell script of this package, with variables set before its first line.

    Args:
        name: of the file.
        variables: by name.
    """
    text = files("pytest_ddperf.boards.telemetry").joinpath(name).read_text(encoding="utf-8")
    head = "".join(f"{variable}={shlex.quote(value)}\n" for variable, value in variables.items())
    return (head + text).encode()


def build_variables(gpuid: int, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The variables of the scripts: the GPU to read, and for tests where /sys and /proc are looked for."""
    root = environ.get("DDPERF_SYSFS_ROOT")
    return {"DDPERF_GPU": str(gpuid)} | ({"DDPERF_SYSFS_ROOT": root} if root else {})
