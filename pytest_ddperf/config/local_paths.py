"""Paths of this machine as a person writes them: `~` is the own home folder, `~user` that of another account."""

from __future__ import annotations

import os.path
from pathlib import Path

from pytest_ddperf.deepdetect.url import EMBEDDED, ServerUrl
from pytest_ddperf.errors import ConfigurationError


def local_path(text: str, where: str = "") -> Path:
    """A path with its home folder written out.

    A shell does that only where the path is a word of its own, so not in `--ddperf-report=~/report.html`, in a file or
    in most variables.

    Args:
        text: as it was written.
        where: the option or key that it was written in, for the message.

    Raises:
        ConfigurationError: there is no such account, or its home folder is not known.
    """
    return Path(_with_home(text, where))


def server_path(text: str, url: str, where: str = "") -> str:
    """A path that a server reads: as it was written, or as `local_path` where the server is on this machine.

    Args:
        text: as it was written.
        url: of the server, or `embedded`.
        where: as for `local_path`.

    Raises:
        ConfigurationError: as for `local_path`.
    """
    is_here = text.startswith("~") and (url == EMBEDDED or ServerUrl.parse(url).loopback)
    return _with_home(text, where) if is_here else text


def _with_home(text: str, where: str) -> str:
    written_out = os.path.expanduser(text)  # noqa: PTH111 - pathlib would change the rest of a server's path, too
    if text.startswith("~") and written_out == text:
        user = text.partition("/")[0][1:]
        whose = f"the account {user!r}" if user else "this account"
        raise ConfigurationError(
            f"{f'{where}: ' if where else ''}{text!r}: the home folder of {whose} is not known on this machine; write "
            f"the whole path, or ./{text} for a name that begins with ~."
        )
    return written_out
