"""A platform: the machine and backend of a server, and what the platform files state about it."""

from __future__ import annotations

import re
from collections.abc import Mapping  # noqa: TC003 - the keys of ddperf.toml have the types of the fields
from dataclasses import dataclass, field, fields, replace
from typing import Any, Final, NamedTuple

from pytest_ddperf.core.board_address import BoardAddress
from pytest_ddperf.core.budgets import EVERY_NETWORK, NO_BUDGET, Budget
from pytest_ddperf.core.limits import INDEX, LARGEST, SWITCH, TIME_LIMIT, WAIT, ValueType, non_empty, number, require
from pytest_ddperf.core.networks import NETWORK_IDS, OTHER_NETWORKS, UNVERSIONED
from pytest_ddperf.core.service_parameters import PARAMETERS, ServiceParameters

BATCH_SIZES_REPORT: tuple[int, ...] = (1, 2, 4, 8, 16, 32, 64, 128)
"""The batch sizes of the report's tables."""


_RUN_BY_DEFAULT = (*NETWORK_IDS, *(one.id for one in OTHER_NETWORKS if one.id != UNVERSIONED))


Command = str | tuple[str, ...]
"""A user's command: a line for the shell, or a program and its arguments."""


class Key(NamedTuple):
    """What is known of a key of [platforms.<id>] that is not an option.

    Args:
        meaning: what it states, for docs/ddperf-toml.md.
        type: the valid values.
    """

    meaning: str
    type: ValueType


def _key(meaning: str, value_type: ValueType, default: Any = None) -> Any:  # noqa: ANN401 - as `dataclasses.field`
    return field(default=default, metadata={"key": Key(meaning, value_type)})


def _check_commands(given: str | list[str | list[str]]) -> tuple[Command, ...]:
    every = (one if isinstance(one, str) else tuple(one) for one in ([given] if isinstance(given, str) else given))
    return tuple(map(require(lambda one: one.strip() if isinstance(one, str) else one and one[0]), every))


_NOT_EMPTY = non_empty("text that is not empty")
_ABOVE_0 = number("a number above 0; omit the key if it is not known", lambda value: 0 < value < LARGEST)
_FROM_0 = number("a number of 0 or more", lambda value: 0 <= value < LARGEST)
_COMMANDS = ValueType(
    'commands that are not empty, such as ["a shell line", ["program", "argument"]]', check=_check_commands
)
_VARIABLE = ValueType(
    'the name of an environment variable that contains it, such as "TK1_PASSWORD"',
    check=require(re.compile(r"[A-Za-z_][A-Za-z0-9_]*").fullmatch),
)
_CELSIUS = number("degrees Celsius, above 0 and up to 120, such as 45", lambda value: 0 < value <= 120)
_ANYTHING = ValueType("", check=lambda value: value)
_ADDRESS = ValueType("", check=lambda address: BoardAddress.parse(address).text)


@dataclass(frozen=True, slots=True)
class Platform:
    """One platform: the server's machine and backend, not the machine that runs pytest.

    The fields are the keys of [platforms.<id>] in ddperf.toml. Those without a meaning are options, too; None stands
    for the option's default.

    Args:
        id: as in node ids and baselines.
        alike: the platform named by the key `like`, of which this is another board: its published table applies.
        parameters: parameters of its services; each is a key.
        budgets: the budgets of single networks by id, and under "*" of all networks.
        models: the networks of its published table, in catalogue order; the report's 13 if it has no table.
        overridden: the keys set by the project's ddperf.toml.
        taken_over: the keys whose values come from the platform `alike`.
    """

    id: str
    title: str = _key("display name; default: the id", _NOT_EMPTY, "")
    backend: str = _key("display name of the backend", _ANYTHING, "unknown")
    alike: Platform | None = field(default=None, repr=False, hash=False)
    url: str | None = field(default=None, repr=False)  # may contain credentials
    against: Mapping[str, Any] = field(default_factory=dict, hash=False, repr=False)  # its url, too
    parameters: ServiceParameters = field(default_factory=ServiceParameters)
    knobs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, hash=False)
    tolerance: float = 0.1
    budgets: Mapping[str, Budget] = field(default_factory=dict, hash=False)
    # fmt: off
    peak_gflops: float | None = _key("peak performance of the hardware, GFLOPS; for reports", _ABOVE_0)
    cores: int | None = _key("number of cores of the hardware (CUDA cores on NVIDIA's); for reports", _ABOVE_0)
    watts: float | None = _key("power under load, watts; for `--max-watts` and images per second per watt", _ABOVE_0)
    price_usd: float | None = _key("price, US dollars; for `--max-price`", _ABOVE_0)
    memory_gib: float | None = _key("memory, GiB; for `--max-memory`", _ABOVE_0)
    source: str = _key("source of its published table", _ANYTHING, "")
    reading_error_percent: float = _key("maximum error of table values that were read from a picture, percent",
                                        _FROM_0, 0.0)
    reading_error_ms: float = _key("the same, milliseconds per image; if both are given, they add up", _FROM_0, 0.0)
    batch_sizes: tuple[int, ...] = BATCH_SIZES_REPORT
    models: tuple[str, ...] = NETWORK_IDS
    columns: Mapping[str, str] = field(default_factory=dict, hash=False, metadata={"key": Key(
        "network ids of those columns of its published table that have another name", _ANYTHING)})
    report: bool = _key("whether it is a platform of the report", SWITCH, False)
    note: str = _key("remark for reports and `ddperf select`", _ANYTHING, "")
    repository: str | None = None
    service: str | None = None
    data_dir: str | None = None
    bench_files: str | None = None
    concurrency: tuple[int, ...] | None = None
    rate: tuple[float, ...] | None = None
    load_requests: int | None = None
    wait: float | None = None
    timeout: float | None = None
    cold_start_timeout: float | None = None
    ca_file: str | None = None
    user_env: str | None = _key("environment variable that contains the user name; never stored itself", _VARIABLE)
    password_env: str | None = _key("environment variable that contains the password", _VARIABLE)
    before: tuple[Command, ...] = _key("commands that run before its first cell: shell lines, or lists of words",
                                       _COMMANDS, ())
    after: tuple[Command, ...] = _key("commands that run after its last cell, even if the run failed", _COMMANDS, ())
    hook_timeout: float = _key("time limit of each of these commands, seconds; default: 60", TIME_LIMIT, 60.0)
    telemetry: str | None = _key("address at which the board's sensors are read: `local`, `ssh:HOST`, or "
                                 "`ssh://[user@]host[:port]`", _ADDRESS)
    cool_to_c: float | None = _key("temperature to which the hottest sensor must cool before the first cell, "
                                   "degrees Celsius", _CELSIUS)
    cool_wait: float = _key("maximum of that wait, seconds; default: 600", WAIT, 600.0)
    nvpmodel: int | None = _key("power mode that `--ddperf-tune` sets on a Jetson", INDEX)
    # fmt: on
    overridden: frozenset[str] = frozenset()
    taken_over: frozenset[str] = frozenset()

    @property
    def like(self) -> str | None:
        """Id of the platform of which this is another board; None if there is none."""
        return None if self.alike is None else self.alike.id

    @property
    def default_models(self) -> tuple[str, ...]:
        """The networks that run by default: those of its table whose identity is known."""
        return tuple(model for model in _RUN_BY_DEFAULT if model in self.models)

    def budget_of(self, model: str) -> Budget:
        """The budget of a network: each limit is its own, else that of all networks."""
        own, of_all = (self.budgets.get(name, NO_BUDGET) for name in (model, EVERY_NETWORK))
        return own.or_else(of_all)

    def name_budget(self, model: str, key: str) -> str:
        """Name what a limit of a network is set for: `resnet50 on tk1`, or `tk1` for all its networks."""
        own = getattr(self.budgets.get(model, NO_BUDGET), key) is not None
        return f"{model} on {self.id}" if own else self.id

    def reading_error_of(self, value_ms: float) -> float:
        """Maximum reading error of the published `value_ms` (milliseconds per image), in milliseconds."""
        return value_ms * self.reading_error_percent / 100 + self.reading_error_ms

    def value_of(self, key: str) -> Any:  # noqa: ANN401 - the key's own type
        """Return the value of a key; None if there is no such key."""
        return getattr(self.parameters if key in PARAMETERS else self, key, None)

    def with_values(self, values: Mapping[str, Any], **others: Any) -> Platform:  # noqa: ANN401 - the keys' own types
        """Copy the platform with other values of keys, and of other fields."""
        own = {key: value for key, value in values.items() if key not in PARAMETERS}
        parameters = replace(self.parameters, **{key: values[key] for key in values if key in PARAMETERS})
        return replace(self, **own | others, parameters=parameters)


_NO_KEY = {"id": (), "overridden": (), "taken_over": (), "alike": ("like",), "parameters": tuple(PARAMETERS)}

PLATFORM_KEYS: Final[tuple[str, ...]] = tuple(
    key for one in fields(Platform) for key in _NO_KEY.get(one.name, (one.name,))
)
"""The keys allowed under [platforms.<id>]."""

OWN_KEYS: Final[Mapping[str, Key]] = {
    "like": Key(
        "id of the platform whose published table and settings this board inherits",
        _ANYTHING,
    ),
    "knobs": Key("settings of single networks, one table each", _ANYTHING),
    "budgets": Key('limits of single networks, one table each, and of all under "*"', _ANYTHING),
    "against": Key("the reference of `--ddperf-against`: a table of the keys that differ there", _ANYTHING),
    **{one.name: one.metadata["key"] for one in fields(Platform) if one.metadata},
}
"""The keys that are not options, with their meanings."""


def build_batch_schedule(kind: str, maximum: int) -> tuple[int, ...]:
    """List the batch sizes up to and including `maximum`, ascending.

    Args:
        kind: `pow2`: 1, 2, 4, 8 ... as in the report; `dd_bench`: 1, 2, 4, 8, 16, 32, then every 16.
        maximum: upper limit of the batch sizes, 1 or more.
    """
    powers = [2**exponent for exponent in range(maximum.bit_length())]
    if kind == "pow2":
        return tuple(powers)
    return (*(size for size in powers if size <= 32), *range(48, maximum + 1, 16))
