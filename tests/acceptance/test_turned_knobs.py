"""dd_bench's knobs on pytest's command line and in ddperf.toml: on the wire, and in what is compared."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from bench_project import BenchProject, TableServer

if TYPE_CHECKING:
    from collections.abc import Iterator

CELL = ("--ddperf-models=squeezenet_v1.1", "--ddperf-batch-sizes=1")
CELLS = ("--ddperf-models=squeezenet_v1.1", "--ddperf-batch-sizes=1,8")
REPOSITORY = "--ddperf-repository=/opt/models/{model}"


@pytest.fixture
def empty() -> Iterator[TableServer]:
    """A server as fast as the TK1 table says, without a service."""
    with TableServer("tk1", services=[]) as running:
        yield running


@pytest.fixture
def project(pytester: pytest.Pytester, empty: TableServer) -> BenchProject:
    return BenchProject(pytester, empty)


def created(server: TableServer) -> list[Any]:
    """The parameters of the services that were created."""
    bodies: list[Any] = [one.json() for one in server.asked("PUT")]
    return [body["parameters"] for body in bodies]


def predicted(server: TableServer) -> Any:  # noqa: ANN401 - JSON
    """The parameters of the last prediction."""
    body: Any = server.asked("POST", "/predict")[-1].json()
    return body["parameters"]


@pytest.mark.parametrize(
    ("option", "part", "key", "value"),
    [
        ("--ddperf-img-width=300", "input", "width", 300),
        ("--ddperf-img-height=200", "input", "height", 200),
        ("--ddperf-bw", "input", "bw", True),
        ("--ddperf-rgb", "input", "rgb", True),
        ("--ddperf-scale=0.0039", "input", "scale", 0.0039),
        ("--ddperf-histogram-equalization", "input", "histogram_equalization", True),
        ("--ddperf-nclasses=21", "mllib", "nclasses", 21),
        ("--ddperf-max-workspace-size=256", "mllib", "maxWorkspaceSize", 256),
        ("--ddperf-dla", "mllib", "dla", 0),
    ],
)
def test_a_knob_of_the_service_is_in_its_creation_and_nowhere_else(
    project: BenchProject, option: str, part: str, key: str, value: object
) -> None:
    assert project.run(*CELL, REPOSITORY).ret == 0
    assert project.run(*CELL, REPOSITORY, option).ret == 0
    usual, turned = created(project.server)
    assert turned == {**usual, part: {**usual[part], key: value}}


@pytest.mark.parametrize(
    ("option", "key", "value"),
    [
        ("--ddperf-img-width=300", "width", 300),
        ("--ddperf-img-height=200", "height", 200),
        ("--ddperf-image-interp=nearest", "interp", "nearest"),
        ("--ddperf-gpu-resize", "cuda", True),
    ],
)
def test_a_knob_of_the_request_is_in_every_prediction(tk1: BenchProject, option: str, key: str, value: object) -> None:
    assert tk1.run(*CELL).ret == 0
    usual = predicted(tk1.server)
    assert tk1.run(*CELL, option).ret == 0
    assert predicted(tk1.server) == {**usual, "input": {**usual["input"], key: value}}


def test_a_platform_file_turns_them_too_and_the_command_line_wins(project: BenchProject) -> None:
    (project.path / "ddperf.toml").write_text(
        "[platforms.tk1]\nrgb = true\nscale = 0.5\nimg_width = 227\n", encoding="utf-8"
    )
    assert project.run(*CELL, REPOSITORY, "--ddperf-img-width=300").ret == 0
    (parameters,) = created(project.server)
    assert [parameters["input"][key] for key in ("rgb", "scale", "width", "height")] == [True, 0.5, 300, 224]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("img_width = 0", "a whole number of 1 or more"),
        ("scale = 0.0", "a finite number other than 0"),
        ('image_interp = "bicubic"', "image_interp"),
        ('rgb = "yes"', "bool"),
    ],
)
def test_a_value_that_cannot_be_is_refused_with_its_place(project: BenchProject, line: str, said: str) -> None:
    (project.path / "ddperf.toml").write_text(f"[platforms.tk1]\n{line}\n", encoding="utf-8")
    result = project.run(*CELL)
    assert result.ret == 4
    text = "\n".join((*result.errlines, *result.outlines))
    assert "ddperf.toml, line 2" in text
    assert said in text


@pytest.mark.parametrize("option", ["--ddperf-scale=0", "--ddperf-image-interp=bicubic", "--ddperf-nclasses=0"])
def test_an_option_that_cannot_be_is_a_usage_error(project: BenchProject, option: str) -> None:
    assert project.run(*CELL, option).ret == 4


def test_a_baseline_of_images_that_were_prepared_otherwise_is_not_compared_with(project: BenchProject) -> None:
    assert project.run(*CELL, REPOSITORY, "--ddperf-update-baselines").ret == 0
    assert project.run(*CELL, REPOSITORY, "--ddperf-rgb").ret == 0
    (record,) = project.records()
    assert record.outcome == "new"
    assert "the preparation of images was as usual and is rgb" in " ".join(record.notes)


def test_a_published_table_is_compared_with_and_the_preparation_is_said(project: BenchProject) -> None:
    assert project.run(*CELL, REPOSITORY, "--ddperf-rgb").ret == 0
    (record,) = project.records()
    assert record.outcome == "ok"
    assert "these otherwise (rgb)" in " ".join(record.notes)


# --- an engine for each batch size


def test_a_service_of_ours_is_for_all_batch_sizes(project: BenchProject) -> None:
    assert project.run(*CELLS, REPOSITORY).ret == 0
    assert len(created(project.server)) == 1


def test_recreate_makes_one_for_each(project: BenchProject) -> None:
    assert project.run(*CELLS, REPOSITORY, "--ddperf-recreate").ret == 0
    assert [one["mllib"]["maxBatchSize"] for one in created(project.server)] == [1, 8]
    assert project.server.services == []


def test_a_service_that_was_there_is_not_recreated(tk1: BenchProject) -> None:
    assert tk1.run(*CELLS, "--ddperf-recreate").ret == 0
    assert (tk1.server.asked("PUT"), tk1.server.asked("DELETE")) == ([], [])


def test_tensorrt_builds_an_engine_for_each_batch_size_as_a_cold_start_and_not_as_a_pass(
    pytester: pytest.Pytester,
) -> None:
    building: dict[str, bool] = {}

    def latency_ms(_: str, batch: int) -> float:
        """The first prediction of a service builds its engine: a minute."""
        fresh = building.setdefault(f"{len(server.asked('PUT'))}", True)
        building[f"{len(server.asked('PUT'))}"] = False
        return 60_000.0 if fresh else table[batch]

    with TableServer("tx2-tensorrt", services=[]) as server:
        table = {size: (server.table["googlenet", size] + 0.5 / size) * size for size in (1, 2, 4)}
        server.latency_ms = latency_ms
        project = BenchProject(pytester, server, "tx2-tensorrt")
        result = project.run("--ddperf-models=googlenet", "--ddperf-batch-sizes=1,2,4", REPOSITORY)
        assert result.ret == 0
        assert [one["mllib"]["maxBatchSize"] for one in created(server)] == [1, 2, 4]
    records = project.records()
    assert {str(record.outcome) for record in records} == {"ok"}
    for record in records:
        assert record.measurement is not None
        assert record.measurement.conditions.engine == record.key.batch_size
        assert record.measurement.cold_start.create_ms is not None
        assert record.measurement.cold_start.first_predict_ms is not None
        note = f"the table's engine was built for its largest batch size, this one for {record.key.batch_size}"
        assert note in record.notes


# --- services at the end


def test_a_service_that_was_there_stays(tk1: BenchProject) -> None:
    before = tk1.server.services
    assert tk1.run(*CELL).ret == 0
    assert tk1.server.services == before


def test_delete_services_deletes_those_that_were_measured_and_no_others(tk1: BenchProject) -> None:
    before = set(tk1.server.services)
    assert tk1.run(*CELLS, "--ddperf-delete-services").ret == 0
    assert before - set(tk1.server.services) == {"squeezenet_v1.1"}
