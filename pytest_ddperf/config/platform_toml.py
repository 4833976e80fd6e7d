"""Platform files: `baselines/platforms.toml` of the package and `ddperf.toml` of a project."""

from __future__ import annotations

import math
import re
import tomllib
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any, Literal, get_args

import msgspec

from pytest_ddperf.config.text_files import read_text
from pytest_ddperf.core.board_address import BoardAddress
from pytest_ddperf.core.catalog import Catalog, find_closest
from pytest_ddperf.core.limits import (
    SERVICE_EXPECTED,
    TIME_LIMIT_EXPECTED,
    WAIT_EXPECTED,
    is_service_name,
    is_time_limit,
    is_wait,
)
from pytest_ddperf.core.platform import DATATYPES, Platform
from pytest_ddperf.core.scenarios import CLIENTS_EXPECTED, RATES_EXPECTED, normalise_clients, normalise_rates
from pytest_ddperf.core.service_parameters import ServiceParameters
from pytest_ddperf.errors import BaselineFileError, ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from pytest_ddperf.core.platform import Command

ID = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
"""Valid ids of platforms and of users' models."""

_LINE = re.compile(r"\(at line (\d+), column \d+\)")
_UNKNOWN_KEY = re.compile(r"unknown field `(.*)`", re.DOTALL)
_PLACE = re.compile(r"\$\.([A-Za-z0-9_]+)")
_TABLE = re.compile(r"\s*\[\s*(?P<table>[^\[\]]+)\]")
_KEY = re.compile(r"\s*(?P<key>[A-Za-z0-9_.\"' -]+?)\s*=")
_PART = re.compile(r"\"[^\"]*\"|'[^']*'|[^\s.]+")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_LIMIT = 1e9  # far above any figure of a platform; TOML integers are unbounded
_RANGES: tuple[tuple[tuple[str, ...], Callable[[float], bool], str], ...] = (
    (
        ("peak_gflops", "cores", "watts", "price_usd", "memory_gib"),
        lambda value: value > 0,
        "a positive number, or no such key where it is not known",
    ),
    (
        ("reading_error_percent", "reading_error_ms", "gpuid", "nvpmodel"),
        lambda value: value >= 0,
        "a number of 0 or more",
    ),
    (("wait", "cool_wait"), is_wait, WAIT_EXPECTED),
    (("timeout", "cold_start_timeout", "hook_timeout"), is_time_limit, TIME_LIMIT_EXPECTED),
    (("cool_to_c",), lambda value: 0 < value <= 120, "degrees Celsius, above 0 and up to 120, such as 45"),
)
"""Keys, the check of their values, and the expected values in words."""
_EXPECTED = "[platforms.<id>] tables, or [models.<id>] tables"

_Interpolation = Literal["nearest", "linear", "cubic", "area", "lanczos4"]


class _Entry(msgspec.Struct, forbid_unknown_fields=True):
    """The keys allowed under [platforms.<id>]; None means `not given`."""

    title: str | None = None
    backend: str | None = None
    like: str | None = None
    mllib: str | None = None
    url: str | None = None
    gpu: bool | None = None
    gpuid: int | None = None
    img_width: int | None = None
    img_height: int | None = None
    bw: bool | None = None
    rgb: bool | None = None
    scale: float | None = None
    histogram_equalization: bool | None = None
    image_interp: _Interpolation | None = None
    gpu_resize: bool | None = None
    nclasses: int | None = None
    max_workspace_size: int | None = None
    dla: bool | None = None
    recreate: bool | None = None
    delete_services: bool | None = None
    knobs: dict[str, Any] | None = None
    tolerance: float | str | None = None
    peak_gflops: float | None = None
    cores: int | None = None
    watts: float | None = None
    price_usd: float | None = None
    memory_gib: float | None = None
    source: str | None = None
    reading_error_percent: float | None = None
    reading_error_ms: float | None = None
    batch_sizes: list[int] | None = None
    models: list[str] | None = None
    columns: dict[str, str] | None = None
    report: bool | None = None
    note: str | None = None
    repository: str | None = None
    service: str | None = None
    data_dir: str | None = None
    bench_files: str | None = None
    concurrency: list[int] | None = None
    rate: list[float] | None = None
    load_requests: int | None = None
    datatype: str | None = None
    wait: float | None = None
    timeout: float | None = None
    cold_start_timeout: float | None = None
    ca_file: str | None = None
    user_env: str | None = None
    password_env: str | None = None
    before: str | list[str | list[str]] | None = None
    after: str | list[str | list[str]] | None = None
    hook_timeout: float | None = None
    telemetry: str | None = None
    cool_to_c: float | None = None
    cool_wait: float | None = None
    nvpmodel: int | None = None


_OF_ENTRY = {one.name: one for one in msgspec.structs.fields(_Entry)}
_MODEL_KEYS = (
    "mllib",
    "datatype",
    "gpu",
    "gpuid",
    *(one.name for one in fields(ServiceParameters) if one.name != "delete_services"),
)
_ModelKnobs = msgspec.defstruct(
    "_ModelKnobs", [(key, _OF_ENTRY[key].type, None) for key in _MODEL_KEYS], forbid_unknown_fields=True
)
"""The keys allowed under [platforms.<id>.knobs.<model>]: those of the platform that make sense for one network."""

PLATFORM_KEYS: tuple[str, ...] = _Entry.__struct_fields__
"""The keys allowed under [platforms.<id>]."""

_OF_ONE_BOARD = frozenset({"url", "ca_file", "user_env", "password_env", "before", "after", "telemetry"})
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
            raise BaselineFileError(path, find_line(text, (key,)), f"the key {key!r}", _EXPECTED)
    entries = tables.get("platforms", {})
    if not isinstance(entries, dict):
        raise BaselineFileError(path, find_line(text, ("platforms",)), "`platforms`, which is no table", _EXPECTED)
    for platform_id, values in entries.items():
        where = Where(path, text, ("platforms", platform_id))
        if not ID.fullmatch(platform_id):
            raise where.error(None, f"the platform id {platform_id!r}", "a-z, 0-9 and ._- as in `my-board`")
        given = _with_knobs(where, _checked(where, decode_entry(where, values, _Entry)))
        if "knobs" in given:
            given["knobs"] = {model: _knobs(where, model, own) for model, own in given["knobs"].items()}
        if (like := given.pop("like", None)) is not None:
            boards[platform_id] = like
        base = platforms.get(platform_id) or Platform(id=platform_id, title=platform_id)
        overridden = frozenset({*base.overridden, *given}) if known is not None else base.overridden
        platforms[platform_id] = replace(base, **given, overridden=overridden)
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
        raise where.error("like", f"{found}, which has a table of its own", expected)
    others = [one for one in platforms if one not in boards]
    try:
        other = Catalog({}, platforms).platform(like)
    except ConfigurationError:
        near = find_closest(like, others)
        hint = f" (did you mean {near}?)" if near else ""
        raise where.error("like", f"{found}, which is no platform{hint}", f"one of {', '.join(others)}") from None
    if other.id == platform_id:
        raise where.error("like", f"{found}, the platform itself", f"one of {', '.join(others)}")
    if other.id in boards:
        expected = f"a platform without `like`, one of {', '.join(others)}"
        raise where.error("like", f"{found}, which is itself like {boards[other.id]!r}", expected)
    return other


def _another_board(platform: Platform, other: Platform, packaged: Platform | None) -> Platform:
    """Fill in the values that a platform's section omits from another platform; `knobs` are merged later by network.

    Args:
        platform: the platform as described by its section.
        other: the platform of which it is another board.
        packaged: `other` as described by the package; used for keys of a single board, which the project may override.
    """
    own, plain = platform.overridden, Platform(id="", title="")
    keys = [key for key in PLATFORM_KEYS if key not in {"like", "title", "report", "knobs"} and key not in own]
    values = {key: getattr(packaged or plain, key) if key in _OF_ONE_BOARD else getattr(other, key) for key in keys}
    if "title" not in own:
        values["title"] = f"{other.title} ({platform.id})"
    return replace(
        platform,
        **values | {"columns": {**other.columns, **platform.columns}},
        overridden=own | {"like"} | (other.overridden.intersection(keys) - _OF_ONE_BOARD),
        alike=other,
        taken_over=frozenset(key for key, value in values.items() if value != getattr(plain, key)),
    )


class Where:
    """A table of ddperf.toml, for messages.

    Args:
        path: the file.
        text: its content.
        table: the table's path: `platforms` or `models`, and the id; longer for a model's knobs on a platform.
    """

    def __init__(self, path: Path, text: str, table: tuple[str, ...]) -> None:
        self.path = path
        self.text = text
        self.table = table

    @property
    def what(self) -> str:
        """Name of the table for messages: `platform tk1`, `platforms.tk1.knobs.resnet50`."""
        if len(self.table) > 2:
            return ".".join(f'"{part}"' if "." in part else part for part in self.table)
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
        raise BaselineFileError(path, line, f"no TOML ({error})", f"TOML with {_EXPECTED}") from error
    except (ValueError, RecursionError) as error:  # an integer with thousands of digits, or arrays nested too deeply
        raise BaselineFileError(path, None, f"no TOML ({error})", f"TOML with {_EXPECTED}") from error


def decode_entry(where: Where, values: object, kind: type[msgspec.Struct]) -> dict[str, Any]:
    """Decode the given keys of a table, with the types of `kind`, whose fields are None if not given.

    Raises:
        BaselineFileError: a key is unknown, or a value has the wrong type.
    """
    keys = kind.__struct_fields__
    try:
        found = msgspec.convert(values, kind)
    except msgspec.ValidationError as error:
        message = str(error)
        if unknown := _UNKNOWN_KEY.search(message):
            if len(where.table) > 2 and unknown[1].isdecimal():  # squeezenet_v1.1 without quotes
                raise where.error(
                    unknown[1],
                    f"a network's id cut in two at its point, [{'.'.join((*where.table, unknown[1]))}]",
                    f'the id in quotes, [{".".join(where.table[:-1])}."{where.table[-1]}.{unknown[1]}"]',
                ) from error
            near = find_closest(unknown[1], keys)
            hint = f" (did you mean {near}?)" if near else ""
            raise where.error(
                unknown[1],
                f"the unknown key {unknown[1]!r} of {where.what}{hint}",
                f"one of {', '.join(keys)}",
            ) from error
        place = _PLACE.search(message)
        key = place[1] if place else None
        told = f"`{key}` of another type" if key else f"no table under {'.'.join(where.table)}"
        expected = message.removeprefix("Expected ").replace(" | null", "")
        if key is not None and "Invalid enum value" in message:
            told = f"{key} = {values[key]!r}" if isinstance(values, dict) else told
            expected = f"one of {', '.join(get_args(_Interpolation))}"
        if key == "models" and isinstance(values, dict) and isinstance(values.get(key), dict):
            expected = (
                f"a list of names; what holds for one of them stands under [{'.'.join(where.table)}.knobs.<model>]"
            )
        raise where.error(key, told, expected) from error
    return {key: value for key in keys if (value := getattr(found, key)) is not None}


def _knobs(where: Where, model: str, values: object) -> dict[str, Any]:
    """Check and return the knobs of one network on a platform."""
    own = Where(where.path, where.text, (*where.table, "knobs", model))
    return _with_knobs(own, _in_range(own, decode_entry(own, values, _ModelKnobs)))


def _in_range(where: Where, given: dict[str, Any]) -> dict[str, Any]:
    for keys, fits, expected in _RANGES:
        for key in keys:
            if key in given and not (fits(given[key]) and given[key] < _LIMIT):
                raise where.error(key, f"{key} = {given[key]}", expected)
    for key in ("title", "mllib", "url", "ca_file", "repository", "service", "data_dir", "bench_files"):
        if key in given and not given[key].strip():
            raise where.error(key, f"an empty {key}", "text, or no such key")
    if "service" in given and not is_service_name(given["service"]):
        raise where.error("service", f"service = {given['service']!r}", SERVICE_EXPECTED)
    return given


def _checked(where: Where, given: dict[str, Any]) -> dict[str, Any]:
    """Check the ranges of all values; convert lists to tuples and the tolerance to a fraction."""
    given = _in_range(where, given)
    if "tolerance" in given:
        given["tolerance"] = _tolerance(where, given["tolerance"])
    if "batch_sizes" in given:
        given["batch_sizes"] = _batch_sizes(where, given["batch_sizes"])
    if "models" in given:
        given["models"] = tuple(given["models"])
    return _board_checked(where, _with_load(where, given))


def _board_checked(where: Where, given: dict[str, Any]) -> dict[str, Any]:
    """Check the keys that concern the board itself."""
    for key in ("user_env", "password_env"):
        if key in given and not _VARIABLE.fullmatch(given[key]):
            # the value may be the secret itself, so it is not shown
            found = f"{key} that is no name of an environment variable"
            raise where.error(key, found, 'the name of the variable that holds it, such as "TK1_PASSWORD"')
    for key in ("before", "after"):
        if key in given:
            given[key] = _commands(where, key, given[key])
    if "telemetry" in given:
        try:
            BoardAddress.parse(given["telemetry"])
        except ValueError as error:
            raise where.error("telemetry", f"telemetry = {given['telemetry']!r}", str(error)) from None
    return given


def _with_load(where: Where, given: dict[str, Any]) -> dict[str, Any]:
    """Check the keys that concern measurements under load."""
    of_load = (
        ("concurrency", normalise_clients, f"{CLIENTS_EXPECTED}, such as [1, 2, 4, 8]"),
        ("rate", normalise_rates, f"{RATES_EXPECTED}, such as [10, 50]"),
    )
    for key, checked, expected in of_load:
        if key in given:
            try:
                given[key] = checked(given[key])
            except ValueError:
                raise where.error(key, f"{key} = {given[key]}", expected) from None
    if "load_requests" in given and not 2 <= given["load_requests"] < _LIMIT:
        raise where.error("load_requests", f"load_requests = {given['load_requests']}", "a whole number of 2 or more")
    return given


def _with_knobs(where: Where, given: dict[str, Any]) -> dict[str, Any]:
    """Check the ranges of all knobs."""
    for key in ("img_width", "img_height", "nclasses", "max_workspace_size"):
        if key in given and not 0 < given[key] < _LIMIT:
            raise where.error(key, f"{key} = {given[key]}", "a whole number of 1 or more")
    if "datatype" in given and given["datatype"] not in DATATYPES:
        raise where.error("datatype", f"datatype = {given['datatype']!r}", f"one of {', '.join(DATATYPES)}")
    if "scale" in given and not 0 < abs(given["scale"]) < _LIMIT:
        raise where.error("scale", f"scale = {given['scale']}", "a finite number other than 0")
    return given


def _commands(where: Where, key: str, value: str | list[str | list[str]]) -> tuple[Command, ...]:
    commands = tuple(
        one if isinstance(one, str) else tuple(one) for one in ([value] if isinstance(value, str) else value)
    )
    if not all(one.strip() if isinstance(one, str) else one and one[0] for one in commands):
        expected = '["a line for the shell", ["program", "argument"]]'
        raise where.error(key, f"{key} with an empty command", expected)
    return commands


def _tolerance(where: Where, value: float | str) -> float:
    found = f"tolerance = {value!r}"
    if isinstance(value, str):
        percent = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)\s*%", value.strip(), re.ASCII)
        value = float(percent[1]) / 100 if percent else math.nan
    elif value >= 1:
        value = math.nan  # 10 instead of "10 %" would let everything pass
    if not (math.isfinite(value) and value >= 0):
        raise where.error("tolerance", found, 'a fraction from 0 to below 1 (0.1), or percent ("10%")')
    return value


def _batch_sizes(where: Where, sizes: list[int]) -> tuple[int, ...]:
    if not sizes or min(sizes) < 1 or max(sizes) >= _LIMIT or len(set(sizes)) < len(sizes):
        raise where.error("batch_sizes", f"batch_sizes = {sizes}", "whole numbers of 1 or more, each once")
    return tuple(sorted(sizes))


def find_line(text: str, path: tuple[str, ...]) -> int | None:
    """Find the line where a TOML table or key begins; None if it is written differently (an inline table)."""
    table: tuple[str, ...] = ()
    for number, line in enumerate(text.splitlines(), start=1):
        if header := _TABLE.match(line):
            table = _parts(header["table"])
            if table == path:
                return number
        elif (key := _KEY.match(line)) and (*table, *_parts(key["key"])) == path:
            return number
    return None


def _parts(dotted: str) -> tuple[str, ...]:
    return tuple(part.strip("\"'") for part in _PART.findall(dotted))
