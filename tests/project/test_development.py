"""What contributors are asked to run exists, and is what tox runs."""

from __future__ import annotations

import configparser
import re
import tomllib
from pathlib import Path

import pytest
import yaml

REPO = Path(__file__).resolve().parents[2]
PYPROJECT = tomllib.loads((REPO / "pyproject.toml").read_text(encoding="utf-8"))
HOOKS = [
    hook
    for repo in yaml.safe_load((REPO / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"]
    for hook in repo["hooks"]
]
COMES_WITH = {"ruff": "ruff", "mypy": "mypy", "lint-imports": "import-linter", "towncrier": "towncrier"}
"""The distribution of each command."""

every_hook = pytest.mark.parametrize("hook", HOOKS, ids=lambda hook: str(hook["id"]))


def tox_environments() -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(REPO / "tox.ini", encoding="utf-8")
    return parser


def lint_commands() -> list[str]:
    """The commands of tox's environments that have the group `lint` installed."""
    tox = tox_environments()
    sections = [tox[name] for name in tox.sections() if "lint" in tox[name].get("dependency_groups", "").split()]
    return [line for section in sections for line in section.get("commands", "").splitlines() if line]


def test_the_hooks_come_from_nowhere_else() -> None:
    config = yaml.safe_load((REPO / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    assert [repo["repo"] for repo in config["repos"]] == ["local"]
    assert {hook["language"] for hook in HOOKS} == {"system"}


@every_hook
def test_a_hook_runs_what_tox_runs(hook: dict[str, str]) -> None:
    command = hook["entry"].replace(" --force-exclude", "")
    assert any(line.startswith(command) for line in lint_commands()), f"{command}: {lint_commands()}"


@every_hook
def test_a_hook_s_command_is_installed_with_the_group_lint(hook: dict[str, str]) -> None:
    installed = {re.split(r"[<>=\[]", name)[0] for name in PYPROJECT["dependency-groups"]["lint"]}
    assert COMES_WITH[hook["entry"].split()[0]] in installed


def test_every_environment_that_is_described_exists() -> None:
    tox = tox_environments()
    text = (REPO / "CONTRIBUTING.md").read_text(encoding="utf-8")
    named = {name for match in re.findall(r"`tox -e ([\w,]+)`", text) for name in match.split(",")}
    assert named
    assert {name for name in named if f"testenv:{name}" not in tox and not re.fullmatch(r"py(3\d+)?", name)} == set()


def test_every_file_that_contributors_are_sent_to_is_there() -> None:
    text = (REPO / "CONTRIBUTING.md").read_text(encoding="utf-8")
    named = re.findall(r"`((?:pytest_ddperf|baselines|tests|docs|changelog\.d)/[\w./-]*)`", text)
    assert named
    assert [path for path in named if not (REPO / path).exists()] == []


def test_each_fragment_of_the_changelog_is_named_after_its_kind_and_says_something() -> None:
    kinds = "|".join(kind["directory"] for kind in PYPROJECT["tool"]["towncrier"]["type"])
    for path in (REPO / "changelog.d").iterdir():
        if path.name == "README.md":
            continue
        assert re.fullmatch(rf"(\+[a-z0-9-]+|\d+)\.({kinds})\.md", path.name), path.name
        assert path.read_text(encoding="utf-8").strip(), path.name
