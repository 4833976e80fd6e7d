"""Catalogue of the embedded server's small networks for DeepDetect's other tasks, in addition to the 13 networks."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TaskModel:
    """A network for one task.

    Args:
        mltype: DeepDetect's name for what the network does.
        classes: number of classes, including the background or the blank of a sequence; number of values if the network
            has no classes.
        answers: output parameters that the network supports.
    """

    id: str
    mltype: str
    width: int
    height: int
    classes: int
    answers: frozenset[str]


TASK_MODELS: dict[str, TaskModel] = {
    one.id: one
    for one in (
        TaskModel("task_detection", "detection", 300, 300, 21, frozenset({"bbox"})),
        TaskModel("task_segmentation", "segmentation", 224, 224, 21, frozenset()),
        TaskModel("task_regression", "regression", 224, 224, 1, frozenset({"regression"})),
        TaskModel("task_search", "simsearch", 224, 224, 512, frozenset({"search"})),
        TaskModel("task_roi_search", "rois", 300, 300, 21, frozenset({"bbox", "rois", "search"})),
        TaskModel("task_multibox_search", "rois", 300, 300, 21, frozenset({"bbox", "rois", "search", "multibox_rois"})),
        TaskModel("task_ocr", "ctc", 128, 32, 37, frozenset({"ctc"})),
    )
}
"""The networks by id."""
