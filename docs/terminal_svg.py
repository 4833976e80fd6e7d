"""What a terminal shows, as an SVG: lines of text in pytest's colours (SGR sequences), each character in its place."""

from __future__ import annotations

import re
from html import escape, unescape
from itertools import groupby

COLUMN, LINE, MARGIN, SIZE = 8.0, 18.0, 14.0, 13.0
"""Pixels: width of a character, height of a line, room around them, size of the letters."""

FOREGROUND, BACKGROUND = "#d6dae0", "#16181d"
COLOURS = {30: "#5c6370", 31: "#f2777a", 32: "#7fc98b", 33: "#e6c07b", 34: "#79aef0", 35: "#c792ea", 36: "#6fc3c9"}
_FONTS = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace"
_SEQUENCE = re.compile(r"\x1b\[([\d;]*)m")
_WORDS = re.compile(r"\S+(?: \S+)*")  # without two blanks in a row, which an SVG takes for one

Style = tuple[str, bool]
"""Colour and boldness."""


def cells_of(line: str) -> list[tuple[str, Style]]:
    """The characters of a line that is printed with colours, each with its style."""
    style: Style = (FOREGROUND, False)
    cells: list[tuple[str, Style]] = []
    for number, part in enumerate(_SEQUENCE.split(line)):
        if number % 2 == 0:
            cells += [(character, style) for character in part]
            continue
        for code in [int(one or 0) for one in part.split(";")]:
            colour, bold = style
            style = (FOREGROUND, False) if code == 0 else (COLOURS.get(code, colour), bold or code == 1)
    return cells


def svg(lines: list[str], columns: int, description: str) -> str:
    """The lines as a picture, `columns` characters wide; what is longer goes on in the next line."""
    rows = []
    for line in lines:
        cells = cells_of(line)
        rows += [cells[start : start + columns] for start in range(0, max(1, len(cells)), columns)]
    width, height = columns * COLUMN + 2 * MARGIN, len(rows) * LINE + 2 * MARGIN
    size = f'viewBox="0 0 {width:g} {height:g}" width="{width:g}" height="{height:g}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" font-family="{_FONTS}" font-size="{SIZE:g}">',
        f"<title>{escape(description)}</title>",
        f'<rect width="100%" height="100%" rx="8" fill="{BACKGROUND}"/>',
    ]
    for number, row in enumerate(rows):
        column = 0
        for (colour, bold), group in groupby(row, key=lambda cell: cell[1]):
            text = "".join(character for character, _ in group)
            weight = ' font-weight="bold"' if bold else ""
            for words in _WORDS.finditer(text):
                x, y, length = MARGIN + (column + words.start()) * COLUMN, MARGIN + number * LINE + SIZE, len(words[0])
                parts.append(
                    f'<text x="{x:g}" y="{y:g}" fill="{colour}"{weight} textLength="{length * COLUMN:g}" '
                    f'lengthAdjust="spacingAndGlyphs">{escape(words[0])}</text>'
                )
            column += len(text)
    return "\n".join([*parts, "</svg>"]) + "\n"


def lines_of(picture: str) -> list[str]:
    """The text of a picture, line by line, as it was printed."""
    rows: dict[float, str] = {}
    for x, y, text in re.findall(r'<text x="([\d.]+)" y="([\d.]+)".*?>(.*?)</text>', picture):
        row = rows.get(float(y), "")
        rows[float(y)] = row.ljust(round((float(x) - MARGIN) / COLUMN)) + unescape(text)
    return list(rows.values())
