"""Answers of each task: what is taken out of them, and what cannot be right."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
from every_row import every_row
from hypothesis import given
from hypothesis import strategies as st

from pytest_ddperf.core.tasks import Task
from pytest_ddperf.deepdetect.predictions import Box, Class, Neighbour, Prediction, Region, Size, Value, find_flaws
from pytest_ddperf.deepdetect.protocol import check_predictions, parse_prediction
from pytest_ddperf.errors import AnswerError

BOX = {"xmin": 1.5, "ymin": 20, "xmax": 30.25, "ymax": 2.0}
DETECTED = {"prob": 0.9, "cat": "face", "bbox": BOX}
NEIGHBOURS = [{"uri": "x.jpg", "dist": 0.0}, {"uri": "y.jpg", "dist": 1.5}]
ROI = {**DETECTED, "vals": [0.1, 0.2], "nns": [{**NEIGHBOURS[0], "prob": 0.8, "cat": "face", "bbox": BOX}]}

RIGHT: dict[Task, dict[str, Any]] = {
    Task.CLASSIFICATION: {"classes": [{"prob": 0.9, "cat": "cat", "last": True}]},
    Task.DETECTION: {"classes": [DETECTED, {**DETECTED, "last": True}]},
    Task.SEGMENTATION: {"vals": [0.0, 1.0, 2.0, 1.0, 0.0, 3.0], "imgsize": {"width": 3, "height": 2}},
    Task.REGRESSION: {"vector": [{"cat": "age", "val": 41.5, "last": True}]},
    Task.SEARCH: {"classes": [{"prob": 0.9, "cat": "cat"}], "nns": NEIGHBOURS},
    Task.ROI_SEARCH: {"rois": [ROI]},
    Task.MULTIBOX_SEARCH: {"classes": [{"prob": 0.9, "cat": "face"}], "nns": NEIGHBOURS},
    Task.OCR: {"classes": [{"prob": 1.0, "cat": "rue de rivoli", "last": True}]},
}


def parsed(**reported: object) -> Prediction:
    return parse_prediction({"body": {"predictions": [{"uri": "a.jpg", **reported}]}}).predictions[0]


@every_row("task", Task)
def test_an_answer_as_the_task_has_it_is_right(task: Task) -> None:
    answer = parse_prediction({"head": {"time": 5.0}, "body": {"predictions": [{"uri": "a.jpg", **RIGHT[task]}]}})
    check_predictions(answer, ["a.jpg"], task=task, input_size=(224, 224))


def test_what_is_reported_of_each_task() -> None:
    assert parsed(**RIGHT[Task.DETECTION]).classes == (Class("face", 0.9, Box(1.5, 20, 30.25, 2.0)),) * 2
    assert parsed(**RIGHT[Task.SEGMENTATION]).image_size == Size(3, 2)
    assert parsed(**RIGHT[Task.SEGMENTATION]).mask == (0.0, 1.0, 2.0, 1.0, 0.0, 3.0)
    assert parsed(**RIGHT[Task.REGRESSION]).vector == (Value("age", 41.5),)
    assert parsed(**RIGHT[Task.SEARCH]).neighbours == (Neighbour("x.jpg", 0.0), Neighbour("y.jpg", 1.5))
    assert parsed(**RIGHT[Task.ROI_SEARCH]).regions == (
        Region(
            "face",
            0.9,
            Box(1.5, 20, 30.25, 2.0),
            features=(0.1, 0.2),
            neighbours=(Neighbour("x.jpg", 0.0),),
        ),
    )
    assert parsed(**RIGHT[Task.OCR]).classes == (Class("rue de rivoli", 1.0),)


@every_row("corner, value", itertools.product(["xmin", "ymin", "xmax", "ymax"], [math.nan, math.inf, None, "3", True]))
def test_a_box_has_four_finite_corners(corner: str, value: object) -> None:
    with pytest.raises(AnswerError, match=rf"at `\$\.body\.predictions\[0\]\.classes\[0\]\.bbox\.{corner}`"):
        parsed(classes=[{**DETECTED, "bbox": {**BOX, corner: value}}])


@pytest.mark.parametrize("value", [None, 7, ["a"]])
def test_a_sequence_is_a_text(value: object) -> None:
    with pytest.raises(AnswerError, match=r"`str`.*\.classes\[0\]\.cat`"):
        parsed(classes=[{"prob": 1.0, "cat": value}])


@every_row("value", [math.nan, -math.inf, None, "3", False])
def test_every_number_of_a_mask_a_vector_and_features_is_finite(value: object) -> None:
    with pytest.raises(AnswerError, match=r"at `.*\.vals\[1\]`"):
        parsed(vals=[1.0, value])
    with pytest.raises(AnswerError, match=r"at `.*\.vector\[0\]\.val`"):
        parsed(vector=[{"cat": "age", "val": value}])
    with pytest.raises(AnswerError, match=r"at `.*\.rois\[0\]\.vals\[0\]`"):
        parsed(rois=[{**ROI, "vals": [value]}])


@pytest.mark.parametrize("value", [math.nan, None])
def test_a_neighbour_has_a_name_and_a_distance(value: object) -> None:
    with pytest.raises(AnswerError, match=r"at `.*\.nns\[0\]\.dist`"):
        parsed(classes=[], nns=[{"uri": "x.jpg", "dist": value}])
    with pytest.raises(AnswerError, match=r"`uri`.*\.nns\[0\]`"):
        parsed(classes=[], nns=[{"dist": 1.0}])


@pytest.mark.parametrize(
    ("task", "reported", "said"),
    [
        (Task.CLASSIFICATION, {"classes": []}, "no class in 1 of 1 images: a.jpg"),
        (Task.OCR, {"classes": []}, "no sequence in 1 of 1 images: a.jpg"),
        (
            Task.DETECTION,
            {"classes": [{"prob": 0.9, "cat": "face"}]},
            "an object without a box in 1 of 1 images: a.jpg",
        ),
        (Task.DETECTION, {"classes": [{**DETECTED, "prob": 1.5}]}, "1 probabilities are not between 0 and 1"),
        (
            Task.DETECTION,
            {"classes": [{**DETECTED, "bbox": {**BOX, "xmin": 40}}]},
            "a box whose left side is right of its right side in 1 of 1 images: a.jpg",
        ),
        (Task.SEGMENTATION, {"classes": []}, "no mask in 1 of 1 images: a.jpg"),
        (Task.SEGMENTATION, {"vals": [-1.0, 0.0]}, "a class below 0 in 1 of 1 images: a.jpg"),
        (
            Task.SEGMENTATION,
            {"vals": [0.0] * 5, "imgsize": {"width": 3, "height": 2}},
            "1 masks do not have one value per pixel: a.jpg (5 values for 3x2 pixels)",
        ),
        (
            Task.SEGMENTATION,
            {"vals": [0.0] * 3},
            "1 masks do not have one value per pixel: a.jpg (3 values for 2x1 pixels)",
        ),
        (Task.REGRESSION, {"vector": []}, "no value in 1 of 1 images: a.jpg"),
        (Task.REGRESSION, {"classes": [{"prob": 0.9, "cat": "cat"}]}, "no value in 1 of 1 images: a.jpg"),
        (Task.SEARCH, {"classes": [], "nns": []}, "no nearest neighbours in 1 of 1 images: a.jpg"),
        (Task.SEARCH, {"classes": [{"prob": 0.9, "cat": "cat"}]}, "no nearest neighbours in 1 of 1 images: a.jpg"),
        (Task.ROI_SEARCH, {"classes": [DETECTED]}, "no list of regions in 1 of 1 images: a.jpg"),
        (Task.ROI_SEARCH, {"rois": [{**ROI, "bbox": None}]}, "a region without a box in 1 of 1 images: a.jpg"),
        (Task.ROI_SEARCH, {"rois": [{**ROI, "vals": []}]}, "a region without features in 1 of 1 images: a.jpg"),
        (
            Task.ROI_SEARCH,
            {"rois": [{**ROI, "nns": []}]},
            "a region without nearest neighbours in 1 of 1 images: a.jpg",
        ),
        (Task.MULTIBOX_SEARCH, {"classes": [DETECTED]}, "objects but no nearest neighbours in 1 of 1 images: a.jpg"),
    ],
)
def test_an_answer_that_the_task_does_not_have_is_wrong(task: Task, reported: dict[str, Any], said: str) -> None:
    (flaw,) = find_flaws([parsed(**reported)], task, (2, 1))
    assert flaw.startswith(said)


@pytest.mark.parametrize(
    ("task", "reported"),
    [(Task.DETECTION, {"classes": []}), (Task.ROI_SEARCH, {"rois": []}), (Task.MULTIBOX_SEARCH, {"classes": []})],
)
def test_an_image_with_nothing_on_it_is_no_flaw(task: Task, reported: dict[str, Any]) -> None:
    assert find_flaws([parsed(**reported)], task) == []


def test_a_prediction_that_says_nothing_is_no_answer() -> None:
    with pytest.raises(AnswerError, match=r"`classes`.*\.predictions\[0\]`"):
        parsed()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
KEYS = st.sampled_from(["uri", "classes", "rois", "vector", "vals", "imgsize", "nns"])


@given(st.dictionaries(KEYS, JSON))
def test_any_json_is_a_prediction_or_an_answer_error(value: dict[str, object]) -> None:
    try:
        (one,) = parse_prediction({"body": {"predictions": [value]}}).predictions
    except AnswerError:
        return
    for task in Task:
        assert all(isinstance(flaw, str) for flaw in find_flaws([one], task, (1, 1)))
