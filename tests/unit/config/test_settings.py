from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import pytest
from messages import assert_names
from settings_made import make_settings

from pytest_ddperf.config.settings import GivenValue, Origin
from pytest_ddperf.core.budgets import Budget
from pytest_ddperf.errors import ConfigurationError
from pytest_ddperf.plugin.given import read_given

if TYPE_CHECKING:
    from pathlib import Path


class Config:
    """As much of pytest's as is asked."""

    inipath = "pytest.ini"

    def __init__(self, options: dict[str, str] | None = None, ini: dict[str, Any] | None = None) -> None:
        self._options = options or {}
        self._ini = ini or {}

    def getoption(self, name: str, default: object = None) -> object:
        return self._options.get(name, default)

    def getini(self, name: str) -> object:
        value = self._ini.get(name)
        if isinstance(value, int):
            raise TypeError(name)
        return value


def found(config: Config, **environ: str) -> dict[str, GivenValue]:
    stands_for: Any = config
    with patch.dict(os.environ, environ, clear=True):
        return read_given(stands_for)


def test_what_was_given_says_where() -> None:
    config = Config({"ddperf_npasses": "7"}, {"ddperf_npasses": "5", "ddperf_timer": "head", "ddperf_warmup": "0"})
    assert found(config, DDPERF_TIMER="client", DDPERF_NPASSES="6") == {
        "npasses": GivenValue(7, Origin.COMMAND_LINE, "7"),
        "timer": GivenValue("client", Origin.ENVIRONMENT, "client"),
        "warmup": GivenValue(0, Origin.INI),
    }


@pytest.mark.parametrize(
    ("config", "environ", "facts"),
    [
        (Config({"ddperf_npasses": "x"}), {}, ("--ddperf-npasses", "'x'", "whole number")),
        (Config(), {"DDPERF_NPASSES": "x"}, ("environment", "DDPERF_NPASSES", "'x'")),
        (Config(ini={"ddperf_npasses": "x"}), {}, ("ddperf_npasses", "pytest.ini", "'x'")),
        (Config(ini={"ddperf_npasses": 7}), {}, ("ddperf_npasses", "pytest.ini", "quotes")),
    ],
)
def test_a_wrong_value_is_reported_with_its_place(
    config: Config, environ: dict[str, str], facts: tuple[str, ...]
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        found(config, **environ)
    assert_names(caught, *facts)


def test_a_wrong_url_is_reported_without_credentials() -> None:
    with pytest.raises(ConfigurationError) as caught:
        found(Config({"ddperf_url": "tk1=http://u:pw@h:1,tx1=http://u:pw@h:99999"}))
    assert_names(caught, "'tk1=http://***@h:1,tx1=http://***@h:99999'")


def test_the_default_platform_is_local_and_embedded(tmp_path: Path) -> None:
    settings = make_settings(tmp_path)
    assert settings.platforms == ("local",)
    assert settings.url("local") == "embedded"
    assert settings.batch_sizes("local") == (1, 2, 4, 8)
    assert len(settings.models("local")) == 13


@pytest.mark.parametrize("origin", [Origin.INI, Origin.ENVIRONMENT, Origin.COMMAND_LINE])
def test_a_backend_that_the_user_names_is_not_the_server_s_choice(tmp_path: Path, origin: Origin) -> None:
    settings = make_settings(tmp_path, "", origin, platform="tk1", mllib="ncnn")
    assert settings.server_options("tk1").parameters.mllib == "ncnn"


@pytest.mark.parametrize("board", ["tk1", "board2"])
def test_a_backend_of_ddperf_toml_is_not_the_server_s_choice(tmp_path: Path, board: str) -> None:
    toml = '[platforms.tk1]\nmllib = "torch"\n[platforms.board2]\nlike = "tk1"\nurl = "http://b:1"\n'
    assert make_settings(tmp_path, toml, platform=board).server_options(board).parameters.mllib == "torch"


def test_a_board_prefers_the_backend_of_the_platform_it_is_like(tmp_path: Path) -> None:
    settings = make_settings(tmp_path, '[platforms.board2]\nlike = "tk1"\nurl = "http://b:1"\n', platform="board2")
    options = settings.server_options("board2")
    assert (options.parameters.mllib, options.platform_mllib) == ("auto", "caffe")


def test_a_platform_named_twice_is_measured_once(tmp_path: Path) -> None:
    assert make_settings(tmp_path, platform="TK1,tk1").platforms == ("tk1",)


def test_a_platform_has_its_own_defaults(tmp_path: Path) -> None:
    settings = make_settings(tmp_path, platform="tk1")
    options = settings.server_options("tk1")
    assert (options.url, options.parameters.gpu) == ("http://localhost:8080", True)
    assert (options.parameters.mllib, options.platform_mllib) == ("auto", "caffe")
    assert settings.value("tolerance", "tk1") == 0.1
    assert settings.batch_sizes("tk1") == (1, 2, 4, 8, 16, 32, 64, 128)


TOML = """
[platforms.tk1]
url = "http://board:1"
tolerance = 0.2
models = ["res50"]
batch_sizes = [1, 3]
service = "caffe_{model}"
"""


def test_the_project_s_platform_file_wins_over_the_ini(tmp_path: Path) -> None:
    settings = make_settings(
        tmp_path, TOML, Origin.INI, platform="tk1", url="http://ini:1", tolerance="0.3", models="vgg16", service="x"
    )
    assert settings.url("tk1") == "http://board:1"
    assert settings.value("tolerance", "tk1") == 0.2
    assert settings.models("tk1") == ("resnet50",)
    assert settings.server_options("tk1").service == "caffe_{model}"


@pytest.mark.parametrize("origin", [Origin.ENVIRONMENT, Origin.COMMAND_LINE])
def test_environment_and_command_line_win_over_the_project_s_platform_file(tmp_path: Path, origin: Origin) -> None:
    settings = make_settings(
        tmp_path, TOML, origin, platform="tk1", url="http://cli:1", tolerance="0.3", models="vgg16", batch_sizes="2"
    )
    assert settings.url("tk1") == "http://cli:1"
    assert settings.value("tolerance", "tk1") == 0.3
    assert settings.models("tk1") == ("vgg16",)
    assert settings.batch_sizes("tk1") == (2,)


def test_a_schedule_of_the_ini_yields_to_the_project_s_batch_sizes(tmp_path: Path) -> None:
    assert make_settings(tmp_path, TOML, Origin.INI, platform="tk1", batch_schedule="pow2").batch_sizes("tk1") == (1, 3)


def test_a_schedule_goes_up_to_the_platform_s_largest(tmp_path: Path) -> None:
    sizes = make_settings(tmp_path, platform="tk1", batch_schedule="dd_bench").batch_sizes("tk1")
    assert sizes == (1, 2, 4, 8, 16, 32, 48, 64, 80, 96, 112, 128)


@pytest.mark.parametrize("origin", [Origin.INI, Origin.ENVIRONMENT, Origin.COMMAND_LINE])
def test_batch_sizes_and_a_schedule_from_one_place_are_refused(tmp_path: Path, origin: Origin) -> None:
    with pytest.raises(ConfigurationError) as caught:
        make_settings(tmp_path, "", origin, batch_sizes="1,3", batch_schedule="pow2", max_batch_size="2")
    assert_names(caught, "--ddperf-batch-sizes=1,3", "--ddperf-batch-schedule=pow2")


def test_urls_are_per_platform(tmp_path: Path) -> None:
    settings = make_settings(tmp_path, platform="tk1,tx1", url="TX1=http://b:1,tk1=http://a:1")
    assert (settings.url("tk1"), settings.url("tx1")) == ("http://a:1", "http://b:1")


def test_local_needs_no_url_beside_others(tmp_path: Path) -> None:
    settings = make_settings(tmp_path, platform="tk1,local", url="tk1=http://a:1")
    assert settings.url("local") == "embedded"


def test_a_project_s_url_counts_among_several(tmp_path: Path) -> None:
    settings = make_settings(tmp_path, TOML, platform="tk1,tx1", url="tx1=http://b:1")
    assert settings.url("tk1") == "http://board:1"


@pytest.mark.parametrize(
    ("texts", "facts"),
    [
        ({"platform": "tk3"}, ("platform", "'tk3'")),
        ({"models": "resnet51"}, ("model", "'resnet51'")),
        ({"platform": "tk1,tx1"}, ("--ddperf-url", "tk1", "tx1")),
        ({"platform": "tk1,tx1", "url": "http://a:1"}, ("http://a:1", "2 platforms")),
        ({"platform": "tk1", "url": "tx1=http://a:1"}, ("--ddperf-url", "tx1")),
    ],
)
def test_what_does_not_fit_together_is_refused(tmp_path: Path, texts: dict[str, Any], facts: tuple[str, ...]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        make_settings(tmp_path, **texts)
    assert_names(caught, *facts)


def test_platforms_that_share_a_server_are_reported(tmp_path: Path) -> None:
    urls = "tk1=http://u:p@localhost:1/x,nano=http://b:1,tx1=http://127.0.0.1:1"
    settings = make_settings(tmp_path, platform="tk1,nano,tx1,local", url=urls)
    assert settings.shared_servers() == {"localhost:1": ("tk1", "tx1")}


def test_the_embedded_server_is_one_however_many_platforms_name_it(tmp_path: Path) -> None:
    settings = make_settings(tmp_path, platform="tk1,local", url="tk1=embedded")
    assert settings.shared_servers() == {"embedded": ("tk1", "local")}


def test_a_wrong_url_of_the_project_is_reported_with_its_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        make_settings(tmp_path, '[platforms.tk1]\nurl = "board"\n', platform="tk1")
    assert_names(caught, "ddperf.toml", "url", "tk1", "'board'")


def test_the_embedded_server_may_be_any_platform_s(tmp_path: Path) -> None:
    assert make_settings(tmp_path, '[platforms.tk1]\nurl = "embedded"\n', platform="tk1").url("tk1") == "embedded"


def test_the_history_lies_in_the_project(tmp_path: Path) -> None:
    assert make_settings(tmp_path).storage_dir == tmp_path / ".ddperf"
    assert make_settings(tmp_path, storage="/elsewhere").storage_dir.as_posix() == "/elsewhere"


def test_a_platform_s_loads_come_from_its_file_unless_an_option_names_others(tmp_path: Path) -> None:
    toml = "[platforms.tk1]\nconcurrency = [4, 1]\nrate = [10, 0.5]\nload_requests = 20\n"
    found = make_settings(tmp_path, toml, platform="tk1", url="http://h:1")
    assert found.scenarios("tk1") == ("", "c1", "c4", "r0.5", "r10")
    assert found.value("load-requests", "tk1") == 20
    assert make_settings(tmp_path, toml, platform="tk1", url="http://h:1", concurrency="8").scenarios("tk1") == (
        "", "c8", "r0.5", "r10",
    )  # fmt: skip


def test_without_a_word_nothing_is_measured_under_load(tmp_path: Path) -> None:
    assert make_settings(tmp_path).scenarios("local") == ("",)


PATHS = {"ca-file": "ca.pem", "bench-files": "names.txt", "storage": "kept", "plot": "figures"}


@pytest.mark.parametrize("origin", [Origin.ENVIRONMENT, Origin.COMMAND_LINE])
@pytest.mark.parametrize("name", PATHS)
def test_what_is_typed_begins_where_it_is_typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, origin: Origin
) -> None:
    (tmp_path / "sub").mkdir()
    monkeypatch.chdir(tmp_path / "sub")
    texts = {"platform": "tk1", "url": "https://h", "data_dir": "/srv", name: PATHS[name]}
    assert make_settings(tmp_path, "", origin, **texts).path(name, "tk1") == tmp_path / "sub" / PATHS[name]


@pytest.mark.parametrize("name", PATHS)
def test_what_stands_in_the_ini_file_begins_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (tmp_path / "sub").mkdir()
    monkeypatch.chdir(tmp_path / "sub")
    texts = {"platform": "tk1", "data_dir": "/srv", name: PATHS[name]}
    assert make_settings(tmp_path, "", Origin.INI, **texts).path(name, "tk1") == tmp_path / PATHS[name]


def test_what_stands_in_ddperf_toml_begins_beside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sub").mkdir()
    monkeypatch.chdir(tmp_path / "sub")
    toml = '[platforms.tk1]\ndata_dir = "/srv"\nbench_files = "names.txt"\nca_file = "ca.pem"\n'
    found = make_settings(tmp_path, toml, platform="tk1")
    assert found.path("bench-files", "tk1") == tmp_path / "names.txt"
    assert found.path("ca-file", "tk1") == tmp_path / "ca.pem"


@pytest.mark.parametrize("url", ["http://me:secret@h:1", "embedded"])
@pytest.mark.parametrize("origin", [Origin.ENVIRONMENT, Origin.COMMAND_LINE])
def test_one_server_for_several_platforms_is_refused_whatever_stands_in_ddperf_toml(
    tmp_path: Path, url: str, origin: Origin
) -> None:
    toml = "".join(f'[platforms.{name}]\nurl = "http://{name}:8080"\n' for name in ("tk1", "tx1"))
    with pytest.raises(ConfigurationError) as reported:
        make_settings(tmp_path, toml, origin, platform="tk1,tx1", url=url)
    assert_names(reported, "2 platforms", "--ddperf-url=tk1=URL,tx1=URL")
    assert "secret" not in str(reported.value)


BUDGETS = '[platforms.tk1.budgets]\n"*" = { min_fps = 10 }\nvgg16 = { max_ms = 900 }\n'


def test_the_budgets_of_a_platform_are_those_of_its_networks(tmp_path: Path) -> None:
    settings = make_settings(tmp_path, BUDGETS, platform="tk1")
    assert settings.budget("tk1", "vgg16") == Budget(max_ms=900, min_fps=10)
    assert settings.budget("tk1", "resnet50") == Budget(min_fps=10)


@pytest.mark.parametrize(
    ("origin", "limit"), [(Origin.COMMAND_LINE, 30), (Origin.ENVIRONMENT, 30), (Origin.INI, 20), (None, 20)]
)
def test_an_option_replaces_the_limit_of_a_marker_which_replaces_that_of_ddperf_toml(
    tmp_path: Path, origin: Origin | None, limit: float
) -> None:
    given = {} if origin is None else {"min_fps": "30"}
    settings = make_settings(tmp_path, BUDGETS, origin or Origin.INI, platform="tk1", **given)
    assert settings.budget("tk1", "vgg16", Budget(min_fps=20)) == Budget(max_ms=900, min_fps=limit)


def test_an_option_of_the_ini_file_is_used_where_nothing_else_sets_the_limit(tmp_path: Path) -> None:
    settings = make_settings(tmp_path, BUDGETS, Origin.INI, platform="tk1", max_ms="70", min_fps="30")
    assert settings.budget("tk1", "resnet50") == Budget(max_ms=70, min_fps=10)


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "x", "", "1e-310", "1e10"])
@pytest.mark.parametrize("name", ["min-fps", "max-ms"])
def test_a_limit_is_a_number_above_0(name: str, text: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        found(Config({f"ddperf_{name.replace('-', '_')}": text}))
    assert_names(caught, f"--ddperf-{name}", "above 0")
