"""The README against the code: its names, its links, its picture's place, and that it stays short."""

from __future__ import annotations

import re
from pathlib import Path

from every_row import every_row
from page_examples import anchors

from pytest_ddperf.config.options import OPTIONS

REPO = Path(__file__).resolve().parents[2]
README = (REPO / "README.md").read_text(encoding="utf-8")
LINKS = re.findall(r"\]\(([^)]+)\)", README)
LINES_AT_MOST = 100


def test_it_is_short() -> None:
    assert len(README.splitlines()) <= LINES_AT_MOST


def test_every_option_that_it_names_is_one() -> None:
    named = set(re.findall(r"--ddperf-[a-z-]+", README))
    assert named <= {option.flag for option in OPTIONS}


@every_row("link", [link for link in LINKS if not link.startswith("https://")])
def test_a_link_leads_somewhere(link: str) -> None:
    name, _, anchor = link.partition("#")
    assert (REPO / name).is_file()
    assert not anchor or anchor in anchors(REPO / name)


def test_every_page_of_the_documentation_is_linked() -> None:
    pages = {f"docs/{page.name}" for page in (REPO / "docs").glob("*.md")} - {"docs/index.md"}
    assert pages <= {link.partition("#")[0] for link in LINKS}


def test_the_test_command_is_the_one_that_a_clean_clone_runs() -> None:
    script = (REPO / ".ci" / "run").read_text(encoding="utf-8")
    (tests,) = re.findall(r"^python3 -m venv \.venv && (.*tox -e .*)$", README, flags=re.MULTILINE)
    assert tests.replace("pip install tox", "pip install --quiet tox") in script


def test_the_main_jobs_command_is_the_one_that_a_clean_clone_runs() -> None:
    script = (REPO / ".ci" / "run").read_text(encoding="utf-8")
    (job,) = re.findall(r"^python3 -m venv \.venv && (.*pytest benchmarks)$", README, flags=re.MULTILINE)
    assert job.replace("pip install", "pip install --quiet") in script
