"""Image size from the header of a file, known before memory for the pixels is allocated.

It supports PNG, JPEG and BMP, the formats in benchmark folders. OpenCV, which decodes the images, checks its own limit
from the header, too, and for every format. The limit checked here may be lower.
"""

from __future__ import annotations

_PNG = b"\x89PNG\r\n\x1a\n"
_BMP = b"BM"
_JPEG = b"\xff\xd8"
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""JPEG's start-of-frame markers. The three markers left out of the range do not start a frame."""

_ALONE = frozenset({0x01, *range(0xD0, 0xD9)})
"""JPEG markers that are not followed by a length: restarts, start of image, and the one for temporary use."""


def read_pixel_count(content: bytes) -> int:
    """Return width times height from the file's header; 0 if the format is unknown or no size is found."""
    if content.startswith(_PNG):
        return int.from_bytes(content[16:20]) * int.from_bytes(content[20:24])
    if content.startswith(_BMP):
        return abs(
            int.from_bytes(content[18:22], "little", signed=True)
            * int.from_bytes(content[22:26], "little", signed=True)  # negative if rows are stored top down
        )
    return _jpeg(content) if content.startswith(_JPEG) else 0


def _jpeg(content: bytes) -> int:
    at = 2
    while at + 9 <= len(content):
        if content[at] != 0xFF:
            at = content.find(b"\xff", at)  # decoders skip bytes between two segments
            if at < 0:
                break
            continue
        marker = content[at + 1]
        if marker == 0xFF:  # padding
            at += 1
        elif marker in _ALONE or marker == 0:
            at += 2
        elif marker in _FRAMES:
            return int.from_bytes(content[at + 5 : at + 7]) * int.from_bytes(content[at + 7 : at + 9])
        elif marker == 0xDA:  # start of scan: the pixels follow
            break
        else:
            at += 2 + max(2, int.from_bytes(content[at + 2 : at + 4]))
    return 0
