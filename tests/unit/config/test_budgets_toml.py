"""Budgets in ddperf.toml."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from every_row import every_row
from messages import assert_names

from pytest_ddperf.config.load_catalog import load_catalog
from pytest_ddperf.core.budgets import Budget
from pytest_ddperf.errors import BaselineFileError

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_ddperf.core.platform import Platform


def platform(folder: Path, toml: str, name: str = "tk1") -> Platform:
    (folder / "ddperf.toml").write_text(toml, encoding="utf-8")
    return load_catalog(folder).platform(name)


def test_a_network_without_a_budget_has_no_limits(tmp_path: Path) -> None:
    assert platform(tmp_path, "[platforms.tk1.budgets.resnet50]\nmin_fps = 5\n").budget_of("vgg16") == Budget()


def test_a_networks_own_limit_replaces_that_of_all_networks_key_by_key(tmp_path: Path) -> None:
    toml = '[platforms.tk1.budgets]\n"*" = { min_fps = 10, max_latency_ms = 500 }\nResNet-50 = { min_fps = 25 }\n'
    found = platform(tmp_path, toml)
    assert found.budget_of("resnet50") == Budget(min_fps=25, max_latency_ms=500)
    assert found.budget_of("vgg16") == Budget(min_fps=10, max_latency_ms=500)


def test_every_key_may_have_a_table_of_its_own(tmp_path: Path) -> None:
    toml = '[platforms.tk1.budgets."*"]\nmax_ms = 40\nmin_fps = 25\nmax_latency_ms = 90.5\np95_ms = 120\np99_ms = 200\n'
    assert platform(tmp_path, toml).budget_of("vgg16") == Budget(40, 25, 90.5, 120, 200)


def test_a_board_has_the_budgets_of_the_platform_it_is_like_unless_its_own_section_sets_them(tmp_path: Path) -> None:
    toml = (
        "[platforms.tk1.budgets]\nresnet50 = { min_fps = 5, max_latency_ms = 900 }\nvgg16 = { max_ms = 700 }\n"
        '[platforms.board2]\nlike = "tk1"\n[platforms.board2.budgets]\nresnet50 = { min_fps = 6 }\n'
    )
    board = platform(tmp_path, toml, "board2")
    assert board.budget_of("resnet50") == Budget(min_fps=6, max_latency_ms=900)
    assert board.budget_of("vgg16") == Budget(max_ms=700)


def test_a_boards_limit_of_all_networks_precedes_those_of_the_platform_it_is_like(tmp_path: Path) -> None:
    toml = (
        '[platforms.tk1.budgets]\n"*" = { max_ms = 90, min_fps = 5 }\n'
        "resnet50 = { max_ms = 50, max_latency_ms = 900 }\n"
        '[platforms.rack2]\nlike = "tk1"\n[platforms.rack2.budgets]\n"*" = { max_ms = 10 }\nvgg16 = { max_ms = 20 }\n'
    )
    board = platform(tmp_path, toml, "rack2")
    assert board.budget_of("resnet50") == Budget(max_ms=10, min_fps=5, max_latency_ms=900)
    assert board.budget_of("vgg16") == Budget(max_ms=20, min_fps=5)
    assert board.budget_of("vgg19") == Budget(max_ms=10, min_fps=5)
    names = [board.name_budget("resnet50", key) for key in ("max_ms", "min_fps", "max_latency_ms")]
    assert names == ["rack2", "rack2", "resnet50 on rack2"]


@every_row(
    "toml, line, facts",
    [
        (
            "[platforms.tk1.budgets.resnet50]\nmin_fpss = 25\n",
            2,
            ("min_fpss", "did you mean min_fps?", "max_latency_ms"),
        ),
        ('[platforms.tk1.budgets]\n"*" = { fps = 25 }\n', 2, ("fps", "*", "min_fps")),
        ("[platforms.tk1.budgets.resnet50]\nmin_fps = 0\n", 2, ("min_fps = 0", "above 0")),
        ("[platforms.tk1.budgets.resnet50]\n\nmax_ms = -1.5\n", 3, ("max_ms = -1.5", "above 0")),
        ('[platforms.tk1.budgets]\n"*" = { p95_ms = nan }\n', 2, ("p95_ms = nan", "above 0")),
        ('[platforms.tk1.budgets]\n"*" = { min_fps = 1e-310 }\n', 2, ("min_fps = 1e-310", "above 0", "from 1e-09")),
        ('[platforms.tk1.budgets]\n"*" = { max_ms = 1e10 }\n', 2, ("max_ms = 10000000000.0", "to 1e+09")),
        ('[platforms.tk1.budgets.resnet50]\nmax_ms = "40"\n', 2, ("max_ms", "float")),
        ("[platforms.tk1.budgets.resnet50]\nmax_ms = true\n", 2, ("max_ms", "float")),
        ("[platforms.tk1.budgets]\nresnet51 = { max_ms = 40 }\n", 2, ("resnet51", "resnet50", "platforms.tk1.budgets")),
        ("[platforms.tk1.budgets]\nresnet50 = 40\n", 2, ("platforms.tk1.budgets.resnet50", "table")),
        ("[platforms.tk1.budgets]\nmin_fps = 25\n", 2, ("min_fps", "network", '"*" = { min_fps = 25 }')),
        ("[platforms.tk1]\nbudgets = 25\n", 2, ("budgets", "object")),
        (
            "[platforms.tk1.budgets]\nsqueezenet_v1.1 = { max_ms = 40 }\n",
            2,
            ("not quoted", 'platforms.tk1.budgets."squeezenet_v1.1"'),
        ),
        (
            "[platforms.tk1.budgets]\nresnet50 = { max_ms = 40 }\nResNet-50 = { max_ms = 41 }\n",
            3,
            ("resnet50", "twice", "platforms.tk1.budgets"),
        ),
    ],
)
def test_a_wrong_budget_is_refused_with_its_line(tmp_path: Path, toml: str, line: int, facts: tuple[str, ...]) -> None:
    with pytest.raises(BaselineFileError) as caught:
        platform(tmp_path, toml)
    assert_names(caught, "ddperf.toml", *facts)
    assert caught.value.line == line
