"""The tasks of networks and their request parameters. Pure, standard library only.

The requests are those of dd_bench. The one for OCR, which dd_bench does not support, is from DeepDetect's own tests.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

DETECTION_THRESHOLD: Final = 0.1
"""Confidence below which the server omits boxes; the value dd_bench uses."""


class Task(StrEnum):
    """The task of a service."""

    CLASSIFICATION = "classification"
    DETECTION = "detection"
    SEGMENTATION = "segmentation"
    REGRESSION = "regression"
    SEARCH = "search"
    """Similarity search: the most similar indexed images."""
    ROI_SEARCH = "roi_search"
    """Detection, and a similarity search for each box."""
    MULTIBOX_SEARCH = "multibox_search"
    """Detection, and one similarity search by all boxes of an image together."""
    OCR = "ocr"
    """A sequence of characters, in CTC encoding."""


def create_input(task: Task) -> dict[str, object]:
    """Task-specific part of `parameters.input` in service creation."""
    if task in (Task.SEGMENTATION, Task.REGRESSION):
        return {str(task): True}
    return {}


def predict_input(task: Task) -> dict[str, object]:
    """Task-specific part of `parameters.input` in a prediction."""
    return {"segmentation": True} if task is Task.SEGMENTATION else {}


def predict_output(task: Task) -> dict[str, object]:
    """`parameters.output` of a prediction; empty for classification, as in dd_bench."""
    searched: dict[str, object] = {
        "confidence_threshold": DETECTION_THRESHOLD,
        "search": True,
        "rois": "rois",
        "bbox": False,
    }
    outputs: dict[Task, dict[str, object]] = {
        Task.DETECTION: {"confidence_threshold": DETECTION_THRESHOLD, "bbox": True},
        Task.REGRESSION: {"regression": True},
        Task.SEARCH: {"search": True},
        Task.ROI_SEARCH: searched,
        Task.MULTIBOX_SEARCH: {**searched, "multibox_rois": True},
        Task.OCR: {"ctc": True, "blank_label": 0, "confidence_threshold": 0.0},
    }
    return outputs.get(task, {})
