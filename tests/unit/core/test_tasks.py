"""The parts of a request that differ by task: dd_bench's, and DeepDetect's own for OCR."""

from __future__ import annotations

import pytest

from pytest_ddperf.core.tasks import Task, create_input, predict_input, predict_output
from pytest_ddperf.deepdetect.predictions import _RULES
from pytest_ddperf.deepdetect.protocol import build_predict_body, build_service_body

ROIS = {"confidence_threshold": 0.1, "search": True, "rois": "rois", "bbox": False}


@pytest.mark.parametrize(
    ("task", "output"),
    [
        (Task.CLASSIFICATION, {}),
        (Task.DETECTION, {"confidence_threshold": 0.1, "bbox": True}),
        (Task.SEGMENTATION, {}),
        (Task.REGRESSION, {"regression": True}),
        (Task.SEARCH, {"search": True}),
        (Task.ROI_SEARCH, ROIS),
        (Task.MULTIBOX_SEARCH, {**ROIS, "multibox_rois": True}),
        (Task.OCR, {"ctc": True, "blank_label": 0, "confidence_threshold": 0.0}),
    ],
)
def test_the_output_parameters_of_a_prediction(task: Task, output: dict[str, object]) -> None:
    assert predict_output(task) == output
    assert build_predict_body("s", ["a.jpg"], task=task)["parameters"]["output"] == output  # type: ignore[index]


def test_a_mask_is_asked_for_in_the_input_parameters() -> None:
    assert predict_input(Task.SEGMENTATION) == {"segmentation": True}
    assert [task for task in Task if predict_input(task)] == [Task.SEGMENTATION]


def test_services_for_masks_and_for_values_are_created_as_such() -> None:
    assert {task: create_input(task) for task in Task if create_input(task)} == {
        Task.SEGMENTATION: {"segmentation": True},
        Task.REGRESSION: {"regression": True},
    }
    created = build_service_body("/srv/m", task=Task.REGRESSION)
    assert created["parameters"]["input"]["regression"] is True  # type: ignore[index]


def test_an_output_that_is_given_stands_in_place_of_the_tasks() -> None:
    body = build_predict_body("s", ["a.jpg"], task=Task.DETECTION, output={"best": 1})
    assert body["parameters"]["output"] == {"best": 1}  # type: ignore[index]


def test_each_task_says_what_its_answer_must_hold() -> None:
    assert _RULES.keys() == set(Task)
