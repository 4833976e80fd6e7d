"""Conversion of a network's output to predictions in DeepDetect's format, one class for each task."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, TypeAlias

import cv2
import numpy as np

from pytest_ddperf.embedded.api_errors import bad_service
from pytest_ddperf.embedded.heads import ctc
from pytest_ddperf.embedded.heads.nearest import Index, normalise
from pytest_ddperf.embedded.heads.predictions import build_predictions, mark_last, reorder_rows
from pytest_ddperf.embedded.networks import boxes
from pytest_ddperf.embedded.networks.task_models import TASK_MODELS
from pytest_ddperf.embedded.networks.task_networks import FEATURES, GRIDS
from pytest_ddperf.embedded.wire import OutputSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from pytest_ddperf.embedded.networks.task_models import TaskModel
    from pytest_ddperf.embedded.wire import JsonObject

    Run = Callable[[NDArray[np.float32]], NDArray[np.float32]]
    Convert = Callable[[TaskModel, NDArray[np.float32], "Size", OutputSettings], JsonObject]

INDEXED = 32
"""Number of images in the index of a network for similarity search."""

_EMPTY = Index(np.empty((0, FEATURES), np.float32), ())
"""The index of a network whose answers contain no search; such a request is refused."""

_INDEXED_OBJECTS = OutputSettings(confidence_threshold=0.1, best_bbox=20)

Size = tuple[int, int]


class ClassHead:
    """Predictions of a classification network."""

    def predictions(
        self, uris: Sequence[str], rows: NDArray[np.float32], sizes: Sequence[Size], output: OutputSettings
    ) -> list[JsonObject]:
        """Return the most probable classes of each image; see `TaskHead.predictions`."""
        del sizes
        _require(output, frozenset(), "classification")
        return build_predictions(uris, rows, output)


class TaskHead:
    """Predictions of a network for another task, whose output is converted one image at a time.

    Args:
        convert: returns the prediction of one image, without its uri, from the model, the network's output for the
            image, the image's width and height in pixels, and the requested output.
    """

    def __init__(self, model: TaskModel, convert: Convert) -> None:
        self.model = model
        self._convert = convert

    def predictions(
        self, uris: Sequence[str], rows: NDArray[np.float32], sizes: Sequence[Size], output: OutputSettings
    ) -> list[JsonObject]:
        """Return one prediction for each distinct uri, in an order that differs from the request's.

        Args:
            uris: the uri of each image.
            rows: the network's output for each image.
            sizes: width and height of each image before resizing, in pixels.
            output: the requested output.

        Raises:
            ApiError: the network does not support the requested output.
        """
        _require(output, self.model.answers, self.model.mltype)
        return [
            {"uri": uri, **self._convert(self.model, rows[row], sizes[row], output)} for uri, row in reorder_rows(uris)
        ]


Head: TypeAlias = ClassHead | TaskHead


def convert_to_torch(predictions: list[JsonObject], classes: int, best: int) -> None:
    """Change the predictions of a `ClassHead` to those of DeepDetect's Torch backend, which names classes by number.

    If more classes are requested than there are, DeepDetect reads memory beyond them. Here, all classes follow one that
    a recorded server returned in that case.
    """
    for one in predictions:
        for entry in one["classes"]:
            entry["cat"] = str(int(entry["cat"].rpartition("_")[2]))
        if best > classes:
            one["classes"].insert(0, {"prob": 1.0723899309654841e33, "cat": "1610612736"})


def _segment(model: TaskModel, row: NDArray[np.float32], size: Size, _: OutputSettings) -> JsonObject:
    """Return the class of each pixel of the image at its original size, row by row."""
    mask = cv2.resize(row.reshape(model.height, model.width), size, interpolation=cv2.INTER_NEAREST)
    return {"imgsize": {"width": size[0], "height": size[1]}, "vals": mask.ravel().tolist()}


def _regress(_model: TaskModel, row: NDArray[np.float32], _size: Size, _: OutputSettings) -> JsonObject:
    """Return a list of values, numbered from 0."""
    vector: list[JsonObject] = [{"cat": str(number), "val": value} for number, value in enumerate(row.tolist())]
    return {"vector": mark_last(vector)}


def _read_text(model: TaskModel, row: NDArray[np.float32], _: Size, output: OutputSettings) -> JsonObject:
    """Return one class whose name is the text in the image."""
    blank = max(output.blank_label, 0)
    if blank >= model.classes:
        raise bad_service(f"there are {model.classes} classes, and blank_label is {blank}")
    text, probability = ctc.decode_ctc(row.reshape(-1, model.classes), blank)
    return {"classes": mark_last([{"prob": probability, "cat": text}])}


class DetectionHead(TaskHead):
    """Objects and their boxes; for networks with features, also the most similar objects or images in the index."""

    def __init__(self, model: TaskModel) -> None:
        super().__init__(model, self._find)
        self._priors = boxes.build_prior_boxes(GRIDS)
        self._index = _EMPTY

    def _find(self, _: TaskModel, row: NDArray[np.float32], size: Size, output: OutputSettings) -> JsonObject:
        """Return the objects of an image.

        With `rois`, each object has its features and, with `search`, its nearest neighbours. With `multibox_rois` as
        well, objects have no boxes, features or neighbours; with `search`, the images nearest to all objects together
        are returned.
        """
        found = list(self._objects(row, size, output))
        listed = mark_last([entry for entry, _ in found])
        if not output.rois:
            return {"classes": listed}
        vectors = [self._features(row, corners) for _, corners in found]
        if output.multibox_rois:
            bare: list[JsonObject] = [{key: value for key, value in one.items() if key != "bbox"} for one in listed]
            nearest = self._nearest_to_all(vectors, output.search_nn) if output.search else []
            return {"classes": bare, **({"nns": nearest} if nearest else {})}
        for entry, vector in zip(listed, vectors, strict=True):
            entry["vals"] = vector.tolist()
            if output.search:
                entry["nns"] = self._index.nearest(vector, output.search_nn)
        return {"rois": listed}

    def learn(self, run: Run, seed: int) -> None:
        """Build the index from the objects of a few generated images."""
        vectors, entries = [], []
        for uri, row in _pictures_seen(run, self.model, seed):
            for entry, corners in self._objects(row, (self.model.width, self.model.height), _INDEXED_OBJECTS):
                vectors.append(self._features(row, corners))
                entries.append({"uri": uri, **entry})
        self._index = Index(np.array(vectors, np.float32).reshape(len(vectors), FEATURES), entries)

    def _objects(
        self, row: NDArray[np.float32], size: Size, output: OutputSettings
    ) -> Iterator[tuple[JsonObject, NDArray[np.float32]]]:
        """Yield the JSON of each object of an image, and its corners from 0 to 1."""
        count = len(self._priors)
        corners = boxes.decode(row[: 4 * count].reshape(count, 4), self._priors)
        kinds = row[4 * count : (4 + self.model.classes) * count].reshape(count, self.model.classes)
        found = boxes.select_objects(
            corners,
            kinds,
            threshold=output.confidence_threshold,
            overlap=output.nms_threshold,
            best=output.best_bbox,
        )
        for kind, probability, place in found:
            xmin, ymin, xmax, ymax = (corners[place] * np.array([*size, *size], np.float32)).tolist()
            box = {"xmin": xmin, "ymin": ymin, "xmax": xmax, "ymax": ymax}
            yield {"prob": probability, "cat": str(kind), "bbox": box}, corners[place]

    def _features(self, row: NDArray[np.float32], corners: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the maximum of each feature within a box, normalised to length 1."""
        side = GRIDS[0]
        seen = row[(4 + self.model.classes) * len(self._priors) :].reshape(FEATURES, side, side)
        low = np.minimum((corners[:2] * side).astype(int), side - 1)
        high = np.maximum(np.ceil(corners[2:] * side).astype(int), low + 1)
        return normalise(seen[:, low[1] : high[1], low[0] : high[0]].max(axis=(1, 2)))

    def _nearest_to_all(self, vectors: Sequence[NDArray[np.float32]], count: int) -> list[JsonObject]:
        """Return images by the mean distance of their objects to the objects of this image, nearest first."""
        distances: dict[str, list[float]] = {}
        for vector in vectors:
            for entry in self._index.nearest(vector, count):
                distances.setdefault(entry["uri"], []).append(entry["dist"])
        means = {uri: sum(listed) / len(listed) for uri, listed in distances.items()}
        return [{"uri": uri, "dist": means[uri]} for uri in sorted(means, key=means.__getitem__)]


class SearchHead(TaskHead):
    """An embedding of the whole image, and the most similar images in the index."""

    def __init__(self, model: TaskModel) -> None:
        super().__init__(model, self._embed)
        self._index = _EMPTY

    def _embed(self, _model: TaskModel, row: NDArray[np.float32], _: Size, output: OutputSettings) -> JsonObject:
        """Return the embedding and, if requested, the nearest neighbours."""
        vector = normalise(row)
        entry_json: JsonObject = {"vals": vector.tolist()}
        if output.search:
            entry_json["nns"] = self._index.nearest(vector, output.search_nn)
        return entry_json

    def learn(self, run: Run, seed: int) -> None:
        """Build the index from a few generated images."""
        seen = list(_pictures_seen(run, self.model, seed))
        self._index = Index(normalise(np.array([row for _, row in seen])), [{"uri": uri} for uri, _ in seen])


_HEADS: dict[str, Callable[[TaskModel], TaskHead]] = {
    "task_detection": DetectionHead,
    "task_segmentation": functools.partial(TaskHead, convert=_segment),
    "task_regression": functools.partial(TaskHead, convert=_regress),
    "task_search": SearchHead,
    "task_roi_search": DetectionHead,
    "task_multibox_search": DetectionHead,
    "task_ocr": functools.partial(TaskHead, convert=_read_text),
}


def build_task_head(name: str, run: Run, seed: int) -> Head:
    """Create the head of one of `TASK_MODELS`, and build its index if it has one."""
    head = _HEADS[name](TASK_MODELS[name])
    if isinstance(head, SearchHead | DetectionHead) and "search" in head.model.answers:
        head.learn(run, seed)
    return head


def _require(output: OutputSettings, answers: frozenset[str], mltype: str) -> None:
    """Check that a network supports the requested output."""
    if missing := sorted(output.asks_for - answers):
        raise bad_service(f"the network does {mltype} and does not support {', '.join(missing)}")
    if output.index or output.build_index:
        raise bad_service("the index is already built, and nothing can be added")


def _pictures_seen(run: Run, model: TaskModel, seed: int) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """Yield the uri and the network's output for a few images: random gradients with noise, drawn from a seed."""
    draw = np.random.default_rng([seed, INDEXED])
    for number in range(INDEXED):
        coarse = draw.uniform(0, 255, (8, 8, 3)).astype(np.float32)
        picture = cv2.resize(coarse, (model.width, model.height), interpolation=cv2.INTER_CUBIC)
        picture = picture + draw.normal(0, 16, picture.shape)
        planes = np.ascontiguousarray(picture.clip(0, 255).transpose(2, 0, 1)[None], np.float32)
        yield f"indexed/{number:02d}.jpg", run(planes)[0]
