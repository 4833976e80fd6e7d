"""Options that are each right and cannot hold together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from messages import assert_names
from settings_made import make_settings

from pytest_ddperf.config.resolve import check_services
from pytest_ddperf.config.settings import Origin, Settings
from pytest_ddperf.core.records import CellKey
from pytest_ddperf.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

TWO = [CellKey("tk1", "resnet50", 1), CellKey("tk1", "resnet50", 2), CellKey("tk1", "vgg16", 1)]


def resolve(folder: Path, toml: str = "", origin: Origin = Origin.COMMAND_LINE, /, **texts: str) -> Settings:
    return make_settings(folder, toml, origin, **{"platform": "tk1", **texts})


def test_at_most_fewer_passes_than_at_least_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        resolve(tmp_path, max_passes="4")
    assert_names(caught, "--ddperf-max-passes=4", "--ddperf-npasses=5")


def test_at_most_as_many_as_at_least_is_right(tmp_path: Path) -> None:
    assert resolve(tmp_path, max_passes="3", npasses="3").value("max-passes") == 3


def test_a_list_of_images_without_their_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        resolve(tmp_path, bench_files="names.txt")
    assert_names(caught, "--ddperf-bench-files=names.txt", "--ddperf-data-dir=DIR")


def test_a_list_of_images_whose_folder_stands_in_the_platform_s_file_is_right(tmp_path: Path) -> None:
    resolve(tmp_path, '[platforms.tk1]\ndata_dir = "/srv/bench"\n', bench_files="names.txt")


@pytest.mark.parametrize(("option", "value", "server"), [("threads", "4", "embedded"), ("ca_file", "ca.pem", "https")])
def test_what_is_of_another_kind_of_server_is_refused(tmp_path: Path, option: str, value: str, server: str) -> None:
    flag = f"--ddperf-{option.replace('_', '-')}={value}"
    with pytest.raises(ConfigurationError) as caught:
        resolve(tmp_path, **{option: value})
    assert_names(caught, flag, server, "tk1")


@pytest.mark.parametrize("url", ["embedded", "tk1=http://board:8080,local=embedded"])
def test_threads_are_right_where_one_server_is_the_embedded_one(tmp_path: Path, url: str) -> None:
    platform = "tk1,local" if "," in url else "tk1"
    assert resolve(tmp_path, platform=platform, url=url, threads="4").value("threads") == 4


def test_certificates_are_right_where_one_server_is_reached_by_https(tmp_path: Path) -> None:
    resolve(tmp_path, platform="tk1,tx1", url="tk1=http://board:8080,tx1=https://gateway", ca_file="ca.pem")


@pytest.mark.parametrize("origin", [Origin.INI, Origin.ENVIRONMENT])
def test_what_stands_there_for_other_runs_is_passed_over(tmp_path: Path, origin: Origin) -> None:
    resolve(tmp_path, "", origin, threads="4", ca_file="ca.pem")


@pytest.mark.parametrize("option", ["service", "repository"])
def test_one_name_for_several_networks_is_refused(tmp_path: Path, option: str) -> None:
    settings = resolve(tmp_path, **{option: "squeezenet"})
    with pytest.raises(ConfigurationError) as caught:
        check_services(settings, TWO)
    assert_names(caught, f"--ddperf-{option}=squeezenet", "2 networks", "tk1")


@pytest.mark.parametrize("option", ["service", "repository"])
def test_one_name_for_one_network_is_right(tmp_path: Path, option: str) -> None:
    check_services(resolve(tmp_path, **{option: "squeezenet"}), TWO[:2])


def test_a_name_that_holds_the_network_is_right(tmp_path: Path) -> None:
    check_services(resolve(tmp_path, service="b_{model}", repository="/opt/{model}"), TWO)


def test_networks_of_the_user_s_own_have_folders_of_their_own(tmp_path: Path) -> None:
    own = "".join(f'[models.{name}]\nrepository = "/opt/{name}"\n' for name in ("mine", "yours"))
    settings = resolve(tmp_path, own, repository="/opt/resnet50")
    check_services(settings, [CellKey("tk1", name, 1) for name in ("mine", "yours", "resnet50")])
