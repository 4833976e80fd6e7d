"""Fetching of images by http URL, from this host only: clients must not reach other hosts through the server."""

from __future__ import annotations

import contextlib
import http.client
import socket
import threading
import time
from urllib.parse import urlsplit

from pytest_ddperf.core.loopback import is_loopback
from pytest_ddperf.errors import DdperfError

MAX_FILE_BYTES = 64 * 2**20
"""Largest image file from any source, in bytes: a 50-megapixel PNG fits."""

FETCH_TIMEOUT_S = 5.0
"""Longest time to fetch a URL, in seconds, including connecting, waiting and reading."""


class ImageReadError(DdperfError):
    """An image cannot be read. The message is DeepDetect's."""


def describe_unreadable(uri: str) -> ImageReadError:
    """Return the error with DeepDetect's message for any unreadable image; it shows the uri cut to 200 characters."""
    shown = uri if len(uri) <= 197 else f"{uri[:197]}..."
    return ImageReadError(f"image could not be read or does not exist: {shown}")


def fetch(url: str) -> bytes:
    """Fetch an http URL of this host. Redirects are not followed.

    Raises:
        ImageReadError: the URL is not http or names another host, the connection fails, the status is not 200, or the
            response is too large or too slow.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or 80
    except ValueError:
        raise describe_unreadable(url) from None
    if parts.scheme != "http" or not is_loopback(host):
        raise ImageReadError(f"only http URLs of this host are allowed: {url[:200]}")
    began_s = time.monotonic()
    connection = http.client.HTTPConnection(host, port, timeout=FETCH_TIMEOUT_S)
    hang_up = threading.Timer(FETCH_TIMEOUT_S, _hang_up, [connection])  # one byte every 4 s never hits the timeout
    hang_up.daemon = True
    try:
        try:
            connection.connect()
        except OSError:
            waited = int(1000 * (time.monotonic() - began_s))
            raise ImageReadError(
                f"Failed to connect to {host} port {port} after {waited} ms: Couldn't connect to server"
            ) from None
        hang_up.start()
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request("GET", target)
        answer = connection.getresponse()
        content = answer.read(MAX_FILE_BYTES + 1)
    except (OSError, ValueError, http.client.HTTPException):
        raise describe_unreadable(url) from None
    finally:
        hang_up.cancel()
        connection.close()
    if (
        answer.status != 200
        or answer.length
        or len(content) > MAX_FILE_BYTES
        or time.monotonic() - began_s > FETCH_TIMEOUT_S
    ):
        raise describe_unreadable(url)
    return content


def _hang_up(connection: http.client.HTTPConnection) -> None:
    if connection.sock is not None:
        with contextlib.suppress(OSError):
            connection.sock.shutdown(socket.SHUT_RDWR)
