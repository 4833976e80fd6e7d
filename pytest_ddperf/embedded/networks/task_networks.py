"""One small network for each task except classification, built in code like the 13 networks: fire modules and a head.

The gains of the heads were chosen by experiment so that outputs differ between images: some objects are found in each
image, masks have several classes, and sequences have several characters.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_ddperf.embedded.networks.boxes import PER_POSITION
from pytest_ddperf.embedded.networks.networks import FIRES, PIXEL_GAIN, add_fire_modules
from pytest_ddperf.embedded.networks.task_graph import TaskGraphBuilder
from pytest_ddperf.embedded.networks.task_models import TASK_MODELS

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_ddperf.embedded.networks.graph import NetworkGraph, Tensor
    from pytest_ddperf.embedded.networks.task_models import TaskModel

GRIDS: Final = (18, 9, 5)
"""Sides of the detector's three grids, for an input of 300x300."""

FEATURES: Final = 512
"""Number of channels of the last fire module, and of numbers in an embedding."""

BACKGROUND: Final = 6.5
"""Added to the detector's score for the background, so that only some tens of objects are found in an image."""

COLUMNS: Final = 32
"""Number of columns in the input of the OCR network's LSTM."""


def _trunk(net: TaskGraphBuilder) -> Tensor:
    """Add SqueezeNet v1.1 up to its last fire module."""
    x = net.relu(net.conv(net.input, "conv1", 64, 3, stride=2, gain=PIXEL_GAIN))
    return add_fire_modules(net, x, FIRES, (2, 4, 6))


def _detection(net: TaskGraphBuilder, model: TaskModel) -> NetworkGraph:
    """An SSD: the boxes on three grids and their classes, followed by the features if it answers with them."""
    x = _trunk(net)
    grids = [x]
    for number in (1, 2):
        x = net.relu(net.conv(x, f"extra{number}", 256, 3, stride=2, pad=1))
        grids.append(x)
    places, kinds = [], []
    for number, grid in enumerate(grids):
        place = net.conv(grid, f"place{number}", 4 * PER_POSITION, 3, pad=1, gain=1)
        places.append(net.by_position(place, f"place{number}.row"))
        kind = net.conv(grid, f"kind{number}", model.classes * PER_POSITION, 3, pad=1, gain=1)
        kinds.append(net.classes_by_position(kind, f"kind{number}.row", model.classes, background=BACKGROUND))
    numbers = PER_POSITION * sum(side * side for side in GRIDS) * (4 + model.classes)
    parts = [*places, *kinds]
    if "rois" in model.answers:
        seen = grids[0]
        parts.append(net.flat(seen.name, "features"))
        numbers += seen.channels * seen.height * seen.width
    return net.finish_row(parts, numbers)


def _segmentation(net: TaskGraphBuilder, model: TaskModel) -> NetworkGraph:
    """Fire modules down to an eighth of the input's size, enlarged again to the class of each pixel."""
    x = net.relu(net.conv(net.input, "conv1", 64, 3, stride=2, pad=1, gain=PIXEL_GAIN))
    x = add_fire_modules(net, x, FIRES[:4], (2, 4))
    x = net.enlarge(net.conv(x, "score", model.classes), "enlarged", 8)
    return net.finish_row([net.best_channel(x, "mask")], model.width * model.height)


def _regression(net: TaskGraphBuilder, model: TaskModel) -> NetworkGraph:
    x = net.dense(net.global_pool(_trunk(net), "pool10"), "value", model.classes, gain=8)
    return net.finish_row([net.flat(x.name, "row")], model.classes)


def _search(net: TaskGraphBuilder, model: TaskModel) -> NetworkGraph:
    x = net.global_pool(_trunk(net), "pool10")
    return net.finish_row([net.flat(x.name, "row")], model.classes)


def _ocr(net: TaskGraphBuilder, model: TaskModel) -> NetworkGraph:
    """A CRNN: convolutions, then an LSTM over the columns in both directions."""
    x = net.relu(net.conv(net.input, "conv1", 32, 3, pad=1, gain=PIXEL_GAIN))
    x = net.relu(net.conv(net.pool(x, "pool1", 2, 2), "conv2", 64, 3, pad=1))
    x = net.relu(net.conv(net.pool(x, "pool2", 2, 2), "conv3", 64, 3, pad=1))
    x = net.read_columns(x, "lstm", 96)
    return net.finish_row([net.column_classes(x, "characters", model.classes, gain=60)], COLUMNS * model.classes)


_ARCHITECTURES: dict[str, Callable[[TaskGraphBuilder, TaskModel], NetworkGraph]] = {
    "task_detection": _detection,
    "task_segmentation": _segmentation,
    "task_regression": _regression,
    "task_search": _search,
    "task_roi_search": _detection,
    "task_multibox_search": _detection,
    "task_ocr": _ocr,
}


def build_task(name: str) -> NetworkGraph:
    """Build the graph of one of `TASK_MODELS`, without its weights."""
    model = TASK_MODELS[name]
    return _ARCHITECTURES[name](TaskGraphBuilder(name, width=model.width, height=model.height), model)
