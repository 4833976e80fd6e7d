"""Reader for the text format of protocol buffers, which Caffe's prototxt files use. Pure.

protobuf's own reader needs a compiled schema of every message and rejects fields that are not in it; every fork of
Caffe has its own schema. This reader therefore reads only the structure: field names and values as written, each with
its line number. The caller decides how a value is interpreted.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pytest_ddperf.errors import ModelFileError

if TYPE_CHECKING:
    from collections.abc import Iterator

DEEPEST = 100
"""Maximum nesting depth of messages; protobuf's own limit."""

_SHOWN = 60
_LARGEST = 2**63
_TOKEN = re.compile(
    r"""
    (?P<space>[ \t\r\n\f\v]+|\#[^\n]*)
  | (?P<string>"(?:[^"\\\n]|\\[^\n])*"|'(?:[^'\\\n]|\\[^\n])*')
  | (?P<number>-?(?:0[xX][0-9a-fA-F]+|(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?[fF]?)(?![A-Za-z0-9_.]))
  | (?P<word>-?[A-Za-z_][A-Za-z0-9_]*)
  | (?P<sign>[{}<>\[\]:,;])
    """,
    re.VERBOSE,
)
_WHOLE = re.compile(
    r"(?P<minus>-?)(?:0[xX](?P<hex>[0-9a-fA-F]{1,16})|0(?P<octal>[0-7]{1,22})|(?P<decimal>[0-9]{1,20}))"
)
_ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{1,2})|([0-7]{1,3})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.))", re.DOTALL)
_NAMED_ESCAPES = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_YES = frozenset({"true", "True", "t", "1"})
_NO = frozenset({"false", "False", "f", "0"})


@dataclass(frozen=True, slots=True)
class Scalar:
    """A value that is not a message.

    Args:
        text: text as written in the file; for a string, its content with escapes resolved.
        quoted: whether it is a string; otherwise a number or a word (`MAX`, `true`).
        line: line number, from 1; ignored in comparisons.
    """

    text: str
    quoted: bool = False
    line: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Message:
    """Fields in file order; a name may occur several times.

    The methods that read values raise `ModelFileError`, which names the line, for a value of another type.

    Args:
        line: line number where the message starts, from 1; ignored in comparisons.
        path: the file, for messages; ignored in comparisons.
    """

    fields: tuple[tuple[str, Scalar | Message], ...] = ()
    line: int = field(default=0, compare=False)
    path: object = field(default="", compare=False)

    def has(self, name: str) -> bool:
        """Whether a field of that name exists."""
        return any(each == name for each, _ in self.fields)

    def messages(self, name: str) -> list[Message]:
        """Return all messages of that name."""
        found: list[Message] = []
        for value in self._values(name):
            if isinstance(value, Scalar):
                raise self.error(value.line, f"{name}: {_shown(value.text)}", f"{name} {{ ... }}")
            found.append(value)
        return found

    def message(self, name: str) -> Message:
        """Return the message of that name: several are merged, as in protobuf; empty if there is none."""
        found = self.messages(name)
        fields = tuple(each for one in found for each in one.fields)
        return Message(fields, found[0].line if found else self.line, self.path)

    def text(self, name: str, default: str = "") -> str:
        """Return the last value of that name, or the default."""
        return ([default, *self.texts(name)])[-1]

    def texts(self, name: str) -> list[str]:
        """Return all values of that name."""
        return [one.text for one in self.scalars(name)]

    def whole(self, name: str, default: int) -> int:
        """Return the last value of that name as an integer, or the default."""
        return ([default, *self.wholes(name)])[-1]

    def wholes(self, name: str) -> list[int]:
        """Return all values of that name as integers."""
        return [self._whole(name, one) for one in self.scalars(name)]

    def reals(self, name: str) -> list[float]:
        """Return all values of that name as floats."""
        return [self._real(name, one) for one in self.scalars(name)]

    def flag(self, name: str, *, default: bool) -> bool:
        """Return the last value of that name as a boolean, or the default."""
        values = self.scalars(name)
        if not values:
            return default
        said = values[-1]
        if said.quoted or said.text not in _YES | _NO:
            raise self.error(said.line, f"{name}: {_shown(said.text)}", "true or false")
        return said.text in _YES

    def error(self, line: int | None, found: str, expected: str) -> ModelFileError:
        """Create an error located at a line of the file."""
        return ModelFileError(self.path, line or None, found, expected)

    def scalars(self, name: str) -> list[Scalar]:
        """Return all values of that name, with their lines."""
        found: list[Scalar] = []
        for value in self._values(name):
            if isinstance(value, Message):
                raise self.error(value.line, f"{name} {{ ... }}", f"{name} with one value, such as {name}: 1")
            found.append(value)
        return found

    def _values(self, name: str) -> Iterator[Scalar | Message]:
        return (value for each, value in self.fields if each == name)

    def _whole(self, name: str, said: Scalar) -> int:
        match = None if said.quoted else _WHOLE.fullmatch(said.text)
        value = _LARGEST
        if match is not None:
            digits, base = next((match[key], base) for key, base in _BASES if match[key])
            value = int(digits, base) * (-1 if match["minus"] else 1)
        if abs(value) >= _LARGEST:
            raise self.error(said.line, f"{name}: {_shown(said.text)}", "a whole number")
        return value

    def _real(self, name: str, said: Scalar) -> float:
        try:
            value = math.nan if said.quoted else float(said.text.rstrip("fF"))
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise self.error(said.line, f"{name}: {_shown(said.text)}", "a number")
        return value


_BASES = (("hex", 16), ("octal", 8), ("decimal", 10))


def parse(text: str, path: object = "prototxt") -> Message:
    """Parse a file into a message with its fields.

    Raises:
        ModelFileError: the text is not in the text format; names the line.
    """
    return Message(_Parser(text, path).fields("end", 0), 1, path)


_CLOSING = {"{": "}", "<": ">"}
"""Signs that begin a message, with those that end it."""


@dataclass(frozen=True, slots=True)
class _Token:
    """A string, number or word, a sign as its own kind, or the end of the file."""

    kind: str
    text: str
    line: int


class _Parser:
    def __init__(self, text: str, path: object) -> None:
        self._path = path
        self._tokens = list(self._split(text))
        self._at = 0

    def fields(self, end: str, depth: int) -> tuple[tuple[str, Scalar | Message], ...]:
        """Parse the fields up to and including the token of the kind `end`."""
        if depth > DEEPEST:
            depths = f"messages nested deeper than {DEEPEST}"
            raise ModelFileError(self._path, self._next.line, depths, "a network")
        found: list[tuple[str, Scalar | Message]] = []
        while (token := self._take()).kind != end:
            name = self._name(token)
            found.extend((name, value) for value in self._value(name, depth))
            if self._next.kind in {",", ";"}:
                self._take()
        return tuple(found)

    def _name(self, token: _Token) -> str:
        if token.kind == "word" and not token.text.startswith("-"):
            return token.text
        raise self._unexpected(token, "the name of a field, such as layer")

    def _value(self, name: str, depth: int) -> list[Scalar | Message]:
        colon = self._next
        if colon.kind == ":":
            self._take()
        token = self._take()
        if token.kind == "[" and colon is not token:
            return self._list(depth)
        if token.kind in _CLOSING:
            return [self._message(token, depth)]
        if colon is token:
            raise self._unexpected(token, f"{name}: VALUE, or {name} {{ ... }}")
        return [self._scalar(token)]

    def _list(self, depth: int) -> list[Scalar | Message]:
        values: list[Scalar | Message] = []
        token = self._take()
        if token.kind == "]":
            return values
        while True:
            values.append(self._message(token, depth) if token.kind in _CLOSING else self._scalar(token))
            token = self._take()
            if token.kind == "]":
                return values
            if token.kind != ",":
                raise self._unexpected(token, "`,` or `]`")
            token = self._take()

    def _message(self, opening: _Token, depth: int) -> Message:
        return Message(self.fields(_CLOSING[opening.kind], depth + 1), opening.line, self._path)

    def _scalar(self, token: _Token) -> Scalar:
        if token.kind == "string":
            parts = [token]
            while self._next.kind == "string":  # adjacent strings are concatenated
                parts.append(self._take())
            return Scalar(_unescaped("".join(part.text[1:-1] for part in parts)), True, token.line)
        if token.kind not in {"number", "word"}:
            raise self._unexpected(token, "a value")
        return Scalar(token.text, False, token.line)

    @property
    def _next(self) -> _Token:
        return self._tokens[self._at]

    def _take(self) -> _Token:
        token = self._next
        self._at = min(self._at + 1, len(self._tokens) - 1)
        return token

    def _split(self, text: str) -> Iterator[_Token]:
        line, at = 1, 0
        while at < len(text):
            match = _TOKEN.match(text, at)
            if match is None:
                what = "a string that does not end on its line" if text[at] in "\"'" else _shown(text[at : at + 20])
                raise ModelFileError(self._path, line, what, "fields of a prototxt, such as layer { ... }")
            if match.lastgroup != "space":
                yield _Token(match[0] if match.lastgroup == "sign" else str(match.lastgroup), match[0], line)
            line += match[0].count("\n")
            at = match.end()
        yield _Token("end", "", line)

    def _unexpected(self, token: _Token, expected: str) -> ModelFileError:
        found = "the end of the file" if token.kind == "end" else _shown(token.text)
        return ModelFileError(self._path, token.line, found, expected)


def _unescaped(text: str) -> str:
    """Resolve the escapes in a string; numeric escapes are bytes of UTF-8."""
    found = bytearray()
    at = 0
    for match in _ESCAPE.finditer(text):
        found += text[at : match.start()].encode(errors="replace") + _byte_or_character(match)
        at = match.end()
    return (found + text[at:].encode(errors="replace")).decode(errors="backslashreplace")


def _byte_or_character(match: re.Match[str]) -> bytes:
    hexadecimal, octal, short, long, plain = match.groups()
    if hexadecimal or octal:
        return bytes([int(hexadecimal or octal, 16 if hexadecimal else 8) & 0xFF])
    if short or long:
        point = int(short or long, 16)
        return chr(point).encode(errors="replace") if point <= 0x10FFFF else b"?"
    return _NAMED_ESCAPES.get(plain, plain).encode(errors="replace")


def _shown(text: str) -> str:
    return repr(text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "...")
