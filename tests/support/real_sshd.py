"""A real sshd on loopback with its own keys and configuration, for the user who runs the tests."""

from __future__ import annotations

import getpass
import os
import shlex
import shutil
import socket
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

import pytest

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

HOST = "board"
"""Name of the server in the ssh configuration."""


class RealSshd:
    """A server that runs within a `with` block; `command` is an ssh that only knows this server, as `board`.

    Args:
        folder: for keys, configuration and log.
        environment: environment variables of every session.
    """

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        found = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
        if found is None or shutil.which("ssh") is None or shutil.which("ssh-keygen") is None:
            pytest.skip("no sshd here: install openssh-server and openssh-client")
        self._sshd = found
        self._folder = folder
        self._environment = dict(environment)
        self._process: subprocess.Popen[bytes] | None = None
        self.command = f"ssh -F {shlex.quote(str(folder / 'ssh_config'))}"

    def __enter__(self) -> Self:
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # sshd as root drops its privileges there
        for name in ("host", "user"):
            key = self._folder / name
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)  # noqa: S607 - found above
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])
        settings = " ".join(f'"{name}={value}"' for name, value in self._environment.items())
        self._write(
            "sshd_config",
            f"Port {self.port}",
            "ListenAddress 127.0.0.1",
            f"HostKey {self._folder / 'host'}",
            "PidFile none",
            f"AuthorizedKeysFile {self._folder / 'user.pub'}",
            "StrictModes no",
            "UsePAM no",
            "PasswordAuthentication no",
            "KbdInteractiveAuthentication no",
            f"SetEnv {settings}",
        )
        public = (self._folder / "host.pub").read_text(encoding="utf-8").split()
        self._write("known_hosts", f"[127.0.0.1]:{self.port} {public[0]} {public[1]}")
        self._write(
            "ssh_config",
            f"Host {HOST}",
            "HostName 127.0.0.1",
            f"Port {self.port}",
            f"User {getpass.getuser()}",
            f"IdentityFile {self._folder / 'user'}",
            "IdentitiesOnly yes",
            "IdentityAgent none",
            f"UserKnownHostsFile {self._folder / 'known_hosts'}",
            "GlobalKnownHostsFile /dev/null",
            "StrictHostKeyChecking yes",
        )
        log = self._folder / "sshd.log"
        command = [self._sshd, "-D", "-f", str(self._folder / "sshd_config"), "-E", str(log)]
        self._process = subprocess.Popen(command)
        until_s = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            except OSError:
                assert self._process.poll() is None, log.read_text(encoding="utf-8")
                assert time.monotonic() < until_s, log.read_text(encoding="utf-8")
                time.sleep(0.05)
            else:
                return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(20)

    def _write(self, name: str, *lines: str) -> None:
        (self._folder / name).write_text("\n".join([*lines, ""]), encoding="utf-8")
