"""How large an image is, read from the first bytes of its file: before anything of its size is allocated.

PNG, JPEG and BMP, those that bench folders hold. OpenCV, which decodes them, refuses larger images of every format than
its own limit, from their heads as well; this one may be lower.
"""

from __future__ import annotations

_PNG = b"\x89PNG\r\n\x1a\n"
_BMP = b"BM"
_JPEG = b"\xff\xd8"
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""JPEG's start-of-frame markers; the three between them are tables."""

_ALONE = frozenset({0x01, *range(0xD0, 0xD9)})
"""Markers without a length: restarts, the start of the image, and a temporary one."""


def read_pixel_count(content: bytes) -> int:
    """Width times height as the file's head says it; 0 where it says nothing that is understood here."""
    if content.startswith(_PNG):
        return int.from_bytes(content[16:20]) * int.from_bytes(content[20:24])
    if content.startswith(_BMP):
        return abs(
            int.from_bytes(content[18:22], "little", signed=True)
            * int.from_bytes(content[22:26], "little", signed=True)  # negative: from the top down
        )
    return _jpeg(content) if content.startswith(_JPEG) else 0


def _jpeg(content: bytes) -> int:
    at = 2
    while at + 9 <= len(content):
        if content[at] != 0xFF:
            at = content.find(b"\xff", at)  # decoders skip what stands between two segments
            if at < 0:
                break
            continue
        marker = content[at + 1]
        if marker == 0xFF:  # filling
            at += 1
        elif marker in _ALONE or marker == 0:
            at += 2
        elif marker in _FRAMES:
            return int.from_bytes(content[at + 5 : at + 7]) * int.from_bytes(content[at + 7 : at + 9])
        elif marker == 0xDA:  # the pixels begin
            break
        else:
            at += 2 + max(2, int.from_bytes(content[at + 2 : at + 4]))
    return 0
