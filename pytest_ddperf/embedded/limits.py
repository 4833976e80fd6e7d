"""Limits on what one request, one client or all clients together may cost the server. Excess requests get an error."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

MAX_NESTING: Final = 64
"""Most levels of nesting in a request's JSON. Requests of DeepDetect's API have 4."""

MAX_VALUES: Final = 100_000
"""Most values in a request's JSON. Without this limit, many tiny values could take twenty times the body's size."""

MAX_SERVICE_BYTES: Final = 2**20
"""Largest request that creates a service, in bytes. It is limited because the service keeps its parameters."""

MAX_NAME: Final = 256
"""Most characters in a service's name."""

MAX_HEAD_BYTES: Final = 64 * 2**10
"""Largest request line and headers together, in bytes."""

MAX_IMAGE_PIXELS: Final = 50_000_000
"""Most pixels of an image: 150 MB in memory. A small file can hold far more (a decompression bomb)."""

MAX_INPUT_PIXELS: Final = 64 * 2**20
"""Most pixels of the network's input for one request, all images together: 805 MB in float32, 256 images of 512x512."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The configurable limits.

    Args:
        body_bytes: largest request body, both compressed and decompressed; the default fits 256 inline images of
            750 kB.
        images: most images in one request, counting each image of a folder; the default is dd_bench's largest batch.
        services: most services at a time. A client that never deletes services gets an error before memory runs out.
        connections: most connections at a time.
        request_s: longest time to receive a request, and longest time that a client may stop reading the response, in
            seconds.
        fetch: whether to fetch images by http, which is possible from this host only.
    """

    body_bytes: int = 256 * 2**20
    images: int = 256
    services: int = 64
    connections: int = 256
    request_s: float = 60.0
    fetch: bool = True


DEFAULTS: Final = Limits()

LIMIT_OPTIONS: Final = (
    ("--max-body", "MIB", DEFAULTS.body_bytes // 2**20, 4096, "largest request body, MiB"),
    ("--max-images", "N", DEFAULTS.images, 65536, "maximum images per request"),
    ("--max-services", "N", DEFAULTS.services, 65536, "maximum number of services"),
    ("--max-connections", "N", DEFAULTS.connections, 65536, "maximum number of open connections"),
    ("--request-timeout", "S", 60, 86400, "seconds for a request to arrive completely"),
)
"""The server's options for these limits, all whole numbers of 1 or more: flag, metavar, default, maximum, help."""
