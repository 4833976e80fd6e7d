"""What one request, one client or all of them together may cost the server: whoever asks for more is told so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

MAX_NESTING: Final = 64
"""Levels of a request's JSON: DeepDetect's own requests have 4."""

MAX_VALUES: Final = 100_000
"""Values of a request's JSON, so that one of a few bytes each cannot take twenty times its size in memory."""

MAX_SERVICE_BYTES: Final = 2**20
"""Largest request that creates a service, in bytes: its parameters are kept."""

MAX_NAME: Final = 256
"""Characters of a service's name."""

MAX_HEAD_BYTES: Final = 64 * 2**10
"""Largest request line with its headers, in bytes."""

MAX_INPUT_PIXELS: Final = 64 * 2**20
"""Pixels of the network's input of one request, all images together: 805 MB in float32, 256 images of 512x512."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Those that can be chosen.

    Args:
        body_bytes: largest request body, packed and unpacked; the default is 256 inline images of 750 kB.
        images: most images of one request, folders opened; the default is dd_bench's largest batch.
        pixels: largest image, in pixels. A small file can hold far more (a decompression bomb).
        services: most services at a time: a client that never deletes runs into this, not out of memory.
        connections: most connections at a time.
        request_s: longest time that a request may take to come in, or its answer to be taken, in seconds.
        fetch: whether images are fetched by http, which is from this host only.
    """

    body_bytes: int = 256 * 2**20
    images: int = 256
    pixels: int = 50_000_000
    services: int = 64
    connections: int = 256
    request_s: float = 60.0
    fetch: bool = True


DEFAULTS: Final = Limits()
