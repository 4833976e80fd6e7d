from __future__ import annotations

import json

import pytest
from every_row import every_row
from hypothesis import given
from hypothesis import strategies as st
from messages import assert_names

from pytest_ddperf.errors import ModelFileError
from pytest_ddperf.models.caffe.prototxt import DEEPEST, Message, Scalar, parse

NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True)
NUMBERS = st.integers(-(10**9), 10**9).map(str) | st.floats(allow_nan=False, allow_infinity=False).map(repr)
SCALARS = st.builds(Scalar, NUMBERS | NAMES) | st.builds(Scalar, st.text(max_size=12), st.just(True))
MESSAGES = st.recursive(
    st.builds(Message),
    lambda inner: st.builds(Message, st.lists(st.tuples(NAMES, SCALARS | inner), max_size=4).map(tuple)),
    max_leaves=12,
)


def text_of(message: Message) -> str:
    """The message in the text format; JSON's escapes are among protobuf's."""
    return "\n".join(
        f"{name} {{ {text_of(value)} }}"
        if isinstance(value, Message)
        else f"{name}: {json.dumps(value.text, ensure_ascii=False) if value.quoted else value.text}"
        for name, value in message.fields
    )


@given(MESSAGES)
def test_what_is_written_is_read_back(message: Message) -> None:
    assert parse(text_of(message)) == message


@given(st.text(max_size=60) | st.text(alphabet="layer{}<>[]:,;\"'\\#\n 0123.-_x", max_size=60))
def test_garbage_is_a_message_or_the_projects_own_error(text: str) -> None:
    line: int | None = 1
    try:
        read = parse(text)
        assert parse(text_of(read)) == read
    except ModelFileError as error:
        line = error.line
    assert line is not None
    assert 1 <= line <= text.count("\n") + 1


@given(st.text(alphabet="0123456789abcdefx.-+", min_size=1, max_size=40))
def test_a_number_is_a_number_or_the_projects_own_error(text: str) -> None:
    message = Message((("n", Scalar(text)),))
    for ask in (lambda: message.whole("n", 0), lambda: message.reals("n")[0]):
        try:
            value = ask()
        except ModelFileError:
            continue
        assert float(text.rstrip("fF") if "x" not in text.lower() else int(text, 16)) == float(value) or text[0] in "0-"


def test_fields_come_in_order_with_their_lines() -> None:
    read = parse('name: "net"\n# a comment\nlayer {\n  top: "a" top: "b"\n}\nlayer { top: "c" }\n')
    assert read.text("name") == "net"
    assert [(one.line, one.texts("top")) for one in read.messages("layer")] == [(3, ["a", "b"]), (6, ["c"])]


@every_row(
    "text", ["p { k: 3 k: 5 }", "p: { k: 3, k: 5 }", "p < k: 3; k: 5 >", "p { k: [3, 5] }", "p { k: 3 } p { k: 5 }"]
)
def test_a_message_is_the_same_however_it_is_written(text: str) -> None:
    assert parse(text).message("p").wholes("k") == [3, 5]


def test_a_list_may_hold_messages() -> None:
    assert [one.whole("k", 0) for one in parse("p: [{ k: 1 }, < k: 2 >]").messages("p")] == [1, 2]


def test_an_empty_list_is_no_field() -> None:
    assert not parse("p: []").has("p")


def test_neighbouring_strings_are_one() -> None:
    assert parse('name: "con" \'v1\'\n"/7x7"').text("name") == "conv1/7x7"


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (r"\"\'\\", "\"'\\"),
        (r"\n\t", "\n\t"),
        (r"\303\251", "é"),
        (r"\xc3\xa9", "é"),
        ("\\u00e9\\U0001F600", "é😀"),
        (r"\377", r"\xff"),
    ],
)
def test_escapes_of_a_string(written: str, meant: str) -> None:
    assert parse(f'name: "{written}"').text("name") == meant


@pytest.mark.parametrize(("written", "meant"), [("12", 12), ("-3", -3), ("0x1F", 31), ("017", 15), ("0", 0)])
def test_whole_numbers_as_protobuf_writes_them(written: str, meant: int) -> None:
    assert parse(f"n: {written}").whole("n", 7) == meant


@every_row("written", ["1.5", '"3"', "MAX", "99999999999999999999", "9" * 5000])
def test_what_is_no_whole_number_is_named_with_its_line(written: str) -> None:
    with pytest.raises(ModelFileError) as caught:
        parse(f"\nn: {written}", "net").whole("n", 0)
    assert_names(caught, "net, line 2", "n: ", "whole number")


@pytest.mark.parametrize(("written", "meant"), [("1e-3", 0.001), ("0.5f", 0.5), ("2", 2.0), (".5", 0.5)])
def test_numbers_as_protobuf_writes_them(written: str, meant: float) -> None:
    assert parse(f"n: {written}").reals("n") == [meant]


@every_row("written", ["nan", "-inf", "1e999", "wide"])
def test_what_is_no_number_is_refused(written: str) -> None:
    with pytest.raises(ModelFileError) as caught:
        parse(f"n: {written}").reals("n")
    assert_names(caught, "n: ", "number")


@pytest.mark.parametrize(("written", "meant"), [("true", True), ("1", True), ("false", False), ("0", False)])
def test_true_and_false(written: str, meant: bool) -> None:
    assert parse(f"f: {written}").flag("f", default=not meant) is meant


def test_neither_true_nor_false_is_refused() -> None:
    with pytest.raises(ModelFileError) as caught:
        parse("f: maybe").flag("f", default=True)
    assert_names(caught, "f: ", "true", "false")


def test_what_is_not_there_is_its_default() -> None:
    empty = parse("")
    assert (empty.text("t", "x"), empty.whole("n", 3), empty.flag("f", default=True)) == ("x", 3, True)
    assert empty.message("p") == Message()


@pytest.mark.parametrize("asked", ["whole", "text"])
def test_a_message_is_no_value(asked: str) -> None:
    message = parse("\nn { k: 1 }")
    with pytest.raises(ModelFileError, match="line 2"):
        message.whole("n", 0) if asked == "whole" else message.text("n")


def test_a_value_is_no_message() -> None:
    with pytest.raises(ModelFileError) as caught:
        parse("n: 3").messages("n")
    assert_names(caught, "line 1", "n: '3'", "n { ... }")


@pytest.mark.parametrize(
    ("text", "line", "found"),
    [
        ("layer {\n  name: 'a'\n", 3, "the end of the file"),
        ("layer }\n", 1, "'}'"),
        ("layer {\n name 'a' }", 2, "\"'a'\""),
        ("name: 'a\n", 1, "a string that does not end on its line"),
        ("a: 1\nb: $", 2, "'$'"),
        ("a: [1, 2", 1, "the end of the file"),
        ("a: [1 2]", 1, "'2'"),
        ("\n}", 2, "'}'"),
        ("layer {\n>", 2, "'>'"),
        ("[a", 1, "'['"),
        ("k: 3x3", 1, "'3x3'"),
    ],
)
def test_a_broken_file_is_named_with_its_line(text: str, line: int, found: str) -> None:
    with pytest.raises(ModelFileError) as caught:
        parse(text, "deploy.prototxt")
    assert caught.value.line == line
    assert str(caught.value).startswith(f"deploy.prototxt, line {line}: {found}; expected ")


def test_messages_nested_without_end_are_refused() -> None:
    with pytest.raises(ModelFileError) as caught:
        parse("a {" * 100_000)
    assert_names(caught, DEEPEST)
