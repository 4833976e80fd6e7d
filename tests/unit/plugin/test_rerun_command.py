"""The command that measures one cell again."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

import pytest
from settings_made import make_settings

from pytest_ddperf.config.settings import Origin, Settings
from pytest_ddperf.core.records import CellKey
from pytest_ddperf.plugin.rerun_command import build_command, configuration_options

if TYPE_CHECKING:
    from pathlib import Path

CELL = CellKey("tk1", "resnet50", 8)
TEST = "benchmarks/test_predict.py::test_predict[tk1-resnet50-b8]"

ONE_WITH_A_REFERENCE: dict[str, Any] = {
    "platform": "tk1,tx1",
    "url": "tk1=http://a:1,tx1=http://b:1",
    "against": "tx1=http://old:1",
}


def resolve(folder: Path, toml: str = "", origin: Origin = Origin.COMMAND_LINE, /, **texts: str) -> Settings:
    return make_settings(folder, toml, origin, **{"platform": "tk1", **texts})


def options_of(settings: Settings, key: CellKey = CELL) -> list[str]:
    """Those behind the platform's."""
    said = build_command(settings, key, TEST, settings.cwd)
    before, platform, behind = said.partition(" --platform=tk1")
    assert (before, platform) == (f"pytest '{TEST}'", " --platform=tk1")
    return behind.split()


def test_what_stands_in_files_need_not_be_typed(tmp_path: Path) -> None:
    toml = '[platforms.tk1]\nurl = "http://h:1"\nbatch_sizes = [8]\nmodels = ["resnet50"]\n'
    assert options_of(resolve(tmp_path, toml, Origin.INI, mllib="ncnn", repository="/opt/{model}")) == []


def test_the_server_is_named_without_credentials(tmp_path: Path) -> None:
    assert options_of(resolve(tmp_path, url="tk1=http://me:secret@h:1")) == ["--ddperf-url=http://h:1"]


@pytest.mark.parametrize("origin", [Origin.ENVIRONMENT, Origin.COMMAND_LINE])
def test_the_embedded_server_of_a_board_is_named(tmp_path: Path, origin: Origin) -> None:
    assert options_of(resolve(tmp_path, "", origin, url="embedded")) == ["--ddperf-url=embedded"]


def test_what_is_measured_and_against_what_is_typed_again(tmp_path: Path) -> None:
    settings = resolve(
        tmp_path, repository="/opt/{model}", img_width="300", gpu="true", baseline="report", tolerance="5%", npasses="9"
    )
    assert options_of(settings) == [
        "'--ddperf-repository=/opt/{model}'",
        "--ddperf-gpu",
        "--ddperf-baseline=report",
        "--ddperf-tolerance=5%",
        "--ddperf-npasses=9",
        "--ddperf-img-width=300",
    ]


def test_what_becomes_of_a_run_is_not(tmp_path: Path) -> None:
    assert options_of(resolve(tmp_path, accept="true", report="r.md", plot="p", infra_exit_code="7")) == []


def test_a_network_and_a_batch_size_that_the_platform_has_not_by_itself_are_named(tmp_path: Path) -> None:
    settings = resolve(tmp_path, models="mobilenet_v2,resnet50", batch_sizes="3,8")
    assert options_of(settings, CellKey("tk1", "mobilenet_v2", 3)) == [
        "--ddperf-models=mobilenet_v2",
        "--ddperf-batch-sizes=3",
    ]
    assert options_of(settings) == []


@pytest.mark.parametrize("origin", [Origin.ENVIRONMENT, Origin.COMMAND_LINE])
@pytest.mark.parametrize("folder", ["./nets/mine", "nets/mine", "/srv/models/mine"])
def test_a_folder_is_named_as_it_was_typed(tmp_path: Path, origin: Origin, folder: str) -> None:
    settings = resolve(tmp_path, "", origin, models=f"resnet50, {folder}")
    assert options_of(settings, CellKey("tk1", "mine", 8)) == [f"--ddperf-models={folder}"]
    assert options_of(settings) == []


def test_a_network_of_ddperf_toml_goes_by_its_id(tmp_path: Path) -> None:
    toml = '[models.a]\nrepository = "/srv/net"\n[models.b]\nrepository = "/srv/net"\nwidth = 320\n'
    for settings in (resolve(tmp_path, toml), resolve(tmp_path, toml, models="b")):
        assert options_of(settings, CellKey("tk1", "b", 8)) == []
    few = resolve(tmp_path, toml + '[platforms.tk1]\nmodels = ["resnet50"]\n', models="b")
    assert options_of(few, CellKey("tk1", "b", 8)) == ["--ddperf-models=b"]


def test_the_configuration_that_was_named_is_named_again(tmp_path: Path) -> None:
    option = argparse.Namespace(inifilename="my.ini", rootdir="..", override_ini=["ddperf_npasses=3"], plugins=[])
    said = build_command(resolve(tmp_path), CELL, TEST, tmp_path, of_pytest=configuration_options(option))
    assert said.endswith(" -c my.ini --rootdir=.. --override-ini=ddperf_npasses=3 --platform=tk1")


def test_plugins_that_were_loaded_by_name_and_repetitions_are_named_again(tmp_path: Path) -> None:
    plugins = ["pytest_ddperf.plugin", "no:xdist", "pytest_ddperf.plugin"]
    option = argparse.Namespace(inifilename=None, rootdir=None, override_ini=None, plugins=plugins, count=2)
    said = build_command(resolve(tmp_path), CELL, TEST, tmp_path, of_pytest=configuration_options(option))
    assert said.endswith(" -p pytest_ddperf.plugin --count=2 --platform=tk1")


def test_where_the_project_owns_platform_our_own_option_names_it(tmp_path: Path) -> None:
    said = build_command(resolve(tmp_path), CELL, TEST, tmp_path, platform_flag="--ddperf-platform")
    assert "--ddperf-platform=tk1" in said.split()


@pytest.mark.parametrize(("scenario", "option"), [("c4", "--ddperf-concurrency=4"), ("r0.5", "--ddperf-rate=0.5")])
def test_a_load_is_named(tmp_path: Path, scenario: str, option: str) -> None:
    settings = resolve(tmp_path, concurrency="2,4", rate="0.5")
    assert options_of(settings, CellKey("tk1", "resnet50", 8, scenario)) == [option]


def test_a_load_of_the_platform_s_file_is_not(tmp_path: Path) -> None:
    settings = resolve(tmp_path, "[platforms.tk1]\nconcurrency = [4]\n")
    assert options_of(settings, CellKey("tk1", "resnet50", 8, "c4")) == []


def test_a_switch_that_the_environment_has_put_off_stands_before_the_command(tmp_path: Path) -> None:
    settings = resolve(tmp_path, "", Origin.ENVIRONMENT, gpu="false")
    assert build_command(settings, CELL, TEST, settings.cwd).startswith("DDPERF_GPU=false pytest ")


def test_the_test_is_named_from_the_folder_of_the_run_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "benchmarks").mkdir()
    monkeypatch.chdir(tmp_path / "benchmarks")
    said = build_command(resolve(tmp_path), CELL, TEST, tmp_path)
    assert said.startswith("pytest 'test_predict.py::test_predict[tk1-resnet50-b8]'")


@pytest.mark.parametrize("given", ["self", "embedded", "http://old:8080"])
def test_the_reference_is_named_without_credentials(tmp_path: Path, given: str) -> None:
    typed = given.replace("http://", "http://me:secret@")
    assert options_of(resolve(tmp_path, against=typed)) == [f"--ddperf-against={given}"]


def test_options_of_pairs_are_named_only_for_a_platform_with_a_reference(tmp_path: Path) -> None:
    settings = resolve(tmp_path, **ONE_WITH_A_REFERENCE, max_pairs="24", pair_seed="7")
    assert options_of(settings) == ["--ddperf-url=http://a:1"]
    said = build_command(settings, CellKey("tx1", "resnet50", 8), TEST, settings.cwd).split()
    assert {"--ddperf-against=http://old:1", "--ddperf-max-pairs=24", "--ddperf-pair-seed=7"} <= set(said)


def test_options_that_a_reference_excludes_are_not_named_with_it(tmp_path: Path) -> None:
    settings = resolve(tmp_path, "", Origin.ENVIRONMENT, against="self", npasses="9", baseline="report")
    assert options_of(settings) == ["--ddperf-against=self"]


def test_a_reference_of_other_platforms_in_the_environment_is_removed(tmp_path: Path) -> None:
    settings = resolve(tmp_path, "", Origin.ENVIRONMENT, **ONE_WITH_A_REFERENCE)
    assert build_command(settings, CELL, TEST, settings.cwd).startswith("DDPERF_AGAINST= pytest ")
