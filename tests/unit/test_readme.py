"""The README against the code: its option table and its commands."""

from __future__ import annotations

import re
from pathlib import Path

from pytest_ddperf.options import OPTIONS

REPO = Path(__file__).resolve().parents[2]
README = (REPO / "README.md").read_text(encoding="utf-8")


def test_the_option_table_is_the_one_in_the_code() -> None:
    rows = dict(re.findall(r"^\| `(--ddperf-[^`]+)` \| (.*) \|$", README, flags=re.MULTILINE))
    expected = {}
    for option in OPTIONS:
        value = "" if option.metavar is None else f"[={option.metavar}]" if option.bare else f"={option.metavar}"
        shown = f"{option.flag}{value}".replace("|", "\\|")
        expected[shown] = option.help.replace("%%", "%").replace("|", "\\|")
    assert rows == expected


def test_every_option_that_the_readme_names_is_one() -> None:
    named = set(re.findall(r"--ddperf-[a-z-]+", README))
    assert named <= {option.flag for option in OPTIONS}


def test_the_test_command_is_the_one_that_a_clean_clone_runs() -> None:
    script = (REPO / ".ci" / "run").read_text(encoding="utf-8")
    (tests,) = re.findall(r"^python3 -m venv \.venv && (.*tox -e .*)$", README, flags=re.MULTILINE)
    assert tests.replace("pip install tox", "pip install --quiet tox") in script


def test_the_main_jobs_command_is_the_one_that_a_clean_clone_runs() -> None:
    script = (REPO / ".ci" / "run").read_text(encoding="utf-8")
    (job,) = re.findall(r"^python3 -m venv \.venv && (.*pytest benchmarks)$", README, flags=re.MULTILINE)
    assert job.replace("pip install", "pip install --quiet") in script
