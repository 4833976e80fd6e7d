"""Networks for other tasks than classification, on a scripted server: each asked for its own, and checked."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from bench_project import BenchProject, TableServer
from scripted_deepdetect import Prediction, ServiceSetup

from pytest_ddperf.core.networks import TASK_NETWORKS

if TYPE_CHECKING:
    from collections.abc import Iterator

ON_THE_NANO = {
    "shufflenet": {"best": 1},
    "squeezenet_ssd_faces": {"confidence_threshold": 0.1, "bbox": True},
    "squeezenet_ssd_voc": {"confidence_threshold": 0.1, "bbox": True},
    "vgg16_ssd_600": {"confidence_threshold": 0.1, "bbox": True},
    "resnet18_ocr": {"ctc": True, "blank_label": 0, "confidence_threshold": 0.0},
    "crnn_ocr": {"ctc": True, "blank_label": 0, "confidence_threshold": 0.0},
}
"""The networks of the Nano's picture of which is known which they are, and what is asked of each."""

SIZES = {"squeezenet_ssd_faces": (300, 300), "vgg16_ssd_600": (300, 300), "crnn_ocr": (220, 136)}
REPOSITORY = "--ddperf-repository=/opt/models/{model}"


@pytest.fixture
def nano_server() -> Iterator[TableServer]:
    """A server as fast as the Nano's picture says, with its networks."""
    with TableServer("nano", services=list(ON_THE_NANO)) as running:
        yield running


@pytest.fixture
def nano(pytester: pytest.Pytester, nano_server: TableServer) -> BenchProject:
    return BenchProject(pytester, nano_server, "nano")


def outputs(project: BenchProject) -> dict[str, Any]:
    """What was asked of each service."""
    bodies: list[Any] = [one.json() for one in project.server.asked("POST", "/predict")]
    return {body["service"]: body["parameters"]["output"] for body in bodies}


def test_the_cells_of_the_nanos_picture_run_each_with_its_own_request(nano: BenchProject) -> None:
    result = nano.run("--ddperf-batch-sizes=1,2")
    assert result.ret == 0
    verdicts = nano.verdicts()
    assert verdicts == {f"nano-{model}-b{size}": "ok" for model in ON_THE_NANO for size in (1, 2)}
    assert outputs(nano) == ON_THE_NANO


def test_a_cell_that_the_picture_does_not_have_is_skipped(nano: BenchProject) -> None:
    result = nano.run("--ddperf-models=vgg16_ssd_600", "--ddperf-batch-sizes=4,8")
    result.assert_outcomes(passed=1, skipped=1)
    assert {len(one.json()["data"]) for one in nano.server.asked("POST", "/predict")} == {4}  # type: ignore[index]


def test_services_are_created_with_the_networks_own_size_and_classes(pytester: pytest.Pytester) -> None:
    with TableServer("nano", services=[]) as server:
        project = BenchProject(pytester, server, "nano")
        assert project.run(f"--ddperf-models={','.join(SIZES)}", "--ddperf-batch-sizes=1", REPOSITORY).ret == 0
        bodies: list[Any] = [one.json() for one in server.asked("PUT")]
    created = [body["parameters"] for body in bodies]
    sizes = [(each["input"]["width"], each["input"]["height"]) for each in created]
    assert sizes == [SIZES["squeezenet_ssd_faces"], SIZES["vgg16_ssd_600"], SIZES["crnn_ocr"]]
    assert [each["mllib"]["nclasses"] for each in created] == [2, 601, 69]


def test_the_networks_of_the_tx2s_picture_run(pytester: pytest.Pytester) -> None:
    networks = ["mobilenet_v2", "seresnet50", "squeezenet_ssd_voc"]
    with TableServer("tx2", services=networks) as server:
        project = BenchProject(pytester, server, "tx2")
        assert project.run(f"--ddperf-models={','.join(networks)}", "--ddperf-batch-sizes=1").ret == 0
        assert set(project.verdicts().values()) == {"ok"}


def boxless(_: Prediction, predictions: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**one, "classes": [{"prob": 0.9, "cat": "face"}]} for one in predictions]


def half_a_box(_: Prediction, predictions: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**one, "classes": [{"prob": 0.9, "cat": "face", "bbox": {"xmin": 1.0}}]} for one in predictions]


@pytest.mark.parametrize(("wrong", "said"), [(boxless, "an object without a box"), (half_a_box, "classes[0].bbox`")])
def test_a_detection_whose_answer_is_none_is_an_error(nano: BenchProject, wrong: Any, said: str) -> None:  # noqa: ANN401 - a scripted change
    nano.server.wrong = wrong
    result = nano.run("--ddperf-models=squeezenet_ssd_faces", "--ddperf-batch-sizes=1")
    assert result.ret == 1
    (record,) = nano.records()
    assert record.outcome == "error"
    assert said in record.reason


TASKS = [one.id for one in TASK_NETWORKS]


@pytest.fixture
def tasks(pytester: pytest.Pytester) -> Iterator[BenchProject]:
    """A project whose server has a network of each task."""
    with TableServer("tk1", services=[ServiceSetup(model, width=4, height=3) for model in TASKS]) as server:
        yield BenchProject(pytester, server)


def test_every_task_is_measured_and_its_answers_hold(tasks: BenchProject) -> None:
    assert tasks.run(f"--ddperf-models={','.join(TASKS)}", "--ddperf-batch-sizes=1,2").ret == 0
    assert tasks.verdicts() == {f"tk1-{model}-b{size}": "new" for model in TASKS for size in (1, 2)}


CHANGED: dict[str, dict[str, Any]] = {
    "task_detection": {"classes": []},
    "task_segmentation": {"vals": [3.0] * 12},
    "task_regression": {"vector": [{"cat": "age", "val": 3.0}]},
    "task_search": {"nns": [{"uri": "/srv/indexed/9.jpg", "dist": 0.0}]},
    "task_roi_search": {"rois": []},
    "task_multibox_search": {"nns": [{"uri": "/srv/indexed/9.jpg", "dist": 0.0}]},
    "task_ocr": {"classes": [{"prob": 1.0, "cat": "%$"}]},
}


def test_an_answer_that_changes_during_the_run_is_an_error(tasks: BenchProject) -> None:
    answered = Counter[tuple[str, int]]()

    def change(prediction: Prediction, made: list[dict[str, Any]]) -> list[dict[str, Any]]:
        answered[prediction.service, prediction.batch] += 1
        changes = answered[prediction.service, 2] > 2
        return [{**one, **CHANGED[prediction.service]} for one in made] if changes else made

    tasks.server.wrong = change
    assert tasks.run(f"--ddperf-models={','.join(CHANGED)}", "--ddperf-batch-sizes=1,2").ret == 1
    reasons = {(one.key.model, one.key.batch_size): (str(one.outcome), one.reason) for one in tasks.records()}
    for model in CHANGED:
        assert reasons[model, 1][0] == "new"
        assert reasons[model, 2][0] == "error"
        assert f"predictions of {model} changed" in reasons[model, 2][1]
