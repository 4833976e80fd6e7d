"""The reference of a measurement in pairs, from command line and ddperf.toml."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from every_row import every_row
from messages import assert_names
from settings_made import make_settings

from pytest_ddperf.config.load_catalog import load_catalog
from pytest_ddperf.config.options import BY_NAME
from pytest_ddperf.config.resolve import resolve_settings
from pytest_ddperf.config.settings import GivenValue, Origin, Settings
from pytest_ddperf.errors import ConfigurationError
from pytest_ddperf.runner.plan import create_plans

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_ddperf.config.server_options import ServerOptions
    from pytest_ddperf.runner.plan import PlatformPlan

NEW, OLD = "http://new:8080", "http://old:8080"


def resolve(folder: Path, toml: str = "", origin: Origin = Origin.COMMAND_LINE, /, **texts: str) -> Settings:
    return make_settings(folder, toml, origin, **{"platform": "tk1", "url": NEW, **texts})


def plans_of(settings: Settings) -> dict[str, PlatformPlan]:
    return create_plans(settings, datetime.now(UTC), None)[0]


def reference(folder: Path, toml: str = "", /, **texts: str) -> ServerOptions:
    found = resolve(folder, toml, **texts).reference("tk1")
    assert found is not None
    return found.server_options("tk1")


def test_without_the_option_there_is_no_reference(tmp_path: Path) -> None:
    settings = resolve(tmp_path, f'[platforms.tk1.against]\nurl = "{OLD}"\n')
    assert settings.reference("tk1") is None
    assert plans_of(settings)["tk1"].against is None


def test_everything_but_the_url_is_as_for_the_server_under_test(tmp_path: Path) -> None:
    found = reference(tmp_path, against=OLD, repository="/opt/{model}", timeout="7", datatype="fp16")
    assert (found.url, found.repository, found.timeout_s) == (OLD, "/opt/{model}", 7.0)
    assert found.parameters.datatype == "fp16"


def test_a_key_of_the_table_takes_precedence_over_the_command_line(tmp_path: Path) -> None:
    toml = '[platforms.tk1.against]\nrepository = "/old/{model}"\ndatatype = "fp32"\n'
    found = reference(tmp_path, toml, against=OLD, repository="/opt/{model}", datatype="fp16")
    assert (found.url, found.repository, found.parameters.datatype) == (OLD, "/old/{model}", "fp32")


def test_a_key_of_the_table_takes_precedence_over_the_settings_of_a_network(tmp_path: Path) -> None:
    toml = '[platforms.tk1.knobs.resnet50]\nmllib = "tensorrt"\n[platforms.tk1.against]\nmllib = "ncnn"\n'
    settings = resolve(tmp_path, toml, against=OLD)
    assert settings.server_options("tk1").of("resnet50").parameters.mllib == "tensorrt"
    assert reference(tmp_path, toml, against=OLD).of("resnet50").parameters.mllib == "ncnn"


def test_without_a_value_the_url_is_that_of_the_table(tmp_path: Path) -> None:
    assert reference(tmp_path, f'[platforms.tk1.against]\nurl = "{OLD}"\n', against="ddperf.toml").url == OLD


def test_self_is_a_second_service_on_the_same_server_whatever_the_table_says(tmp_path: Path) -> None:
    toml = f'[platforms.tk1.against]\nurl = "{OLD}"\nservice = "other"\n'
    found = reference(tmp_path, toml, against="self", service="bench_{model}")
    assert (found.url, found.service) == (NEW, "bench_{model}_b")


def test_the_loads_of_files_are_ignored(tmp_path: Path) -> None:
    settings = resolve(tmp_path, "[platforms.tk1]\nconcurrency = [2]\n", against=OLD)
    assert settings.scenarios("tk1") == ("",)


@every_row(
    "texts, named",
    [
        ({"against": NEW}, [NEW, "self"]),
        ({"against": "http://NEW:8080/"}, ["self"]),
        ({"against": "ddperf.toml"}, ["[platforms.tk1.against]", "--ddperf-against=URL"]),
        ({"platform": "local", "url": "embedded", "against": "ddperf.toml"}, ["[platforms.local.against]"]),
        ({"against": f"tx1={OLD}"}, ["tx1"]),
        ({"platform": "tk1,tx1", "url": f"tk1={NEW},tx1={NEW}", "against": OLD}, [OLD, "tk1=URL,tx1=URL"]),
        ({"against": OLD, "max-passes": "9"}, ["--ddperf-max-passes", "--ddperf-max-pairs"]),
        ({"against": OLD, "load-requests": "9"}, ["--ddperf-load-requests"]),
    ],
)
def test_a_reference_that_cannot_be_one_is_refused(texts: dict[str, str], named: list[str], tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as error:
        resolve(tmp_path, **texts)
    assert_names(error, *named)


@every_row("name", ["baseline", "npasses"])
def test_options_that_do_not_fit_are_ignored_in_the_ini_file(name: str, tmp_path: Path) -> None:
    value = {"baseline": "report", "npasses": "9"}[name]
    given = {
        "platform": GivenValue(("tk1",), Origin.COMMAND_LINE),
        "url": GivenValue({"": NEW}, Origin.COMMAND_LINE),
        "against": GivenValue({"": OLD}, Origin.COMMAND_LINE),
        name: GivenValue(BY_NAME[name].type.parse(value), Origin.INI),
    }
    assert resolve_settings(given, load_catalog(tmp_path), tmp_path).reference("tk1") is not None


@every_row("name", ["accept", "update-baselines"])
def test_a_run_in_pairs_is_never_stored_as_a_baseline_wherever_that_was_asked_for(name: str, tmp_path: Path) -> None:
    value = {"accept": "true", "update-baselines": "all"}[name]
    with pytest.raises(ConfigurationError) as error:
        resolve(tmp_path, "", Origin.INI, against=OLD, **{name: value})
    assert_names(error, f"--ddperf-{name}", "--ddperf-against")


def test_both_servers_are_locked_in_an_order_that_does_not_depend_on_their_roles(tmp_path: Path) -> None:
    plans = [plans_of(resolve(tmp_path, url=one, against=other))["tk1"] for one, other in ((NEW, OLD), (OLD, NEW))]
    assert [plan.locks for plan in plans] == [["new:8080", "old:8080"]] * 2


@every_row(
    "url, against, is_one_server, shares_memory",
    [
        (NEW, OLD, False, False),
        (NEW, "http://new:9090", False, True),
        (NEW, "self", True, True),
        ("embedded", "embedded", False, True),
        ("embedded", "self", True, True),
        ("http://localhost:8080", "embedded", False, True),
    ],
)
def test_what_both_sides_share(
    url: str, against: str, is_one_server: bool, shares_memory: bool, tmp_path: Path
) -> None:
    plan = plans_of(resolve(tmp_path, platform="local", url=url, against=against))["local"]
    assert (plan.is_one_server, plan.shares_memory) == (is_one_server, shares_memory)


def test_platforms_that_share_a_server_in_any_role_are_measured_by_one_process(tmp_path: Path) -> None:
    urls = "tk1=http://a:1,tx1=http://b:1,gtx1080ti=http://c:1"
    settings = resolve(tmp_path, platform="tk1,tx1,gtx1080ti", url=urls, against="tk1=http://b:1,tx1=http://d:1")
    assert settings.servers_of == {
        "tk1": "a:1 and b:1 and d:1",
        "tx1": "a:1 and b:1 and d:1",
        "gtx1080ti": "c:1",
    }


def test_a_run_without_a_seed_draws_one(tmp_path: Path) -> None:
    seeds = {plans_of(resolve(tmp_path, against=OLD))["tk1"].seed for _ in range(3)}
    assert len(seeds) == 3
    assert plans_of(resolve(tmp_path, **{"against": OLD, "pair-seed": "5"}))["tk1"].seed == 5


def test_a_platform_needs_a_table_only_if_its_own_reference_is_in_it(tmp_path: Path) -> None:
    toml = '[platforms.tx1.against]\nservice = "{model}_old"\n'
    urls = {"platform": "tk1,tx1", "url": "tk1=http://a:1,tx1=http://b:1"}
    settings = resolve(tmp_path, toml, **urls, against=f"tk1={OLD},tx1=ddperf.toml")
    assert (settings.reference_url("tk1"), settings.reference_url("tx1")) == (OLD, "http://b:1")
