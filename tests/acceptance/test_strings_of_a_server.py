"""What a server says of itself and of an error is text: it colours, moves, hides and runs nothing, wherever it ends."""

from __future__ import annotations

import json
import re
import unicodedata
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest
from bench_project import BenchProject, TableServer
from scripted_deepdetect import ServiceSetup
from scripted_server import Reply

from pytest_ddperf.core.networks import NETWORK_IDS

if TYPE_CHECKING:
    from pathlib import Path

ONE = ("--ddperf-models=squeezenet_v1.1", "--ddperf-batch-sizes=8")
EVIL = (
    "\x1b[2J\x1b]0;owned\x07<script>alert(1)</script>\u202ekool\u2066|`x`[a](javascript:1)"
    "\r\n::error::owned\ud800\x9b1m"
)
PLACEHOLDERS = """
from pytest_ddperf.plots.draw import dispatch, parallel

parallel._cores = lambda: 1
dispatch.build_figure = lambda _: None
parallel.encode_figure = lambda _, ending: ending.encode()
"""
"""A conftest with which the run's process writes placeholders instead of figures."""

REPORTS = ("r.html", "r.md", "r.csv", "r.json")


def invisible(text: str) -> set[str]:
    """Control and format characters, apart from line ends."""
    return {char for char in text if unicodedata.category(char) in {"Cc", "Cf", "Cs"}} - {"\n"}


def everything_in(value: object) -> str:
    """All texts of a JSON value, decoded."""
    if isinstance(value, dict):
        return "\n".join(everything_in(inner) for pair in value.items() for inner in pair)
    if isinstance(value, list):
        return "\n".join(map(everything_in, value))
    return value if isinstance(value, str) else ""


@pytest.mark.slow
@pytest.mark.parametrize(("ending", "how"), [("passes", "-n0"), ("fails", "-n0"), ("fails", "-n1")])
def test_they_are_text_on_the_terminal_and_in_every_file(
    pytester: pytest.Pytester, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str, how: str
) -> None:
    summary = tmp_path / "summary.md"
    for variable in ("GITHUB_STEP_SUMMARY", "GITHUB_OUTPUT"):
        monkeypatch.setenv(variable, str(summary))
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    summary.touch()
    services = [ServiceSetup(name, mllib=EVIL, datatype=EVIL, repository=EVIL) for name in NETWORK_IDS]
    with TableServer("tk1", services=services, version=EVIL) as server:
        project = BenchProject(pytester, server)
        (project.path / "conftest.py").write_text(PLACEHOLDERS, encoding="utf-8")
        if ending == "fails":
            server.fault = lambda _: Reply(500, {"status": {"code": 500, "msg": EVIL, "dd_code": 1, "dd_msg": EVIL}})
        asked = [f"--ddperf-report={name}" for name in REPORTS]
        result = project.apart(*ONE, *asked, "--junitxml=junit.xml", "--benchmark-json=out.json", "-vv", how)
    result.assert_outcomes(**({"passed": 1} if ending == "passes" else {"failed": 1}))
    printed = str(result.stdout) + str(result.stderr)
    assert not invisible(printed)
    assert not re.search("^::error::owned", printed, flags=re.MULTILINE)
    for name in ("r.html", "r.md", "r.csv"):
        text = (project.path / name).read_text(encoding="utf-8")
        assert not invisible(text)
        assert name == "r.csv" or "<script>alert" not in text
    assert "<script>" not in summary.read_text(encoding="utf-8")
    assert not invisible(summary.read_text(encoding="utf-8"))
    assert not invisible("".join(ET.parse(project.path / "junit.xml").getroot().itertext()))  # noqa: S314 - our own
    for case in ET.parse(project.path / "junit.xml").iter("property"):  # noqa: S314 - our own
        assert not invisible(case.get("value", ""))
    (history,) = (project.path / ".ddperf").glob("*.jsonl")
    lines = [json.loads(line) for line in history.read_text(encoding="utf-8").splitlines()]
    written = [project.json(name) for name in ("r.json", "out.json") if name == "r.json" or ending == "passes"]
    for document in (*lines, *written):
        assert not invisible(everything_in(document))
    assert any("owned" in everything_in(line) for line in lines)


def test_a_message_of_a_megabyte_is_cut(tk1: BenchProject) -> None:
    tk1.server.fault = lambda _: Reply(500, {"status": {"code": 500, "msg": "x", "dd_code": 1, "dd_msg": "y" * 2**20}})
    result = tk1.run(*ONE)
    result.assert_outcomes(failed=1)
    assert "yyyy" in str(result.stdout)
    assert len(str(result.stdout)) < 20_000
