"""Expansion of `~` (the user's home folder) and `~user` (another account's) in paths on this machine."""

from __future__ import annotations

import os.path
from pathlib import Path

from pytest_ddperf.deepdetect.url import EMBEDDED, ServerUrl
from pytest_ddperf.errors import ConfigurationError


def local_path(text: str, where: str = "") -> Path:
    """Expand the home folder in a path.

    A shell expands `~` only at the start of a word, so not in `--ddperf-report=~/report.html`, in a file or in most
    variables.

    Args:
        text: the path as written by the user.
        where: the option or key with the path, for the message.

    Raises:
        ConfigurationError: there is no such account, or its home folder is not known.
    """
    return Path(_with_home(text, where))


def server_path(text: str, url: str, where: str = "") -> str:
    """Expand the home folder in a path that a server reads, if the server is on this machine.

    Args:
        text: the path as written by the user.
        url: URL of the server, or `embedded`.
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
            f"the absolute path, or ./{text} if the name really begins with ~."
        )
    return written_out
