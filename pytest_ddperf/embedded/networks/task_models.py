"""The networks that the embedded server has besides the 13: one small one for each task of DeepDetect's. Names only."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TaskModel:
    """One of them.

    Args:
        id: what a service's `model.repository` names.
        mltype: DeepDetect's word for what it does.
        width: of its input, pixels.
        height: of its input, pixels.
        classes: how many it tells apart: background, or the blank of a sequence, is one.
        answers: the output parameters that it can be asked for.
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
"""By id."""
