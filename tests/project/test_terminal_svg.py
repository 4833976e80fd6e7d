from __future__ import annotations

from xml.dom import minidom

from terminal_svg import BACKGROUND, COLOURS, FOREGROUND, cells_of, lines_of, svg


def test_a_character_has_the_colour_and_the_weight_that_were_set_before_it() -> None:
    assert cells_of("a\x1b[31mb\x1b[1mc\x1b[0md") == [
        ("a", (FOREGROUND, False)),
        ("b", (COLOURS[31], False)),
        ("c", (COLOURS[31], True)),
        ("d", (FOREGROUND, False)),
    ]


def test_two_settings_may_stand_in_one_sequence() -> None:
    assert cells_of("\x1b[1;36mx\x1b[m") == [("x", (COLOURS[36], True))]


def test_the_text_comes_back_from_the_picture_with_its_blanks_and_signs() -> None:
    lines = ["$ pytest -k 'a and b'", "  1   90.7 \x1b[31m+0.0% <\x1b[0m & >", "", "end"]
    assert lines_of(svg(lines, 40, "x")) == ["$ pytest -k 'a and b'", "  1   90.7 +0.0% < & >", "end"]


def test_a_line_that_is_too_long_goes_on_in_the_next_one() -> None:
    assert lines_of(svg(["abcdef"], 4, "x")) == ["abcd", "ef"]


def test_a_picture_is_xml_with_a_title_and_a_background_of_its_own() -> None:
    root = minidom.parseString(svg(["x < y"], 10, "a & b"))  # noqa: S318 - it was written just now
    assert root.getElementsByTagName("title")[0].firstChild.nodeValue == "a & b"  # type: ignore[union-attr]
    assert root.getElementsByTagName("rect")[0].getAttribute("fill") == BACKGROUND
