"""The script of comment.yml, run by Node.js as actions/github-script runs it, with a GitHub that only records calls."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from report_examples import measured

from pytest_ddperf.report.comment import LIMIT, render_comment

NODE = shutil.which("node") or ""
if not NODE:
    pytest.skip(
        "the script was not run: there is no Node.js here (Debian: apt-get install nodejs)", allow_module_level=True
    )

WORKFLOW = Path(__file__).resolve().parents[2] / ".github" / "workflows" / "comment.yml"
COMMENT = render_comment(measured())
MARKER = COMMENT.splitlines()[0]
BOT, HUMAN = {"login": "github-actions[bot]"}, {"login": "somebody"}
REPO = {"owner": "us", "repo": "benchmarks"}

HARNESS = """
const { script, run, pulls, comments } = JSON.parse(process.env.CASE);
const calls = [];
const record = (name, found) => async (asked) => { calls.push([name, asked]); return found(asked); };
const github = {
  paginate: async (list, asked) => list(asked),
  rest: {
    pulls: { list: record('pulls', (asked) => pulls[asked.head] ?? []) },
    issues: {
      listComments: record('comments', (asked) => comments[asked.issue_number] ?? []),
      createComment: record('create', () => ({})),
      updateComment: record('update', () => ({})),
    },
  },
};
const context = { repo: { owner: 'us', repo: 'benchmarks' }, payload: { workflow_run: run } };
const Script = Object.getPrototypeOf(async () => {}).constructor;
new Script('github', 'context', 'core', 'require', script)(github, context, {}, require)
  .then(() => console.log(JSON.stringify(calls)), (error) => { console.error(error.message); process.exit(1); });
"""


def script() -> str:
    job = yaml.safe_load(WORKFLOW.read_text(encoding="utf-8"))["jobs"]["comment"]
    (text,) = [step["with"]["script"] for step in job["steps"] if step["uses"].startswith("actions/github-script@")]
    return str(text)


def pull(number: int, sha: str = "c0ffee") -> dict[str, object]:
    return {"number": number, "head": {"sha": sha}}


def start(
    file: Path, pulls: list[dict[str, object]], comments: dict[int, list[dict[str, object]]]
) -> subprocess.CompletedProcess[str]:
    run = {
        "pull_requests": [],  # as GitHub sends it for a fork
        "head_sha": "c0ffee",
        "head_branch": "faster",
        "head_repository": {"owner": {"login": "them"}},
    }
    case = {"script": script(), "run": run, "pulls": {"them:faster": pulls}, "comments": comments}
    return subprocess.run(
        [NODE, "-e", HARNESS],
        env={"CASE": json.dumps(case), "COMMENT": str(file)},
        capture_output=True,
        text=True,
        check=False,
    )


def posted(
    file: Path, pulls: list[dict[str, object]], comments: dict[int, list[dict[str, object]]] | None = None
) -> list[tuple[str, dict[str, Any]]]:
    """The calls that change something."""
    done = start(file, pulls, comments or {})
    assert done.returncode == 0, done.stderr
    return [(name, asked) for name, asked in json.loads(done.stdout) if name in {"create", "update"}]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "comment.md"
    path.write_text(COMMENT, encoding="utf-8")
    return path


def test_the_first_comment_on_a_pull_request_of_a_fork_is_created(file: Path) -> None:
    assert posted(file, [pull(7)]) == [("create", {**REPO, "issue_number": 7, "body": COMMENT})]


def test_a_later_one_edits_the_first(file: Path) -> None:
    earlier: list[dict[str, object]] = [
        {"id": 1, "user": HUMAN, "body": COMMENT},
        {"id": 2, "user": BOT, "body": "<!-- pytest-ddperf: tk1,tx1 -->\n"},
        {"id": 3, "user": None, "body": None},
        {"id": 4, "user": BOT, "body": f"{MARKER}\nof an earlier commit"},
        {"id": 5, "user": BOT, "body": f"{MARKER}\nof an earlier commit, too"},
    ]
    assert posted(file, [pull(7)], {7: earlier}) == [("update", {**REPO, "comment_id": 4, "body": COMMENT})]


def test_comments_of_others_are_never_edited(file: Path) -> None:
    others: list[dict[str, object]] = [
        {"id": 1, "user": HUMAN, "body": COMMENT},
        {"id": 2, "user": BOT, "body": "see " + MARKER},
    ]
    assert [name for name, _ in posted(file, [pull(7)], {7: others})] == ["create"]


def test_a_pull_request_that_has_newer_commits_or_is_closed_gets_none(file: Path) -> None:
    assert posted(file, [pull(7, "beef")]) == []
    assert posted(file, []) == []


def test_the_number_of_the_pull_request_is_not_taken_from_the_artifact(file: Path) -> None:
    file.write_text(f"{COMMENT}\n<!-- pull request 1 -->\n", encoding="utf-8")
    (file.parent / "number").write_text("1", encoding="utf-8")
    assert [asked["issue_number"] for _, asked in posted(file, [pull(7)])] == [7]


def test_the_longest_comment_is_posted(file: Path) -> None:
    file.write_text(COMMENT.ljust(LIMIT, "."), encoding="utf-8")
    ((_, asked),) = posted(file, [pull(7)])
    assert len(asked["body"]) == LIMIT


@pytest.mark.parametrize(
    "content",
    [
        "",
        "no marker",
        f" {MARKER}",
        "<!-- pytest-ddperf: tk1 --> hidden",
        "<!-- another bot -->",
        COMMENT.ljust(LIMIT + 1),
    ],
    ids=["empty", "no marker", "space", "text after it", "another marker", "too long"],
)
def test_a_file_that_is_not_such_a_comment_is_refused(file: Path, content: str) -> None:
    file.write_text(content, encoding="utf-8")
    done = start(file, [pull(7)], {})
    assert (done.returncode, done.stdout) == (1, "")
    assert "comment.md" in done.stderr


@pytest.mark.parametrize("kind", ["link", "folder", "missing"])
def test_only_a_regular_file_is_read(tmp_path: Path, file: Path, kind: str) -> None:
    other = tmp_path / "other.md"
    if kind == "link":
        other.symlink_to(file)
    if kind == "folder":
        other.mkdir()
    done = start(other, [pull(7)], {})
    assert (done.returncode, done.stdout) == (1, "")
