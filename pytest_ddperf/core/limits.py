"""Types and limits of the values that options and keys of ddperf.toml accept, and the `{model}` placeholder.

Every pytest run imports this module; it imports nothing of the package.
"""

from __future__ import annotations

import math
from collections.abc import Callable  # noqa: TC003 - a NamedTuple reads its fields' types at run time
from typing import Any, Final, NamedTuple

MODEL: Final = "{model}"
"""Placeholder for a network's id."""

LARGEST: Final = 10**9
"""Upper limit of numbers; far above any figure of a platform. Numbers in TOML are unbounded."""

LONGEST_S: Final = 1e6
"""Maximum of any wait or time limit in seconds: eleven days. System calls do not accept much longer times."""


class ValueType(NamedTuple):
    """A type of value, written as text (an option, a variable, an ini key) or as a TOML value.

    Args:
        expected: what a value must be, for messages; "" if the errors of `read` and `check` say it themselves.
        read: converts text to a value; raises ValueError.
        check: checks and normalises a value; raises ValueError.
        example: for a list: the values shown in messages; () for a single value.
        choices: the valid words; () if any text may be valid.
    """

    expected: str
    read: Callable[[str], Any] = str
    check: Callable[[Any], Any] = str
    example: tuple[float | str, ...] = ()
    choices: tuple[str, ...] = ()

    def parse(self, text: str) -> Any:  # noqa: ANN401 - the type's own values
        """Convert text to a checked value.

        Raises:
            ValueError: the text is not valid; the message states what is expected.
        """
        return self._checked(text, self.read, f", separated by commas, such as {','.join(map(str, self.example))}")

    def convert(self, value: Any) -> Any:  # noqa: ANN401 - as above
        """Check and normalise a value decoded from TOML.

        Raises:
            ValueError: the value is not valid; the message states what is expected.
        """
        return self._checked(value, lambda one: one, f", such as {list(self.example)}")

    def _checked(self, value: Any, read: Callable[[Any], Any], example: str) -> Any:  # noqa: ANN401 - as above
        try:
            return self.check(read(value))
        except (ValueError, OverflowError) as error:
            raise ValueError(f"{self.expected or error}{example if self.example else ''}") from None


def require(fits: Callable[[Any], object]) -> Callable[[Any], Any]:
    """Create a check that returns a value unchanged if it fits, and raises ValueError otherwise."""

    def check(value: Any) -> Any:  # noqa: ANN401 - any type of value
        if not fits(value):
            raise ValueError
        return value

    return check


def split_names(text: str) -> tuple[str, ...]:
    """Split a comma-separated list; spaces around a name and empty names are dropped."""
    return tuple(name for part in text.split(",") if (name := part.strip()))


def whole_number(least: int, most: int | None = None) -> ValueType:
    """Create the type of whole numbers from `least` to `most`; without `most`, below `LARGEST`."""
    expected = f"a whole number of {least} or more" if most is None else f"a whole number from {least} to {most}"
    return ValueType(expected, int, require(lambda value: least <= value <= (LARGEST if most is None else most)))


def number(expected: str, fits: Callable[[float], bool]) -> ValueType:
    """Create a type of finite numbers; `expected` describes in words those that fit."""
    return ValueType(expected, float, require(lambda value: math.isfinite(value) and fits(value)))


def choice(*words: str) -> ValueType:
    """Create the type of a text that is one of the words."""
    return ValueType(f"one of {', '.join(words)}", check=require(words.__contains__), choices=words)


def non_empty(expected: str) -> ValueType:
    """Create a type of text that is not empty; an empty one results from `OPTION=$VARIABLE` with an unset variable."""
    return ValueType(expected, check=require(str.strip))


def numbers(expected: str, read: Callable[[str], float], fits: Callable[[float], bool], *example: float) -> ValueType:
    """Create a type of lists of numbers: ascending, without duplicates, to three decimals.

    In text they are separated by commas, and at least one is required.
    """
    return ValueType(
        expected,
        lambda given: tuple(map(read, require(bool)(split_names(given)))),
        lambda values: tuple(sorted(map(require(fits), {round(value, 3) for value in values}))),
        example,
    )


def _read_switch(given: str) -> bool:
    word = given.strip().lower()
    if word not in {"0", "false", "no", "off", "", "1", "true", "yes", "on"}:
        raise ValueError
    return word in {"1", "true", "yes", "on"}


def _check_tolerance(value: float | str) -> float:
    text = str(value).strip()
    percent = text.endswith("%")
    share = float(text.removesuffix("%")) / (100 if percent else 1)
    if not 0 <= share < (10 if percent else 1):  # 10 must not mean 1000 %
        raise ValueError
    return share


SWITCH: Final = ValueType("true or false", _read_switch, bool)
COUNT: Final = whole_number(1)
INDEX: Final = whole_number(0)
BUDGET: Final = number(
    f"a number above 0, from {1 / LARGEST:g} to {LARGEST:g}", lambda value: 1 / LARGEST <= value <= LARGEST
)
GPU: Final = ValueType(
    "the index of one GPU, or -1 for all; a list is refused, because a server with such a service dies at GET /info",
    int,
    require(lambda value: isinstance(value, int) and -1 <= value <= LARGEST),
)
FACTOR: Final = number("a finite number other than 0", bool)
WAIT: Final = number(f"seconds, from 0 to {LONGEST_S:.0f}", lambda value: 0 <= value <= LONGEST_S)
TIME_LIMIT: Final = number(f"seconds, above 0 and up to {LONGEST_S:.0f}", lambda value: 0 < value <= LONGEST_S)
PORT: Final = whole_number(1, 65535)
NAMES: Final = ValueType(
    "one name or several, separated by commas", lambda given: require(bool)(split_names(given)), tuple
)
BATCH_SIZES: Final = numbers("batch sizes of 1 or more", int, lambda size: 1 <= size <= LARGEST, 1, 2, 4, 8)
MOST_CLIENTS: Final = 256
CLIENTS: Final = numbers(
    f"numbers of clients from 1 to {MOST_CLIENTS}", int, lambda count: 1 <= count <= MOST_CLIENTS, 1, 2, 4, 8
)
LEAST_RATE, MOST_RATE = 0.001, 100_000.0
RATES: Final = numbers(
    f"requests per second from {LEAST_RATE:g} to {MOST_RATE:g}", float, lambda r: LEAST_RATE <= r <= MOST_RATE, 10, 50
)
TOLERANCE: Final = ValueType(
    "a share from 0 to below 1, such as 0.1, or percent below 1000, such as 10%", check=_check_tolerance
)
SERVICE: Final = ValueType(
    f"a service name such as bench_{MODEL}, with no braces except in {MODEL}, the network's id",
    check=require(lambda name: name.strip() and not set("{}") & set(name.replace(MODEL, ""))),
)
