"""A server's URL as a user gives it, and its credentials kept out of sight. Standard library only."""

from __future__ import annotations

import ipaddress
import re
from base64 import b64decode, b64encode
from dataclasses import dataclass
from urllib.parse import SplitResult, quote, unquote, urlsplit

from pytest_ddperf.errors import ConfigurationError

EMBEDDED = "embedded"
"""What stands in place of a URL for the embedded server of this machine."""

THIS_HOST = "localhost"
"""The one name of this host, whichever loopback address a URL gives it."""

_HIDDEN = "***"
_SCHEME = re.compile(r"https?://")
_NEXT = re.compile(r",(?=[\w.-]+=https?://)")
_NO_HOST = re.compile(r"[\s\x00-\x1f\"<>\\^`{|}]")
"""What no host name holds; older versions of urllib3 take it for one, and ask the resolver."""
_NO_PORT = re.compile(r"(https?://[^/:@\[\]]*):(?!\d{1,5}(?:[/?#,\s]|$)).*", re.DOTALL)


class Secret:
    """A text that shows itself nowhere: not in a repr, not among a traceback's locals."""

    __slots__ = ("value",)

    def __init__(self, value: str) -> None:
        self.value = value

    def __repr__(self) -> str:
        return "***"


class Address(str):
    """A URL as the user gave it, whose repr shows no credentials: the one that a traceback's locals show."""

    __slots__ = ()

    def __repr__(self) -> str:
        return repr(remove_credentials(str(self)))


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
        shown = remove_credentials(url)
        expected = "expected http[s]://[user:password@]host:port[/path]"
        try:
            parts = urlsplit(url.strip())
            port = parts.port
        except ValueError:  # its text may hold a piece of the password
            raise ConfigurationError(f"The server URL {shown!r} cannot be read; {expected}.") from None
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
            raise ConfigurationError(f"The server URL {shown!r} is not one; {expected}.")
        if not _can_be_host(parts.hostname):
            raise ConfigurationError(f"The server URL {shown!r} has no host name that can be one; {expected}.")
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        where = f"{parts.scheme}://{host}" + (f":{port}" if port is not None else "") + parts.path.rstrip("/")
        return cls(where, _is_loopback(parts.hostname), _authorization(parts))


def _can_be_host(name: str) -> bool:
    try:
        name.encode("idna")
    except UnicodeError:
        return False
    return _NO_HOST.search(name) is None


def check_url(url: str) -> str:
    """A server's URL, or `embedded`, as given.

    Raises:
        ValueError: it is neither; says what was expected.
    """
    if url != EMBEDDED:
        try:
            ServerUrl.parse(url)
        except ConfigurationError:
            raise ValueError("http[s]://[user:password@]host:port[/path], or embedded") from None
    return url


def remove_credentials(text: str) -> str:
    """A text that may hold a URL, or several, with nothing in it that could be credentials: for messages.

    It need be no URL: whatever stands before the last `@` may be a password with an `@`, a comma or a slash in it, and
    what stands in a port's place and is no number may be one whose host was forgotten.
    """
    return ",".join(map(_without_credentials, _NEXT.split(text)))


def _without_credentials(text: str) -> str:
    start, at, end = text.rpartition("@")
    scheme = _SCHEME.search(start)
    shown = f"{start[: scheme.end()] if scheme else ''}{_HIDDEN}@{end}" if at else text
    return _NO_PORT.sub(rf"\1:{_HIDDEN}", shown)


def format_display_url(url: str) -> str:
    """A server's URL without its credentials; `embedded` stays what it is.

    Raises:
        ConfigurationError: it is no URL.
    """
    return url if url == EMBEDDED else ServerUrl.parse(url).display


def identify_server(url: str) -> str:
    """What a server is told apart by: host and port, without credentials, path and scheme.

    Every name and address of the loopback interface is this host. A path is left out: what stands behind it may well be
    the same machine, and two clients at once would measure each other. Names are not looked up: a board that one URL
    calls by its name and another by its address is two.

    Embedded servers are one: each has this machine's cores to itself, as a board has its own.

    Raises:
        ConfigurationError: it is no URL.
    """
    if url == EMBEDDED:
        return EMBEDDED
    parsed = ServerUrl.parse(url)
    parts = urlsplit(parsed.display)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return f"{THIS_HOST if parsed.loopback else _host(parts.hostname or '')}:{port}"


def _host(name: str) -> str:
    """A host in one spelling: an IPv6 address shortened and in brackets, a name without the root's dot."""
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return name.removesuffix(".")
    address = getattr(address, "ipv4_mapped", None) or address  # ::ffff:192.168.1.5
    return f"[{address}]" if address.version == 6 else str(address)


def _authorization(parts: SplitResult) -> Secret | None:
    if parts.username is None:
        return None
    return encode_basic_auth(unquote(parts.username), unquote(parts.password or ""))


def encode_basic_auth(user: str, password: str) -> Secret:
    """The value of the Authorization header for a user and a password."""
    pair = f"{user}:{password}"
    return Secret(f"Basic {b64encode(pair.encode()).decode('ascii')}")


def remove_secret(text: str, authorization: Secret) -> str:
    """What a server says, in which neither the header's value nor the password can be read."""
    encoded = authorization.value.removeprefix("Basic ")
    password = b64decode(encoded).decode(errors="replace").partition(":")[2]
    for secret in (encoded, password, quote(password, safe=""), quote(password)):
        text = text.replace(secret, _HIDDEN) if secret else text
    return text


def _is_loopback(host: str) -> bool:
    host = host.removesuffix(".")
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:  # a name
        return False
    mapped = getattr(address, "ipv4_mapped", None)  # ::ffff:127.0.0.1
    # 0.0.0.0 and :: are addresses to listen on; whoever connects to them reaches this host
    return address.is_loopback or address.is_unspecified or (mapped is not None and mapped.is_loopback)
