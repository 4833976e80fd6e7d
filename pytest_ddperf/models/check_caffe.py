"""Checks of a Caffe network: files that DeepDetect needs, and the cost of the network computed from its prototxt."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_ddperf.errors import ModelFileError
from pytest_ddperf.models import folder as model_folder
from pytest_ddperf.models.caffe.cost import (
    BYTES,
    compute_model_cost,
    compute_sizes,
    count_stored_numbers,
    estimate_memory,
)
from pytest_ddperf.models.caffe.inputs import SOURCES
from pytest_ddperf.models.caffe.layer import format_size
from pytest_ddperf.models.caffe.net import read_net
from pytest_ddperf.models.caffe.shapes import UNKNOWN_TYPE
from pytest_ddperf.models.findings import (
    SIDE,
    BatchMemory,
    Finding,
    KindCheck,
    Level,
    check_labels,
    check_weights,
    format_megabytes,
    missing_finding,
    uncounted,
    unknown_output,
)
from pytest_ddperf.models.folder import Kind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_ddperf.models.caffe.cost import LayerWithSizes
    from pytest_ddperf.models.caffe.net import CaffeNet, Layer
    from pytest_ddperf.models.folder import ModelFolder

_ANSWERS = {"Softmax": "a class for each image", "Sigmoid": "several classes for each image"}
_KEEPING_CHANNELS = frozenset({"BatchNorm", "Dropout", "Pooling", "ReLU", "Scale", "Sigmoid", "Softmax"})


def check_caffe(folder: ModelFolder, batch_sizes: Sequence[int]) -> KindCheck:
    """Check the Caffe network in a folder."""
    if folder.deploy is None:
        others = ", ".join(one.name for one in folder.other_prototxts)
        instead = f" (ignored: {others}; rename the right one)" if others else ""
        return KindCheck(
            Kind.CAFFE,
            (
                missing_finding("network", f"no deploy.prototxt, the description of the network{instead}."),
                _weights(folder),
            ),
        )
    try:
        net = read_net(model_folder.read_text(folder.deploy, "a prototxt"), folder.deploy)
        layers = compute_sizes(net)
    except ModelFileError as error:
        return KindCheck(Kind.CAFFE, (missing_finding("network", str(error)), _weights(folder)))
    cost = compute_model_cost(layers)
    images = _images(net, layers)
    classes, output = _output(layers)
    named = f" ({net.name})" if net.name else ""
    findings = (
        Finding(Level.OK, "network", f"{folder.deploy.name}, {len(net.layers)} layers{named}"),
        _input(net, layers[0].layer, images),
        output,
        _weights(folder, BYTES * count_stored_numbers(layers), is_complete=not cost.uncounted),
        check_labels(folder, classes),
        *uncounted("layers", cost.uncounted),
    )
    height, width = images[2:] if images is not None and len(images) == 4 else (None, None)
    return KindCheck(
        Kind.CAFFE,
        findings,
        cost.reported_operations,
        cost.true_multiply_adds,
        cost.parameters,
        bool(cost.uncounted),
        tuple(_memory(net, layers, size) for size in batch_sizes),
        "fp32; Caffe keeps the output of every layer that does not work in place. A lower bound: the workspace of "
        "layers and cuDNN is not included.",
        width,
        height,
        classes,
    )


def _images(net: CaffeNet, layers: Sequence[LayerWithSizes]) -> tuple[int, ...] | None:
    """Return the size of the network's input, batch first; None if unknown."""
    if net.inputs:
        return net.inputs[0].dims
    return next((each.step.tops[0] for each in layers if each.layer.type in SOURCES and each.step.tops), None)


def _input(net: CaffeNet, first: Layer, images: tuple[int, ...] | None) -> Finding:
    sides = images[1:] if images is not None and len(images) == 4 else (3, SIDE, SIDE)
    wanted = (
        'layer { name: "data" type: "MemoryData" top: "data" top: "label" memory_data_param { batch_size: 1 channels: '
        f"{sides[0]} height: {sides[1]} width: {sides[2]} }} }}"
    )
    if net.inputs or first.type != "MemoryData":
        is_now = f"the input {net.inputs[0].name!r}" if net.inputs else f"{first.name!r} of type {first.type}"
        text = f"the first layer must be of type MemoryData, but it is {is_now}. Replace it with: {wanted}"
        return missing_finding("input", text)
    if len(first.tops) != 2:
        return missing_finding(
            "input", f"MemoryData needs two tops, but {first.name!r} has {len(first.tops)}. Replace it with: {wanted}"
        )
    size = format_size(sides)
    if sides[0] not in {1, 3}:
        return missing_finding("input", f"{first.tops[0]}, {size}: images have 3 channels, or 1 in black and white.")
    notes = ["create the service with bw = true"] if sides[0] == 1 else []
    if sides[1:] != (SIDE, SIDE):
        notes.append(f"create the service with width {sides[2]} and height {sides[1]}, not {SIDE}")
    if notes:
        return Finding(Level.NOTE, "input", f"{first.tops[0]}, {size}: {', and '.join(notes)}.")
    return Finding(Level.OK, "input", f"{first.tops[0]}, {size}")


def _output(layers: Sequence[LayerWithSizes]) -> tuple[int | None, Finding]:
    """Return the number of classes and the finding about the last layer."""
    ends = [
        each
        for at, each in enumerate(layers)
        if each.layer.type not in SOURCES and each.layer.tops and not _is_read(each.layer, layers[at + 1 :])
    ]
    if not ends:
        return None, missing_finding("output", "no layer produces an output.")
    last = ends[-1]
    classes = _classes(layers, layers.index(last))
    if last.layer.type == "DetectionOutput":
        return None, Finding(Level.OK, "output", f"{last.layer.name}, {last.layer.type}: boxes")
    if last.layer.type in _ANSWERS:
        number = "an unknown number of" if classes is None else classes
        text = f"{last.layer.name}, {last.layer.type}, {number} classes: {_ANSWERS[last.layer.type]}"
        return classes, Finding(Level.OK, "output", text)
    if last.step.uncounted == UNKNOWN_TYPE:
        return classes, Finding(Level.NOTE, "output", unknown_output(last.layer.name, last.layer.type))
    return classes, missing_finding("output", _softmax_hint(last.layer))


def _classes(layers: Sequence[LayerWithSizes], at: int) -> int | None:
    """Return the number of classes that a layer outputs; None if unknown.

    This is the size of the softmax axis, or the `num_output` of the layer before it if sizes are unknown.
    """
    shape, layer = layers[at].step.tops[0], layers[at].layer
    axis = layer.settings.message("softmax_param").whole("axis", 1)
    if shape is not None:
        return shape[axis] if -len(shape) <= axis < len(shape) else None
    if axis != 1:
        return None
    settings = {"InnerProduct": "inner_product_param", "Convolution": "convolution_param"}.get(layer.type)
    if settings is not None:
        found = layer.settings.message(settings)
        return found.whole("num_output", 0) or None if found.whole("axis", 1) == 1 else None
    makers = [place for place in range(at) if set(layer.bottoms[:1]) & set(layers[place].layer.tops)]
    return _classes(layers, makers[-1]) if makers and layer.type in _KEEPING_CHANNELS else None


def _is_read(layer: Layer, later: Sequence[LayerWithSizes]) -> bool:
    """Return whether a later layer reads an output of a layer, or modifies it in place."""
    return any(set(layer.tops) & set(one.layer.bottoms) for one in later)


def _softmax_hint(last: Layer) -> str:
    if last.type.endswith("Loss") or last.type == "Accuracy":
        bottom = last.bottoms[0] if last.bottoms else "fc"
        begin = f"the last layer, {last.name!r}, is only for training ({last.type}). Replace it with"
    else:
        bottom = last.tops[0]
        begin = f"the last layer, {last.name!r}, is of type {last.type}, but classification needs a softmax. Add"
    return f'{begin}: layer {{ name: "prob" type: "Softmax" bottom: "{bottom}" top: "prob" }}'


def _weights(folder: ModelFolder, needed: int = 0, *, is_complete: bool = True) -> Finding:
    if folder.caffemodel is None:
        text = "no .caffemodel, the trained weights. DeepDetect creates the service, but rejects every"
        return missing_finding("weights", f"{text} prediction (400, dd_code 1006).")
    network = f"this network, whose weights take {format_megabytes(needed)} in fp32"
    # half the size is possible: 16 bits per number
    return check_weights(folder.caffemodel, needed / 2, network, is_complete=is_complete)


def _memory(net: CaffeNet, layers: Sequence[LayerWithSizes], batch_size: int) -> BatchMemory:
    try:
        found = estimate_memory(net, batch_size)
    except ModelFileError as error:
        return BatchMemory(batch_size, why_not=str(error))
    if found is None:
        first = next((each.layer for each in layers if not each.is_known), None)
        of = "the input" if first is None else f"{first.name} ({first.type})"
        return BatchMemory(batch_size, why_not=f"The sizes or weights of {of} are unknown.")
    return BatchMemory(batch_size, *found)
