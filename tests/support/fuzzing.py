"""Damaged inputs: valid input changed in a few places, so that parsers accept as much of it as possible.

Hypothesis draws a mutation as small numbers and shrinks it to few, early ones. How many examples a test tries
depends on the profile: the suite tries a few fixed ones, `tox -e fuzz` as many as the project promises.
"""

from __future__ import annotations

import copy
import functools
import json
import math
from collections import Counter
from typing import TYPE_CHECKING, Any, ParamSpec

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

P = ParamSpec("P")

FUZZ_PROFILE = "fuzz"
DEEP: Any = []
for _ in range(300):
    DEEP = [DEEP]

JUNK: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2, 0.5, -0.0, 7.25, 1e308, -1e308, 5e-324, math.inf, -math.inf, math.nan, 2**31, 2**63,
    2**64, -(2**63) - 1, 10**17, 10**400, "", "x", "0", "1", "-1", "1e5", "nan", "a.jpg", "ok", "predict", "tk1",
    "squeezenet_v1.1", "\x00", "\x1b[2J", "\u202e", "\ud800", "é", "\U0001f600", "y" * 5000, "2026-02-30T99:00:00",
    "0001-01-01T00:00:00+14:00", "../../etc/passwd", "http://127.0.0.1:1/", [], {}, [[]], [{}], {"": {}}, [None],
    [1, 2], ["a"], {"code": 500}, {"uri": "a.jpg"}, DEEP,
)  # fmt: skip
"""Values to use where other values are expected."""

TOKENS: tuple[str, ...] = (
    "", " ", "\n", "\r", "\r\n", "\t", ",", "=", "==", ".", "-", "+", "[", "]", "[[", "]]", "{", "}", '"', '"""', "'",
    "#", "\\", "\\u0000", "\x00", "\x1b", "\ufeff", "\u2028", "\x85", "\u0661", "é", "x", "0", "1", "-1", "1_0", "1e5",
    "1e999", "nan", "inf", "0x10", "9" * 5000, "true", "null", "batch_size", "resnet50", "res50", "tk1", "platforms",
    "[platforms.tk1]", "url", "10%", "2026-01-01", "a.b.c", "{a = 1}", "%", "@", "http://", "y" * 3000,
)  # fmt: skip
"""Pieces of text with a meaning to some parser."""


def tried(share: float) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Set how many examples a test tries, as a share of the profile's number."""
    return settings(
        max_examples=max(20, round(settings.default.max_examples * share)),  # type: ignore[union-attr] # there is one
        suppress_health_check=list(HealthCheck),
        deadline=None,
    )


ANSWERS, FILES, REQUESTS = "server answers", "files and values", "requests to the embedded server"
PROMISED = {ANSWERS: 100_000, FILES: 100_000, REQUESTS: 10_000}
"""Minimum number of examples that `tox -e fuzz` tries, by kind."""

tried_so_far: Counter[str] = Counter()
refused_so_far: Counter[str] = Counter()
"""Counts by kind: examples tried, and those that ended in one of this project's own errors."""


def counted(kind: str) -> Callable[[Callable[P, None]], Callable[P, None]]:
    """Count the examples of a test; a decorator to place below `given`."""

    def decorate(test: Callable[P, None]) -> Callable[P, None]:
        @functools.wraps(test)
        def one(*args: P.args, **named: P.kwargs) -> None:
            test(*args, **named)
            tried_so_far[kind] += 1

        return one

    return decorate


def table_of_counts() -> list[str]:
    """Return a readable table, one line per kind: examples tried and their results."""
    rows = [f"{'':34}{'tried':>9}{'errors':>9}{'sound':>9}"]
    for kind, tried_of_it in sorted(tried_so_far.items()):
        refused = refused_so_far[kind]
        rows.append(f"{kind:34}{tried_of_it:9,}{refused:9,}{tried_of_it - refused:9,}")
    return rows


def too_few() -> list[str]:
    """Return the tried kinds with fewer examples than promised."""
    return [kind for kind, count in tried_so_far.items() if count < PROMISED[kind]]


def is_long() -> bool:
    """Whether this run is `tox -e fuzz`."""
    return settings.get_current_profile_name() == FUZZ_PROFILE


Damage = tuple[int, int, int]
DAMAGE = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 400), st.integers(0, 59)), min_size=0, max_size=4)


def damaged_json(value: Any, damage: Sequence[Damage]) -> Any:  # noqa: ANN401 - any JSON
    """Return a JSON value with parts replaced, removed, duplicated, wrapped or renamed."""
    holder = [copy.deepcopy(value)]
    for how, where, what in damage:
        places = _places(holder)
        parent, key = places[where % len(places)]
        _damage(parent, key, how, copy.deepcopy(JUNK[what % len(JUNK)]))
        if not holder:
            holder = [None]
    return holder[0]


def _damage(parent: Any, key: Any, how: int, junk: Any) -> None:  # noqa: ANN401 - any JSON
    if how <= 1:
        parent[key] = junk
    elif how == 2:
        del parent[key]
    elif how == 3:
        parent[key] = [parent[key], copy.deepcopy(parent[key])]
    elif isinstance(parent, list):
        parent.insert(key, copy.deepcopy(parent[key]) if how == 4 else junk)
    else:
        parent[str(junk)[:20]] = parent[key] if how == 4 else junk


def _places(top: Any, most: int = 400) -> list[tuple[Any, Any]]:  # noqa: ANN401 - any JSON
    """Return every place in a value as (container, key), outermost first."""
    places: list[tuple[Any, Any]] = []
    level = [top]
    while level and len(places) < most:
        inner: list[Any] = []
        for value in level:
            keys: list[Any] = list(value) if isinstance(value, dict) else list(range(len(value)))
            places += [(value, key) for key in keys]
            inner += [value[key] for key in keys if isinstance(value[key], dict | list)]
        level = inner
    return places


def as_json(value: Any) -> bytes:  # noqa: ANN401 - any JSON
    """Return a value as JSON bytes, including NaN and infinity, which some servers write."""
    return json.dumps(value).encode()


def damaged_bytes(content: bytes, damage: Sequence[Damage]) -> bytes:
    """Return bytes with pieces inserted, replaced, cut off or duplicated."""
    for how, where, what in damage:
        at = where * max(1, len(content)) // 400
        piece = TOKENS[what % len(TOKENS)].encode()
        if how <= 1:
            content = content[:at] + piece + content[at:]
        elif how == 2:
            content = content[:at] + piece + content[at + 1 + what :]
        elif how == 3:
            content = content[:at]
        elif how == 4:
            content = content[: at + what] + content[at:]
        else:
            content = content[:at] + bytes([what * 4 % 256]) + content[at + 1 :]
    return content
