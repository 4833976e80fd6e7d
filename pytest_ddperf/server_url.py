"""A server's URL as a user gives it, and its credentials kept out of sight. Standard library only."""

from __future__ import annotations

import ipaddress
from base64 import b64encode
from dataclasses import dataclass
from urllib.parse import SplitResult, unquote, urlsplit

from pytest_ddperf.errors import ConfigurationError


class Secret:
    """A text that shows itself nowhere: not in a repr, not among a traceback's locals."""

    __slots__ = ("value",)

    def __init__(self, value: str) -> None:
        self.value = value

    def __repr__(self) -> str:
        return "***"


@dataclass(frozen=True, slots=True)
class ServerUrl:
    """A server's URL, taken apart so that its credentials are nowhere but in `authorization`.

    Args:
        display: scheme, host, port and base path, without a slash at its end.
        loopback: whether it is this host.
        authorization: the header's value, None without credentials; not part of the repr, nor of a traceback's locals.
    """

    display: str
    loopback: bool
    authorization: Secret | None = None

    @classmethod
    def parse(cls, url: str) -> ServerUrl:
        """Take `http[s]://[user:password@]host[:port][/path]` apart.

        Raises:
            ConfigurationError: it is not of that form. The message shows the URL without credentials.
        """
        shown = url.rpartition("@")[2]
        expected = "expected http[s]://[user:password@]host:port[/path]"
        try:
            parts = urlsplit(url.strip())
            port = parts.port
        except ValueError:  # its text may hold a piece of the password
            raise ConfigurationError(f"The server URL {shown!r} cannot be read; {expected}.") from None
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
            raise ConfigurationError(f"The server URL {shown!r} is not one; {expected}.")
        try:
            parts.hostname.encode("idna")
        except UnicodeError:
            raise ConfigurationError(
                f"The server URL {shown!r} has no host name that can be one; {expected}."
            ) from None
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        where = f"{parts.scheme}://{host}" + (f":{port}" if port is not None else "") + parts.path.rstrip("/")
        return cls(where, _is_loopback(parts.hostname), _authorization(parts))


def display_url(url: str) -> str:
    """A server's URL without its credentials; `embedded` stays what it is.

    Raises:
        ConfigurationError: it is no URL.
    """
    return url if url == "embedded" else ServerUrl.parse(url).display


def _authorization(parts: SplitResult) -> Secret | None:
    if parts.username is None:
        return None
    return basic(unquote(parts.username), unquote(parts.password or ""))


def basic(user: str, password: str) -> Secret:
    """The value of the Authorization header for a user and a password."""
    pair = f"{user}:{password}"
    return Secret(f"Basic {b64encode(pair.encode()).decode('ascii')}")


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:  # a name
        return False
