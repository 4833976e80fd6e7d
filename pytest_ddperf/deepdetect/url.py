"""Parsing of a server's URL and hiding of its credentials. Standard library only."""

from __future__ import annotations

import ipaddress
import re
from base64 import b64decode, b64encode
from dataclasses import dataclass
from urllib.parse import quote, unquote, urlsplit

from pytest_ddperf.core.loopback import is_this_host
from pytest_ddperf.errors import ConfigurationError

EMBEDDED = "embedded"
"""Used instead of a URL for the embedded server on this machine."""

THIS_HOST = "localhost"
"""The name used for this host, for any loopback address in a URL."""

_EXPECTED = "http[s]://[user:password@]host:port[/path]"
_HIDDEN = "***"
_SCHEME = re.compile(r"https?://")
_NEXT = re.compile(r",(?=[\w.-]+=https?://)")
_NO_HOST = re.compile(r"[\s\x00-\x1f\"<>\\^`{|}]")
"""Characters that no host name contains; older versions of urllib3 accept them and query the resolver."""
_NO_PORT = re.compile(r"(https?://[^/:@\[\]]*):(?!\d{1,5}(?:[/?#,\s]|$)).*", re.DOTALL)


class Secret:
    """A secret text that neither its repr nor a traceback's locals show."""

    __slots__ = ("value",)

    def __init__(self, value: str) -> None:
        self.value = value

    def __repr__(self) -> str:
        return "***"


class Address(str):
    """A URL as the user gave it; its repr, which a traceback's locals show, omits credentials."""

    __slots__ = ()

    def __repr__(self) -> str:
        return repr(remove_credentials(str(self)))


@dataclass(frozen=True, slots=True)
class ServerUrl:
    """A server's URL, parsed so that its credentials are only in `authorization`.

    Args:
        display: scheme, host, port and base path, without a trailing slash.
        loopback: whether the server is on this host.
        authorization: value of the Authorization header; None without credentials. Neither the repr nor a traceback's
            locals show it.
    """

    display: str
    loopback: bool
    authorization: Secret | None = None

    @classmethod
    def parse(cls, url: str) -> ServerUrl:
        """Parse `http[s]://[user:password@]host[:port][/path]`.

        Raises:
            ConfigurationError: the URL does not have that form. The message shows it without credentials.
        """
        try:
            return _parse(url)
        except ValueError as error:
            shown = remove_credentials(url)
            raise ConfigurationError(f"The server URL {shown!r} is invalid; expected {error}.") from None


def _parse(url: str) -> ServerUrl:
    """Parse a server's URL; raises `ValueError`, whose message states what is expected and contains no part of it."""
    try:
        parts = urlsplit(url.strip())
        port = parts.port
    except ValueError:  # the error's text may contain part of the password
        raise ValueError(_EXPECTED) from None
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
        raise ValueError(_EXPECTED)
    if not _can_be_host(parts.hostname):
        raise ValueError(f"{_EXPECTED} with a valid host name")
    address, _, zone = parts.hostname.partition("%")  # a link-local address names its interface: fe80::1%eth0
    host = f"{address}%25{zone.removeprefix('25')}" if zone else parts.hostname
    host = f"[{host}]" if ":" in host else host
    where = f"{parts.scheme}://{host}" + (f":{port}" if port is not None else "") + parts.path.rstrip("/")
    authorization = None
    if parts.username is not None:
        user = unquote(parts.username)
        if ":" in user:
            raise ValueError(f"{_EXPECTED} without a colon in the user name (RFC 7617)")
        authorization = encode_basic_auth(user, unquote(parts.password or ""))
    return ServerUrl(where, is_this_host(parts.hostname), authorization)


def _can_be_host(name: str) -> bool:
    try:
        name.encode("idna")
    except UnicodeError:
        return False
    return _NO_HOST.search(name) is None


def check_url(url: str) -> str:
    """Check a server's URL, or `embedded`, and return it unchanged.

    Raises:
        ValueError: the text is neither; the message states what is expected.
    """
    if url != EMBEDDED:
        try:
            _parse(url)
        except ValueError as error:
            raise ValueError(f"{error}, or embedded") from None
    return url


def remove_credentials(text: str) -> str:
    """Remove everything that could be credentials from a text with one or several URLs, for messages.

    The URLs need not be valid. Everything before the last `@` may belong to a password that contains an `@`, a comma or
    a slash; and if the host was forgotten, a password may be in the place of the port.
    """
    return ",".join(map(_without_credentials, _NEXT.split(text)))


def _without_credentials(text: str) -> str:
    start, at, end = text.rpartition("@")
    scheme = _SCHEME.search(start)
    shown = f"{start[: scheme.end()] if scheme else ''}{_HIDDEN}@{end}" if at else text
    return _NO_PORT.sub(rf"\1:{_HIDDEN}", shown)


def format_display_url(url: str) -> str:
    """Format a server's URL without its credentials; `embedded` is unchanged.

    Raises:
        ConfigurationError: the text is not a URL.
    """
    return url if url == EMBEDDED else ServerUrl.parse(url).display


def identify_server(url: str) -> str:
    """Return the identity of a server: host and port, without credentials, path and scheme.

    All names and addresses of the loopback interface are this host. The path is omitted: different paths may lead to
    the same machine, where two clients at once would disturb each other's measurements. Names are not looked up: a
    board given by name in one URL and by address in another counts as two servers.

    All embedded servers count as one server, because each needs all cores of this machine.

    Raises:
        ConfigurationError: the text is not a URL.
    """
    if url == EMBEDDED:
        return EMBEDDED
    parsed = ServerUrl.parse(url)
    parts = urlsplit(parsed.display)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return f"{THIS_HOST if parsed.loopback else _host(parts.hostname or '')}:{port}"


def _host(name: str) -> str:
    """Normalise a host: an IPv6 address is shortened and in brackets, a name has no trailing dot."""
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return name.removesuffix(".")
    address = getattr(address, "ipv4_mapped", None) or address  # ::ffff:192.168.1.5
    return f"[{address}]" if address.version == 6 else str(address)


def encode_basic_auth(user: str, password: str) -> Secret:
    """Encode a user and a password as the value of the Authorization header."""
    pair = f"{user}:{password}"
    return Secret(f"Basic {b64encode(pair.encode()).decode('ascii')}")


def remove_secret(text: str, authorization: Secret) -> str:
    """Replace the header's value and the password in a server's text."""
    encoded = authorization.value.removeprefix("Basic ")
    password = b64decode(encoded).decode(errors="replace").partition(":")[2]
    return hide_credentials(text, encoded, password)


def hide_credentials(text: str, encoded: str, password: str) -> str:
    """Replace a password, also as in a URL, and the encoded pair of user and password in a text."""
    for secret in (encoded, password, quote(password, safe=""), quote(password)):
        text = text.replace(secret, _HIDDEN) if secret else text
    return text
