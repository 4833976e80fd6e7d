"""Where a board's sensors are read: on this machine, or over the system's ssh."""

from __future__ import annotations

import os
import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

LOCAL: Final = "local"
EXPECTED: Final = "local, ssh:HOST (as in ~/.ssh/config), or ssh://[user@]host[:port]"

SSH_OPTIONS: Final = (
    "-T",
    "-oBatchMode=yes",  # it never asks: nobody is there to answer
    "-oConnectTimeout=10",
    "-oServerAliveInterval=5",  # a board that hangs is noticed
    "-oServerAliveCountMax=3",
)

_SSH_URL = re.compile(r"ssh://(?P<host>(?:[\w.-]+@)?(?:[\w.-]+|\[[0-9A-Fa-f:.]+\]))(?::(?P<port>\d{1,5}))?/?")
_SSH_HOST = re.compile(r"ssh:(?P<host>(?:[\w.-]+@)?[\w.-]+)")


@dataclass(frozen=True, slots=True)
class Source:
    """One place.

    Args:
        text: as the user wrote it.
        host: of ssh, with the user where one is named; "" for this machine.
        port: of ssh; None for the one of its configuration.
    """

    text: str
    host: str = ""
    port: str | None = None

    @classmethod
    def parse(cls, text: str) -> Source:
        """Take a source apart.

        Raises:
            ValueError: it is none; says what was expected.
        """
        if text == LOCAL:
            return cls(text)
        found = _SSH_URL.fullmatch(text) or _SSH_HOST.fullmatch(text)
        if found is None or found["host"].startswith("-"):
            raise ValueError(EXPECTED)
        return cls(text, re.sub(r"[\[\]]", "", found["host"]), found.groupdict().get("port"))

    def command(self, environ: Mapping[str, str] = os.environ) -> list[str]:
        """The words that start a POSIX shell there, which reads its script from standard input.

        DDPERF_SSH_COMMAND stands for `ssh`, with options of its own, such as `ssh -F boards.config`.
        """
        if not self.host:
            return ["/bin/sh", "-s"]
        ssh = shlex.split(environ.get("DDPERF_SSH_COMMAND") or "ssh")
        port = [] if self.port is None else ["-p", self.port]
        return [*ssh, *SSH_OPTIONS, *port, "--", self.host, "exec /bin/sh -s"]


def script(name: str, variables: Mapping[str, str]) -> bytes:
    """A shell script of this package, with variables set before its first line.

    Args:
        name: of the file.
        variables: by name.
    """
    from importlib.resources import files  # noqa: PLC0415 - only with sensors to read

    text = files("pytest_ddperf.telemetry").joinpath(name).read_text(encoding="utf-8")
    head = "".join(f"{variable}={shlex.quote(value)}\n" for variable, value in variables.items())
    return (head + text).encode()


def surroundings(gpuid: int, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The variables of the scripts: the GPU to read, and for tests where /sys and /proc are looked for."""
    root = environ.get("DDPERF_SYSFS_ROOT")
    return {"DDPERF_GPU": str(gpuid)} | ({"DDPERF_SYSFS_ROOT": root} if root else {})
