"""What a terminal shows, as an SVG: lines of text with pytest's colours (SGR sequences), each character in its place."""

from __future__ import annotations

import re
from html import escape
from itertools import groupby

COLUMN, LINE, MARGIN, SIZE = 8.0, 18.0, 14.0, 13.0
"""Pixels: width of a character, height of a line, room around them, size of the letters."""

FOREGROUND, BACKGROUND = "#d6dae0", "#16181d"
COLOURS = {30: "#5c6370", 31: "#f2777a", 32: "#7fc98b", 33: "#e6c07b", 34: "#79aef0", 35: "#c792ea", 36: "#6fc3c9"}
_SEQUENCE = re.compile(r"\x1b\[([\d;]*)m")

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
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" width="{width:g}" '
        f'height="{height:g}" role="img" font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, '
        f"'DejaVu Sans Mono', monospace\" font-size=\"{SIZE:g}\">",
        f"<title>{escape(description)}</title>",
        f'<rect width="100%" height="100%" rx="8" fill="{BACKGROUND}"/>',
    ]
    for number, row in enumerate(rows):
        parts.append('<g class="line" xml:space="preserve">')
        column = 0
        for (colour, bold), group in groupby(row, key=lambda cell: cell[1]):
            text = "".join(character for character, _ in group)
            weight = ' font-weight="bold"' if bold else ""
            if text.strip():
                parts.append(
                    f'<text x="{MARGIN + column * COLUMN:g}" y="{MARGIN + number * LINE + SIZE:g}" fill="{colour}"'
                    f'{weight} textLength="{len(text) * COLUMN:g}" lengthAdjust="spacingAndGlyphs">{escape(text)}</text>'
                )
            column += len(text)
        parts.append("</g>")
    return "\n".join([*parts, "</svg>"]) + "\n"
