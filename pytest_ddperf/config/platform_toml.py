"""Platform files: `baselines/platforms.toml` of the package and `ddperf.toml` of a project."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, get_type_hints

import msgspec

from pytest_ddperf.config.options import BY_NAME
from pytest_ddperf.config.text_files import read_text
from pytest_ddperf.core.budgets import BUDGET_KEYS, EVERY_NETWORK, Budget
from pytest_ddperf.core.catalog import Catalog, find_closest
from pytest_ddperf.core.limits import BUDGET, ValueType, non_empty
from pytest_ddperf.core.platform import OWN_KEYS, PLATFORM_KEYS, Platform
from pytest_ddperf.core.service_parameters import PARAMETERS, ServiceParameters
from pytest_ddperf.deepdetect.url import Address
from pytest_ddperf.errors import BaselineFileError, ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

ID = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
"""Valid ids of platforms and of users' models."""

ID_EXPECTED = "lower-case letters, digits and ._- only, such as my-board"

_LINE = re.compile(r"\(at line (\d+), column \d+\)")
_UNKNOWN_KEY = re.compile(r"unknown field `(.*)`", re.DOTALL)
_PLACE = re.compile(r"\$\.([A-Za-z0-9_]+)")
_TABLE = re.compile(r"\s*\[\[?\s*(?P<table>[^\[\]]+)\]")
_KEY = re.compile(r"\s*(?P<key>(?:[A-Za-z0-9_. -]|\"[^\"]*\"|'[^']*')+?)\s*=")
_PART = re.compile(r"\"[^\"]*\"|'[^']*'|[^\s.]+")
_EXPECTED = "[platforms.<id>] tables, or [models.<id>] tables"

_HINTS: dict[str, Any] = {
    **get_type_hints(Platform),
    **get_type_hints(ServiceParameters),
    **get_type_hints(Budget),
    "like": str,
    "knobs": dict[str, Any],
    "budgets": dict[str, Any],
    "against": dict[str, Any],
    "tolerance": float | str,
    "before": str | list[str | list[str]],
    "after": str | list[str | list[str]],
}
"""Types of the keys; those of lists and tables that are converted differ from the types of the fields."""

TYPES: dict[str, ValueType] = {
    key: OWN_KEYS[key].type if key in OWN_KEYS else BY_NAME[key.replace("_", "-")].type for key in PLATFORM_KEYS
} | {"url": non_empty("the URL of a server, or embedded")}


def _struct(name: str, keys: Iterable[str]) -> type[msgspec.Struct]:
    return msgspec.defstruct(name, [(key, _HINTS[key], None) for key in keys], forbid_unknown_fields=True)


PlatformEntry = _struct("PlatformEntry", PLATFORM_KEYS)
"""The keys allowed under [platforms.<id>]."""

_NetworkEntry = _struct("_NetworkEntry", [name for name, one in PARAMETERS.items() if one.of_network])
"""The keys allowed under [platforms.<id>.knobs.<model>]."""

_BudgetEntry = _struct("_BudgetEntry", BUDGET_KEYS)
"""The keys allowed under [platforms.<id>.budgets.<model>]."""

_REFERENCE_KEYS = (
    "url",
    "repository",
    "service",
    "data_dir",
    "wait",
    "timeout",
    "cold_start_timeout",
    "ca_file",
    "user_env",
    "password_env",
)
_ReferenceEntry = _struct("_ReferenceEntry", [*_REFERENCE_KEYS, *PARAMETERS])
"""The keys allowed under [platforms.<id>.against]."""

_SECRET = {"user_env", "password_env"}
"""Keys whose invalid value may be the secret itself."""

_OF_ONE_BOARD = frozenset({"url", "against", "ca_file", "user_env", "password_env", "before", "after", "telemetry"})
"""Keys that describe the location of a single board and the access to it; `like` does not copy them."""


def read_platforms(path: Path, known: Mapping[str, Platform] | None = None) -> dict[str, Platform]:
    """Read the platforms of a file and merge them, key by key, into the known ones.

    Args:
        path: a TOML file with [platforms.<id>] tables.
        known: platforms that the file extends and overrides; the keys it sets are added to `Platform.overridden`.

    Returns:
        All platforms, the known ones first. Names of networks are unchanged.

    Raises:
        BaselineFileError: the file is not TOML, or has an unknown key or an invalid value; the message names the file
            and the line.
    """
    text = read_text(path, f"TOML with {_EXPECTED}")
    platforms = dict(known or {})
    boards: dict[str, str] = {}
    tables = decode_tables(path, text)
    for key in tables:
        if key not in {"platforms", "models"}:  # `own_models` reads `models`
            raise BaselineFileError(path, find_line(text, (key,)), f"unknown key {key!r}", _EXPECTED)
    entries = tables.get("platforms", {})
    if not isinstance(entries, dict):
        raise BaselineFileError(path, find_line(text, ("platforms",)), "`platforms` is not a table", _EXPECTED)
    for platform_id, values in entries.items():
        where = Where(path, text, ("platforms", platform_id))
        if not ID.fullmatch(platform_id):
            raise where.error(None, f"invalid platform id {platform_id!r}", ID_EXPECTED)
        given = decode_entry(where, values, PlatformEntry, TYPES)
        if "batch_sizes" in given and not 0 < len(values["batch_sizes"]) == len(given["batch_sizes"]):
            raise where.error("batch_sizes", f"batch_sizes = {values['batch_sizes']}", "batch sizes, each once")
        for key in given.keys() & _OF_NETWORKS.keys():
            given[key] = {model: _OF_NETWORKS[key](where, model, own) for model, own in given[key].items()}
        given |= {"against": _read_reference(where, given["against"])} if "against" in given else {}
        if (like := given.pop("like", None)) is not None:
            boards[platform_id] = like
        base = platforms.get(platform_id) or Platform(id=platform_id, title=platform_id)
        overridden = frozenset({*base.overridden, *given}) if known is not None else base.overridden
        platforms[platform_id] = base.with_values(given, overridden=overridden)
    for platform_id, like in boards.items():
        where = Where(path, text, ("platforms", platform_id))
        other = _liked(where, like, platforms, boards, known or {})
        platforms[platform_id] = _another_board(platforms[platform_id], other, (known or {}).get(other.id))
    return platforms


def _liked(
    where: Where, like: str, platforms: Mapping[str, Platform], boards: Mapping[str, str], known: Mapping[str, Platform]
) -> Platform:
    """Return the platform that `like` names.

    Raises:
        BaselineFileError: there is no such platform, it is the platform itself, it has `like` too, or the package
            already describes the platform with the `like`.
    """
    platform_id = where.table[1]
    found = f"like = {like!r} of platform {platform_id}"
    if platform_id in known:
        expected = f"`like` for an id of your own, such as my-{platform_id}"
        raise where.error("like", f"{found}, which is already a platform of the package", expected)
    others = [one for one in platforms if one not in boards]
    try:
        other = Catalog({}, platforms).platform(like)
    except ConfigurationError:
        near = find_closest(like, others)
        hint = f" (did you mean {near}?)" if near else ""
        raise where.error("like", f"{found}, which is not a platform{hint}", f"one of {', '.join(others)}") from None
    if other.id == platform_id:
        raise where.error("like", f"{found}, the platform itself", f"one of {', '.join(others)}")
    if other.id in boards:
        expected = f"a platform without `like`, one of {', '.join(others)}"
        raise where.error("like", f"{found}, which has like = {boards[other.id]!r} itself", expected)
    return other


def _another_board(platform: Platform, other: Platform, packaged: Platform | None) -> Platform:
    """Fill in the values that a platform's section omits from another platform; `knobs` and `budgets` are merged later.

    Args:
        platform: the platform as described by its section.
        other: the platform of which it is another board.
        packaged: `other` as described by the package; used for keys of a single board, which the project may override.
    """
    own, plain = platform.overridden, Platform(id="", title="")
    keys = [
        key for key in PLATFORM_KEYS if key not in {"like", "title", "report", "knobs", "budgets"} and key not in own
    ]
    values = {key: ((packaged or plain) if key in _OF_ONE_BOARD else other).value_of(key) for key in keys}
    if "title" not in own:
        values["title"] = f"{other.title} ({platform.id})"
    set_by_project = other.overridden.intersection(keys) - _OF_ONE_BOARD
    return platform.with_values(
        values | {"columns": {**other.columns, **platform.columns}},
        overridden=own | {"like"} | set_by_project,
        alike=other,
        taken_over=set_by_project.union(key for key, value in values.items() if value != plain.value_of(key)),
    )


@dataclass(frozen=True, slots=True)
class Where:
    """A table of ddperf.toml, for messages.

    Args:
        path: the file.
        text: its content.
        table: the table's path: `platforms` or `models`, and the id; longer for a model's knobs on a platform.
    """

    path: Path
    text: str = field(repr=False)  # may contain credentials
    table: tuple[str, ...]

    def below(self, *keys: str) -> Where:
        """Return a table of this one."""
        return replace(self, table=(*self.table, *keys))

    @property
    def what(self) -> str:
        """Name of the table for messages: `platform tk1`, `platforms.tk1.knobs.resnet50`."""
        if len(self.table) > 2:
            return ".".join(f'"{part}"' if "." in part or part == EVERY_NETWORK else part for part in self.table)
        return f"{self.table[0].removesuffix('s')} {self.table[1]}"

    def error(self, key: str | None, found: str, expected: str) -> BaselineFileError:
        """Create the error for the table, or for one of its keys."""
        table = self.table
        line = find_line(self.text, table if key is None else (*table, key)) or find_line(self.text, table)
        return BaselineFileError(self.path, line, found, expected)


def decode_tables(path: Path, text: str) -> dict[str, Any]:
    """Decode the tables of a TOML file.

    Raises:
        BaselineFileError: the file is not TOML; the message names the line.
    """
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        at = _LINE.search(str(error))
        line = int(at[1]) if at else text.count("\n") + 1
        raise BaselineFileError(path, line, f"not TOML ({error})", f"TOML with {_EXPECTED}") from error
    except (ValueError, RecursionError) as error:  # an integer with thousands of digits, or arrays nested too deeply
        raise BaselineFileError(path, None, f"not TOML ({error})", f"TOML with {_EXPECTED}") from error


def decode_entry(
    where: Where, values: object, kind: type[msgspec.Struct], types: Mapping[str, ValueType]
) -> dict[str, Any]:
    """Decode and check the given keys of a table.

    Args:
        where: the table.
        values: its content.
        kind: the keys and their types.
        types: the valid values of the keys.

    Raises:
        BaselineFileError: a key is unknown, or a value is invalid.
    """
    try:
        decoded = msgspec.convert(values, kind)
    except msgspec.ValidationError as error:
        raise _describe_invalid(where, values, kind.__struct_fields__, str(error)) from error
    given: dict[str, Any] = {}
    for key, value in values.items() if isinstance(values, dict) else ():
        try:
            given[key] = types[key].convert(getattr(decoded, key))
        except ValueError as error:
            shown = "... (not shown, it may be a secret)" if key in _SECRET else repr(value)
            raise where.error(key, f"{key} = {shown}", str(error)) from None
    return given


def _describe_invalid(where: Where, values: object, keys: tuple[str, ...], message: str) -> BaselineFileError:
    """Create the error for a table that msgspec rejects, from msgspec's message."""
    table = ".".join(where.table)
    if unknown := _UNKNOWN_KEY.search(message):
        key = unknown[1]
        if len(where.table) > 2 and key.isdecimal():  # squeezenet_v1.1 without quotes
            return where.error(
                key,
                f"the network id in [{table}.{key}] contains a point and is not quoted",
                f'[{".".join(where.table[:-1])}."{where.table[-1]}.{key}"]',
            )
        near = find_closest(key, keys)
        hint = f" (did you mean {near}?)" if near else ""
        return where.error(key, f"unknown key {key!r} of {where.what}{hint}", f"one of {', '.join(keys)}")
    if (place := _PLACE.search(message)) is None:
        return where.error(None, f"{table} is not a table", f"a table, [{table}]")
    expected = message.removeprefix("Expected ").replace(" | null", "")
    if place[1] == "gpuid":
        expected = TYPES["gpuid"].expected  # which says why a list is refused
    if place[1] == "models" and isinstance(values, dict) and isinstance(values["models"], dict):
        expected = f"a list of names; values for single networks belong under [{table}.knobs.<model>]"
    return where.error(place[1], f"wrong type of `{place[1]}`", expected)


def _read_knobs(where: Where, model: str, values: object) -> dict[str, Any]:
    """Return the values for one network on a platform."""
    return decode_entry(where.below("knobs", model), values, _NetworkEntry, TYPES)


def _read_budget(where: Where, model: str, values: object) -> Budget:
    """Return the limits of one network on a platform, or of all networks."""
    budgets = where.below("budgets")
    if model in BUDGET_KEYS:
        expected = f'"{EVERY_NETWORK}" = {{ {model} = {values} }}, or a network\'s id instead of the *'
        raise budgets.error(model, f"{model} under [{'.'.join(budgets.table)}] names no network", expected)
    return Budget(**decode_entry(budgets.below(model), values, _BudgetEntry, dict.fromkeys(BUDGET_KEYS, BUDGET)))


_OF_NETWORKS = {"knobs": _read_knobs, "budgets": _read_budget}
"""The keys that contain a table for each network, with the functions that read it."""


def _read_reference(where: Where, values: object) -> dict[str, Any]:
    """Return the keys that differ on a platform's reference."""
    given = decode_entry(where.below("against"), values, _ReferenceEntry, TYPES)
    return given | ({"url": Address(given["url"])} if "url" in given else {})


def find_line(text: str, path: tuple[str, ...]) -> int | None:
    """Find the line where a TOML table or key, or the first one below it, begins; None if it is in an inline table."""
    table: tuple[str, ...] = ()
    for number, line in enumerate(text.splitlines(), start=1):
        if header := _TABLE.match(line):
            table = found = _parts(header["table"])
        elif key := _KEY.match(line):
            found = (*table, *_parts(key["key"]))
        else:
            continue
        if found[: len(path)] == path:
            return number
    return None


def _parts(dotted: str) -> tuple[str, ...]:
    return tuple(part.strip("\"'") for part in _PART.findall(dotted))
