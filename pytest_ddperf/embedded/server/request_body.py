"""Reading of request bodies, with limits on size, nesting and number of values, and on the memory of all bodies."""

from __future__ import annotations

import zlib
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

import msgspec

from pytest_ddperf.embedded.api_errors import ApiError, malformed
from pytest_ddperf.embedded.limits import MAX_NESTING, MAX_VALUES, Limits

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from starlette.requests import Request

_AT_ONCE: Final = 2
"""Limit on the memory of all bodies that are held at a time, as a multiple of the largest body."""


class RequestBodyReader:
    """Reads and decodes the JSON of requests."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._held = 0

    @asynccontextmanager
    async def document(self, request: Request, most_bytes: int | None = None) -> AsyncIterator[Any]:
        """Read a body and decode its JSON, whatever its Content-Type. The body may be compressed.

        Its memory counts as used until the context ends. It may have `most_bytes`; None for the bytes of the limits.

        Raises:
            ApiError: 400 if the body is not JSON or nested too deeply, 413 if it is too large or has too many values,
                503 if all bodies together take too much memory.
        """
        most = min(self._limits.body_bytes, most_bytes or self._limits.body_bytes)
        held = 0

        def hold(size: int) -> None:
            nonlocal held
            if self._held + size > _AT_ONCE * self._limits.body_bytes:
                raise ApiError(
                    503, "Service Unavailable", 503, "the requests in progress use all the memory that is allowed"
                )
            held += size
            self._held += size

        try:
            content = await _received(request, most, hold)
            if request.headers.get("content-encoding", "").lower() in ("gzip", "deflate"):
                content = _unpacked(content, most)
                hold(len(content))
            yield _decoded(content)
        finally:
            self._held -= held


async def _received(request: Request, most: int, hold: Callable[[int], None]) -> bytes:
    body = bytearray()
    if int(request.headers.get("content-length", 0)) > most:  # the parser of HTTP accepts only whole numbers
        raise _too_large(most)
    async for chunk in request.stream():
        body += chunk
        if len(body) > most:
            raise _too_large(most)
        hold(len(chunk))
    return bytes(body)


def _unpacked(content: bytes, most: int) -> bytes:
    unpacker = zlib.decompressobj(zlib.MAX_WBITS | 32)  # detects gzip or zlib from the header
    try:
        unpacked = unpacker.decompress(content, most)
    except zlib.error:
        raise malformed() from None
    if unpacker.unconsumed_tail:
        raise _too_large(most)
    return unpacked


def _decoded(content: bytes) -> Any:  # noqa: ANN401 - any JSON
    if sum(content.count(mark) for mark in (b",", b"[", b"{")) > MAX_VALUES:  # base64 contains none of these characters
        raise ApiError(413, "PayloadTooLarge", 413, f"a request may have at most {MAX_VALUES} values")
    try:
        document = msgspec.json.decode(content)
    except (RecursionError, ValueError):
        raise malformed() from None
    if _is_deeper(document, MAX_NESTING):
        raise ApiError(400, "BadRequest", 400, f"a request may be nested at most {MAX_NESTING} levels deep")
    return document


def _is_deeper(value: object, levels: int) -> bool:
    """Return whether a document has more levels of nesting."""
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return inside is not None and (levels == 0 or any(_is_deeper(inner, levels - 1) for inner in inside))


def _too_large(most: int) -> ApiError:
    return ApiError(413, "PayloadTooLarge", 413, f"a request may have at most {most} bytes")
