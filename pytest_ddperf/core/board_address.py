"""Address at which a board's sensors are read: this machine, or a host over ssh."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

LOCAL: Final = "local"
EXPECTED: Final = "local, ssh:HOST (as in ~/.ssh/config), or ssh://[user@]host[:port]"

_SSH_URL = re.compile(r"ssh://(?P<host>(?:[\w.-]+@)?(?:[\w.-]+|\[[0-9A-Fa-f:.]+\]))(?::(?P<port>\d{1,5}))?/?")
_SSH_HOST = re.compile(r"ssh:(?P<host>(?:[\w.-]+@)?[\w.-]+)")


@dataclass(frozen=True, slots=True)
class BoardAddress:
    """Address of a board.

    Args:
        text: the address as the user wrote it.
        host: ssh host, with the user if given; "" for this machine.
        port: ssh port; None for the one in ssh's configuration.
    """

    text: str
    host: str = ""
    port: str | None = None

    @classmethod
    def parse(cls, text: str) -> BoardAddress:
        """Parse an address.

        Raises:
            ValueError: the text is not an address; the message states what is expected.
        """
        if text == LOCAL:
            return cls(text)
        found = _SSH_URL.fullmatch(text) or _SSH_HOST.fullmatch(text)
        if found is None or found["host"].startswith("-"):
            raise ValueError(EXPECTED)
        return cls(text, re.sub(r"[\[\]]", "", found["host"]), found.groupdict().get("port"))
