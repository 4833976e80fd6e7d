"""The workflows, by the published syntax of GitHub's workflows, and by what this project promises of them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

import msgspec
import pytest
import yaml

from pytest_ddperf.config.options import OPTIONS

REPO = Path(__file__).resolve().parents[2]
FOLDER = REPO / ".github" / "workflows"
NAMES = sorted(path.name for path in FOLDER.glob("*.yml"))

Words = str | bool | int | float
Level = Annotated[str, msgspec.Meta(pattern="^(read|write|none)$")]


class Strict(msgspec.Struct, forbid_unknown_fields=True, rename="kebab"):
    """Of GitHub's keys, those that are used here: another one is a mistake, or is to be added with thought."""


class Permissions(Strict):
    actions: Level = "none"
    contents: Level = "none"
    id_token: Level = "none"  # noqa: S105 - a permission
    pages: Level = "none"
    pull_requests: Level = "none"


class Concurrency(Strict):
    group: str
    cancel_in_progress: bool | str = False


class Step(Strict):
    id: str = ""
    name: str = ""
    uses: str = ""
    run: str = ""
    if_: str = msgspec.field(name="if", default="")
    with_: dict[str, Words] = msgspec.field(name="with", default_factory=dict)
    env: dict[str, Words] = {}
    continue_on_error: bool = False


class Environment(Strict):
    name: str
    url: str = ""


class Strategy(Strict):
    matrix: dict[str, list[Any]]
    fail_fast: bool = True


class Job(Strict):
    runs_on: str | list[str]
    steps: Annotated[list[Step], msgspec.Meta(min_length=1)]
    timeout_minutes: Annotated[int, msgspec.Meta(gt=0, le=7200)]
    name: str = ""
    needs: str | list[str] = ()  # type: ignore[assignment] # msgspec copies a list, and a tuple is none
    if_: str = msgspec.field(name="if", default="")
    strategy: Strategy | None = None
    concurrency: Concurrency | None = None
    permissions: Permissions | None = None
    environment: Environment | None = None
    env: dict[str, Words] = {}


class Branches(Strict):
    branches: list[str]


class Cron(Strict):
    cron: Annotated[str, msgspec.Meta(pattern=r"^\S+ \S+ \S+ \S+ \S+$")]


class Input(Strict):
    description: str
    type: Annotated[str, msgspec.Meta(pattern="^(string|choice|boolean|number|environment)$")]
    options: list[str] = []
    required: bool = False
    default: Words = ""


class Dispatch(Strict):
    inputs: dict[str, Input] = {}


class Completed(Strict):
    workflows: list[str]
    types: Annotated[
        list[Annotated[str, msgspec.Meta(pattern="^(completed|requested|in_progress)$")]], msgspec.Meta(min_length=1)
    ]


class Triggers(msgspec.Struct, forbid_unknown_fields=True):
    push: Branches | None = None
    pull_request: None = None
    schedule: list[Cron] = []
    workflow_dispatch: Dispatch | None = None
    workflow_run: Completed | None = None


class Workflow(Strict):
    name: str
    on: Triggers
    permissions: Permissions
    jobs: dict[Annotated[str, msgspec.Meta(pattern="^[A-Za-z_][A-Za-z0-9_-]*$")], Job]
    concurrency: Concurrency | None = None


def raw(name: str) -> dict[Any, Any]:
    document = yaml.safe_load((FOLDER / name).read_text(encoding="utf-8"))
    assert isinstance(document, dict)
    document["on"] = document.pop(True)  # YAML 1.1 reads `on` as a boolean, GitHub does not
    return document


def read(name: str) -> Workflow:
    return msgspec.convert(raw(name), Workflow)


def steps(workflow: Workflow) -> list[Step]:
    return [step for job in workflow.jobs.values() for step in job.steps]


@pytest.fixture(params=NAMES)
def workflow(request: pytest.FixtureRequest) -> Workflow:
    return read(request.param)


def test_there_are_five() -> None:
    assert NAMES == ["baseline.yml", "ci.yml", "comment.yml", "nightly.yml", "pull-request.yml"]


def test_each_step_does_one_thing(workflow: Workflow) -> None:
    assert all(bool(step.uses) != bool(step.run) for step in steps(workflow))
    assert all(not step.with_ or step.uses for step in steps(workflow))


def test_every_action_has_a_version(workflow: Workflow) -> None:
    assert all(re.fullmatch(r"actions/[a-z-]+@v\d+", step.uses) for step in steps(workflow) if step.uses)


def test_a_token_may_only_read_where_it_need_not_write(workflow: Workflow) -> None:
    assert workflow.permissions == Permissions(contents="read")
    writing = {name for name, job in workflow.jobs.items() if job.permissions is not None}
    assert writing <= {"propose", "comment", "deploy"}


def test_a_job_that_may_write_never_runs_on_hardware_of_one_s_own(workflow: Workflow) -> None:
    for job in workflow.jobs.values():
        if job.permissions is not None:
            assert job.runs_on == "ubuntu-latest"
        else:
            checkouts = [step for step in job.steps if step.uses.startswith("actions/checkout")]
            assert all(step.with_["persist-credentials"] is False for step in checkouts)


def test_nobody_else_s_code_runs_on_hardware_of_one_s_own(workflow: Workflow) -> None:
    own = any("self-hosted" in job.runs_on for job in workflow.jobs.values())
    assert not (own and "pull_request" in raw_triggers(workflow))


def raw_triggers(workflow: Workflow) -> set[str]:
    (name,) = [name for name in NAMES if raw(name)["name"] == workflow.name]
    return set(raw(name)["on"])


def test_no_expression_is_pasted_into_a_shell(workflow: Workflow) -> None:
    assert all("${{" not in step.run for step in steps(workflow))


def test_what_a_job_needs_is_a_job(workflow: Workflow) -> None:
    for job in workflow.jobs.values():
        needed = [job.needs] if isinstance(job.needs, str) else job.needs
        assert set(needed) <= workflow.jobs.keys()


def test_every_option_is_one(workflow: Workflow) -> None:
    named = {option for step in steps(workflow) for option in re.findall(r"--ddperf-[a-z-]+", step.run)}
    assert named <= {option.flag for option in OPTIONS}


def test_one_board_is_one_concurrency_group_in_every_workflow_and_is_never_cancelled() -> None:
    on_boards = [read("baseline.yml").jobs["record"], read("nightly.yml").jobs["measure"]]
    for job in on_boards:
        assert job.concurrency is not None
        assert re.fullmatch(r"board-\$\{\{ (matrix|inputs)\.platform }}", job.concurrency.group)
        assert job.concurrency.cancel_in_progress is False


def test_the_nightly_is_one_job_a_board_and_goes_on_when_one_fails() -> None:
    job = read("nightly.yml").jobs["measure"]
    assert job.strategy is not None
    assert not job.strategy.fail_fast
    boards = [board["platform"] for board in job.strategy.matrix["include"]]
    assert {"tk1", "tx1", "nano"} < set(boards)
    assert len(boards) == len(set(boards))


def test_boards_that_cannot_run_a_runner_are_measured_from_the_gateway() -> None:
    strategy = read("nightly.yml").jobs["measure"].strategy
    assert strategy is not None
    runners = {board["platform"]: board["runner"] for board in strategy.matrix["include"]}
    assert {runners[name] for name in ("tk1", "tx1", "nano")} == {"gateway"}


def test_the_nightly_counts_as_a_night_and_keeps_its_history_outside_of_the_workspace() -> None:
    (measure,) = [step.run for step in read("nightly.yml").jobs["measure"].steps if step.name == "Measure"]
    assert "--ddperf-accept" in measure
    assert '--ddperf-storage="$HOME/' in measure
    assert "--junitxml=" in measure


def test_results_are_uploaded_whatever_happened() -> None:
    uploads = [step for name in NAMES for step in steps(read(name)) if step.uses.startswith("actions/upload-artifact")]
    assert len(uploads) == 3
    assert all(step.if_ == "always()" for step in uploads)


def test_a_baseline_is_changed_by_a_pull_request_alone_and_by_hand() -> None:
    workflow = read("baseline.yml")
    assert raw_triggers(workflow) == {"workflow_dispatch"}
    runs = "\n".join(step.run for step in workflow.jobs["propose"].steps)
    assert "gh pr create" in runs
    assert not re.search(r"git push\b(?! origin \"\$branch\")", runs)


def test_a_pull_request_is_measured_without_a_secret_and_on_no_hardware_of_one_s_own() -> None:
    workflow = read("pull-request.yml")
    (job,) = workflow.jobs.values()
    assert raw_triggers(workflow) == {"pull_request"}
    assert job.runs_on == "ubuntu-latest"
    assert "secrets." not in (FOLDER / "pull-request.yml").read_text(encoding="utf-8")


def test_the_base_is_recorded_before_the_pull_request_is_measured_with_the_same_cells() -> None:
    (job,) = read("pull-request.yml").jobs.values()
    record, measure = (step.run for step in job.steps if "pytest" in step.run)
    assert "--ddperf-update-baselines=all" in record
    assert "--ddperf-report=comment:comment/comment.md" in measure
    assert "pytest benchmarks $CELLS " in record
    assert "pytest benchmarks $CELLS " in measure


def test_the_comment_is_posted_by_a_workflow_of_the_default_branch_that_runs_nothing_of_the_pull_request() -> None:
    workflow = read("comment.yml")
    (job,) = workflow.jobs.values()
    assert workflow.on.workflow_run == Completed([read("pull-request.yml").name], ["completed"])
    assert raw_triggers(workflow) == {"workflow_run"}
    assert job.permissions == Permissions(actions="read", pull_requests="write")
    assert job.if_ == "github.event.workflow_run.event == 'pull_request'"
    assert [step.uses.partition("@")[0] for step in job.steps] == ["actions/download-artifact", "actions/github-script"]


def test_the_artifact_is_taken_from_the_run_of_the_event_and_may_be_missing() -> None:
    download, post = read("comment.yml").jobs["comment"].steps
    (upload,) = [step for step in steps(read("pull-request.yml")) if step.uses.startswith("actions/upload-artifact")]
    assert download.with_["run-id"] == "${{ github.event.workflow_run.id }}"
    assert download.with_["name"] == upload.with_["name"]
    assert download.with_["path"] == "${{ runner.temp }}/comment"
    assert download.continue_on_error
    assert post.if_ == f"steps.{download.id}.outcome == 'success'"
    assert "${{" not in str(post.with_["script"])


def test_the_site_is_deployed_by_the_action_of_pages_whatever_the_night_was() -> None:
    jobs = read("nightly.yml").jobs
    site, deploy = jobs["site"], jobs["deploy"]
    assert "!cancelled()" in site.if_
    assert "vars.DDPERF_SITE == 'on'" in site.if_
    assert deploy.permissions == Permissions(pages="write", id_token="write")  # noqa: S106 - a permission
    assert deploy.environment == Environment("github-pages", "${{ steps.deployment.outputs.page_url }}")
    assert [step.uses.partition("@")[0] for step in deploy.steps] == ["actions/deploy-pages"]
    (upload,) = [step for step in site.steps if step.uses.startswith("actions/upload-pages-artifact")]
    (build,) = [step.run for step in site.steps if step.name == "Build"]
    assert f'ddperf" report --site {upload.with_["path"]} ' in build
    assert "git push" not in build


def test_the_project_s_own_ci_runs_the_clean_clone_on_every_python() -> None:
    job = read("ci.yml").jobs["clean-clone"]
    text = (REPO / "pyproject.toml").read_text(encoding="utf-8")
    assert job.strategy is not None
    assert job.strategy.matrix["python"] == re.findall(r"Python :: (3\.\d+)", text)
    (step,) = [step for step in job.steps if step.run == ".ci/run"]
    assert step.env == {"PYTHON": "python${{ matrix.python }}"}
    assert "$PYTHON" in (REPO / ".ci" / "run").read_text(encoding="utf-8")
