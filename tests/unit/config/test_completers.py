from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_ddperf.config.completers import complete_names, model_names, platform_names

if TYPE_CHECKING:
    from pathlib import Path

OWN = '[platforms.workbench]\ntitle = "Mine"\n[models.trout]\npath = "mine"\nwidth = 8\nheight = 8\n'


def test_all_names_are_offered_for_an_empty_text() -> None:
    assert complete_names(lambda: ("a", "b"))("") == ["a", "b"]


def test_a_name_before_a_comma_stays_and_is_not_offered_again() -> None:
    assert complete_names(lambda: ("a", "b", "c"))("b,") == ["b,a", "b,c"]


def test_platforms_and_networks_of_the_project_are_offered(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "ddperf.toml").write_text(OWN, encoding="utf-8")
    assert {"tk1", "workbench"} <= set(platform_names(tmp_path)(""))
    assert {"resnet50", "trout"} <= set(model_names(tmp_path)(""))


def test_the_packages_names_are_offered_if_ddperf_toml_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "ddperf.toml").write_text("[platforms\n", encoding="utf-8")
    assert "tk1" in platform_names(tmp_path)("")
    assert "resnet50" in model_names(tmp_path)("")
