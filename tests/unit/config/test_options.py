from __future__ import annotations

import re
from typing import Any

import pytest
from every_row import every_row

from pytest_ddperf.config.options import OPTIONS, Option
from pytest_ddperf.plugin.options import expand_bare_options, has_options

BY_NAME = {option.name: option for option in OPTIONS}


def option(name: str) -> Option:
    return BY_NAME[name]


def test_each_option_has_its_name_in_three_forms() -> None:
    one = option("max-batch-size")
    assert (one.flag, one.key, one.variable) == (
        "--ddperf-max-batch-size",
        "ddperf_max_batch_size",
        "DDPERF_MAX_BATCH_SIZE",
    )


def test_no_option_stands_twice() -> None:
    assert len(BY_NAME) == len(OPTIONS)


@every_row("one", OPTIONS)
def test_each_option_with_a_default_shows_it(one: Option) -> None:
    defaults = [one.default, one.bare]
    if one.default in (None, False, (), {}) or "default: the platform's" in one.help:  # some say in words what it is
        defaults.remove(one.default)
    for default in (each for each in defaults if each is not None):
        shown = ",".join(default) if isinstance(default, tuple) else str(default)
        shown = shown.removesuffix(".0")
        assert re.search(rf"default: {re.escape(shown)}(?![\w.])", one.help), one.help


def test_the_options_stand_in_the_order_of_need() -> None:
    first = [
        "platform",
        "models",
        "url",
        "repository",
        "baseline",
        "update-baselines",
        "report",
        "npasses",
        "data-dir",
        "bw",
    ]
    names = [one.name for one in OPTIONS]
    assert sorted(first, key=names.index) == first


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("platform", "tk1, tx1", ("tk1", "tx1")),
        ("models", "res50,", ("res50",)),
        ("batch-sizes", "8,1,8", (1, 8)),
        ("max-batch-size", "16", 16),
        ("concurrency", "4,1, 4", (1, 4)),
        ("rate", "50,0.25,1e1", (0.25, 10.0, 50.0)),
        ("load-requests", "100", 100),
        ("batch-schedule", "dd_bench", "dd_bench"),
        ("wait", "0", 0.0),
        ("wait", "1.5", 1.5),
        ("recovery-timeout", "0", 0.0),
        ("infra-exit-code", "75", 75),
        ("tolerance", "10%", 0.1),
        ("tolerance", " 0.25 ", 0.25),
        ("tolerance", "0", 0.0),
        ("tolerance", "250 %", 2.5),
        ("gpuid", "0", 0),
        ("warmup", "0", 0),
        ("timer", "head", "head"),
        ("require-baseline", "TRUE", True),
        ("require-baseline", "1", True),
        ("require-baseline", "yes", True),
        ("require-baseline", "on", True),
        ("require-baseline", "off", False),
        ("require-baseline", "", False),
        ("update-baselines", "all", "all"),
        ("url", "http://a:b@h:8080/dd", {"": "http://a:b@h:8080/dd"}),
        ("url", "embedded", {"": "embedded"}),
        ("url", "tk1=http://h:1, tx1=embedded", {"tk1": "http://h:1", "tx1": "embedded"}),
        ("url", "http://h:1/a=b", {"": "http://h:1/a=b"}),
        ("url", "http://a:b=c@h:1", {"": "http://a:b=c@h:1"}),
        ("url", "tk1=http://a:b=c@h:1", {"tk1": "http://a:b=c@h:1"}),
    ],
)
def test_a_text_becomes_the_option_s_value(name: str, text: str, value: object) -> None:
    assert option(name).type.parse(text) == value


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("platform", " , ", "one name or several"),
        ("batch-sizes", "1,2.5", "1 or more"),
        ("batch-sizes", "", "1 or more"),
        ("max-batch-size", "0", "1 or more"),
        ("concurrency", "0", "from 1 to 256"),
        ("concurrency", "1,257", "from 1 to 256"),
        ("concurrency", ",", "from 1 to 256"),
        ("rate", "0", "from 0.001 to 100000"),
        ("rate", "nan", "from 0.001 to 100000"),
        ("rate", "inf", "from 0.001 to 100000"),
        ("rate", "fast", "from 0.001 to 100000"),
        ("load-requests", "1", "2 or more"),
        ("gpuid", "-2", "one GPU, or -1"),
        ("gpuid", "0,1", "list .* GET /info"),
        ("gpuid", "[0, 1]", "list .* GET /info"),
        ("gpuid", "all", "list .* GET /info"),
        ("scale", "0", "other than 0"),
        ("image-interp", "bicubic", "nearest, linear, cubic"),
        ("nclasses", "0", "1 or more"),
        ("npasses", "five", "1 or more"),
        ("wait", "soon", "from 0 to 1000000"),
        ("wait", "-1", "from 0 to 1000000"),
        ("recovery-timeout", "nan", "from 0 to 1000000"),
        ("infra-exit-code", "0", "from 1 to 255"),
        ("infra-exit-code", "256", "from 1 to 255"),
        ("infra-exit-code", "one", "from 1 to 255"),
        ("wait", "inf", "from 0 to 1000000"),
        ("tolerance", "10", "from 0 to below 1"),
        ("tolerance", "1000%", "from 0 to below 1"),
        ("tolerance", "-1%", "from 0 to below 1"),
        ("tolerance", "nan", "from 0 to below 1"),
        ("tolerance", "ten", "from 0 to below 1"),
        ("accept", "maybe", "true or false"),
        ("timer", "Head", "auto, predict, head, client"),
        ("batch-schedule", "pow3", "pow2, dd_bench"),
        ("missing-service", "ignore", "fail, skip"),
        ("url", "ftp://h", r"http\[s\]://"),
        ("url", "http://h:1,http://h:2", "platform=URL,platform=URL"),
        ("url", "http://h:1,tk1=http://h:2", "platform=URL,platform=URL"),
        ("url", "tk1=http://h:1,tk1=http://h:2", "one URL per platform"),
    ],
)
def test_a_text_that_cannot_be_says_what_was_expected(name: str, text: str, expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        option(name).type.parse(text)


def test_bare_options_are_spelled_out_in_place() -> None:
    args = ["-v", "--ddperf-update-baselines", "benchmarks"]
    assert expand_bare_options(args)
    assert args == ["-v", "--ddperf-update-baselines=accepted", "benchmarks"]


def test_options_with_a_value_stay() -> None:
    args = ["--ddperf-update-baselines=all", "benchmarks"]
    assert not expand_bare_options(args)
    assert args == ["--ddperf-update-baselines=all", "benchmarks"]


class Config:
    """As much of pytest's as is asked."""

    def __init__(self, given: dict[str, str] | None = None, ini: dict[str, Any] | None = None) -> None:
        self._given = given or {}
        self._ini = ini or {}

    def getoption(self, name: str, default: object = None) -> object:
        return self._given.get(name, default)

    def getini(self, name: str) -> object:
        value = self._ini.get(name)
        if isinstance(value, int):
            raise TypeError(name)
        return value


def asked(config: Config) -> bool:
    stands_for: Any = config
    return has_options(stands_for)


def test_nothing_given_is_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    for one in OPTIONS:
        monkeypatch.delenv(one.variable, raising=False)
    assert not asked(Config())


@every_row("one", OPTIONS)
def test_each_option_is_noticed_wherever_it_stands(one: Option, monkeypatch: pytest.MonkeyPatch) -> None:
    assert asked(Config({one.key: "x"}))
    assert asked(Config(ini={one.key: "x"}))
    assert asked(Config(ini={one.key: 7}))
    monkeypatch.setenv(one.variable, "x")
    assert asked(Config())
    monkeypatch.setenv(one.variable, "")  # as an unset variable of a CI arrives
    assert not asked(Config())
