"""Checks of a model folder: files that DeepDetect needs, files that are missing, and the cost of the network."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_ddperf.embedded.launch import require_extra
from pytest_ddperf.errors import ConfigurationError, ModelFileError
from pytest_ddperf.models import folder as model_folder
from pytest_ddperf.models.caffe.cost import BYTES
from pytest_ddperf.models.caffe.layer import format_size
from pytest_ddperf.models.check_caffe import check_caffe
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
from pytest_ddperf.models.ncnn import KNOWN_TYPES, read_param

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_ddperf.core.networks import Network
    from pytest_ddperf.embedded.networks.onnx_files import OnnxNet
    from pytest_ddperf.models.folder import ModelFolder

_TENSORRT_NAME = "net_tensorRT.onnx"


def check(folder: ModelFolder, batch_sizes: Sequence[int]) -> list[KindCheck]:
    """Check every network in a folder; usable networks come first."""
    checks = {Kind.CAFFE: check_caffe, Kind.ONNX: _onnx, Kind.NCNN: _ncnn, Kind.TORCH: _torch}
    found = [checks[kind](folder, batch_sizes) for kind in folder.kinds]
    return sorted(found, key=lambda one: not one.usable)


def _onnx(folder: ModelFolder, batch_sizes: Sequence[int]) -> KindCheck:
    if len(folder.onnx) > 1:
        names = ", ".join(one.name for one in folder.onnx)
        return KindCheck(
            Kind.ONNX, (missing_finding("network", f"several .onnx files, and only one is allowed: {names}."),)
        )
    (path,) = folder.onnx
    try:
        require_extra()
        from pytest_ddperf.embedded.networks.onnx_files import read_onnx  # noqa: PLC0415 - an optional extra

        net = read_onnx(path)
    except ModelFileError as error:
        return KindCheck(Kind.ONNX, (missing_finding("network", str(error)),))
    except ConfigurationError as error:
        size = path.stat().st_size
        present = Finding(Level.OK if size else Level.MISSING, "network", f"{path.name}, {format_megabytes(size)}")
        unread = Finding(Level.NOTE, "network", f"its contents are not checked: {error}")
        return KindCheck(Kind.ONNX, (present, unread, check_labels(folder, None)))
    given = net.outputs[0][2] if net.outputs else ()
    classes = given[1] if len(given) == 2 else None
    images = net.inputs[0][2] if net.inputs else ()
    weights = Finding(Level.OK, "weights", f"{format_megabytes(net.weight_bytes)} in initialisers and constants")
    if not net.cost.parameters and not net.cost.uncounted:
        weights = Finding(
            Level.NOTE, "weights", "no convolution or fully connected layer, so there is nothing to count."
        )
    sizes = images[2:] if len(images) == 4 else (None, None)
    return KindCheck(
        Kind.ONNX,
        (
            Finding(Level.OK, "network", f"{path.name}, {net.nodes} operators"),
            *_onnx_name(path),
            _onnx_input(net),
            _onnx_output(net, classes),
            weights,
            check_labels(folder, classes),
            *uncounted("operators", net.cost.uncounted),
        ),
        net.cost.reported_operations,
        net.cost.true_multiply_adds,
        net.cost.parameters,
        bool(net.cost.uncounted),
        tuple(_onnx_memory(net, size) for size in batch_sizes),
        "weights as stored, plus the peak size of the results, each freed after its last use. A lower bound: runtimes "
        "use more.",
        sizes[1],
        sizes[0],
        classes,
    )


def _onnx_name(path: Path) -> list[Finding]:
    """Note a file name that older servers reject.

    DeepDetect's TensorRT backend required one name until its pull request 1294.
    """
    if path.name == _TENSORRT_NAME:
        return []
    return [
        Finding(
            Level.NOTE,
            "name",
            f"servers from before mid-2021 accept an .onnx file only if it is named {_TENSORRT_NAME}.",
        )
    ]


def _onnx_input(net: OnnxNet) -> Finding:
    shown_inputs = ", ".join(f"{name}: {kind} {format_size(dims)}" for name, kind, dims in net.inputs) or "none"
    expected = "one input, float N x 3 x height x width"
    if len(net.inputs) != 1 or net.inputs[0][1] != "float" or len(net.inputs[0][2]) != 4:
        return missing_finding(
            "input", f"{shown_inputs}; expected {expected}. Export it with the images as its only input."
        )
    name, _, (batch, channels, height, width) = net.inputs[0]
    if channels not in {None, 1, 3}:
        return missing_finding("input", f"{shown_inputs}; expected {expected}: channels come before height and width.")
    notes = []
    if batch is not None:
        notes.append(f"its batch size is fixed at {batch}: export it with a free batch dimension to measure others")
    if {height, width} != {SIDE} and height is not None and width is not None:
        notes.append(f"create the service with width {width} and height {height}, not {SIDE}")
    text = f"{name}, {format_size(net.inputs[0][2])}"
    return Finding(Level.NOTE, "input", f"{text}: {'; '.join(notes)}.") if notes else Finding(Level.OK, "input", text)


def _onnx_output(net: OnnxNet, classes: int | None) -> Finding:
    if not net.outputs:
        return missing_finding("output", "no output.")
    name, _, dims = net.outputs[0]
    if net.last in {"Softmax", "Sigmoid"}:
        return Finding(Level.OK, "output", f"{name}, {net.last}, {classes or 'an unknown number of'} classes")
    made = f"the output of {net.last}" if net.last else "not the output of an operator"
    text = f"{name} ({format_size(dims)}) is {made}. Classification needs a softmax."
    return Finding(Level.NOTE if len(net.outputs) > 1 else Level.MISSING, "output", text)


def _onnx_memory(net: OnnxNet, batch_size: int) -> BatchMemory:
    if net.live_numbers is None:
        return BatchMemory(batch_size, why_not="The file does not state the sizes of all results.")
    return BatchMemory(batch_size, net.weight_bytes, BYTES * net.live_numbers * batch_size)


def _ncnn(folder: ModelFolder, _batch_sizes: Sequence[int]) -> KindCheck:
    if folder.param is None or folder.bin is None:
        (there,) = filter(None, (folder.param, folder.bin))
        absent = ".bin (the weights)" if folder.param else ".param (the description)"
        text = f"no {absent} for {there.name}: DeepDetect rejects the service (400, dd_code 1006)."
        return KindCheck(Kind.NCNN, (missing_finding("network", text),))
    try:
        net = read_param(model_folder.read_text(folder.param, "NCNN's text format"), folder.param)
    except ModelFileError as error:
        return KindCheck(Kind.NCNN, (missing_finding("network", str(error)),))
    findings = [Finding(Level.OK, "network", f"{folder.param.name}, {len(net.layers)} layers")]
    size = next((one for one in net.inputs.values() if one is not None), None)
    if not net.inputs:
        findings.append(missing_finding("input", "no layer of type Input."))
    elif size is None:
        names = ", ".join(net.inputs)
        findings.append(Finding(Level.NOTE, "input", f"{names}, of any size; the service sets it, by default {SIDE}."))
    else:
        findings.append(
            Finding(Level.OK, "input", f"{next(iter(net.inputs))}, {format_size((size[2], size[1], size[0]))}")
        )
    last = net.outputs[-1] if net.outputs else None
    if last is None:
        findings.append(missing_finding("output", "no layer produces an output."))
    elif last.type not in KNOWN_TYPES:
        findings.append(Finding(Level.NOTE, "output", unknown_output(last.name, last.type)))
    elif last.type in {"Softmax", "Sigmoid", "DetectionOutput", "Yolov3DetectionOutput"}:
        findings.append(Finding(Level.OK, "output", f"{last.name}, {last.type}"))
    else:
        findings.append(missing_finding("output", f"{last.name}, {last.type}. Classification needs a softmax."))
    network = f"this network's {net.parameters:,} weights"
    findings.append(check_weights(folder.bin, net.least_bytes, network, is_complete=not net.uncounted))
    findings.append(check_labels(folder, None))
    findings += uncounted("layers", net.uncounted)
    note = "A .param file contains no sizes, so multiply-adds and memory cannot be computed from it."
    findings.append(Finding(Level.NOTE, "cost", note))
    width, height = (None, None) if size is None else size[:2]
    return KindCheck(
        Kind.NCNN,
        tuple(findings),
        parameters=net.parameters,
        incomplete=bool(net.uncounted),
        width=width,
        height=height,
    )


def _torch(folder: ModelFolder, _batch_sizes: Sequence[int]) -> KindCheck:
    names = ", ".join(f"{one.name} ({format_megabytes(one.stat().st_size)})" for one in folder.torch)
    empty = ", ".join(one.name for one in folder.torch if not one.stat().st_size)
    findings = [missing_finding("network", f"{empty} is empty.") if empty else Finding(Level.OK, "network", names)]
    if len(folder.torch) > 1:
        findings.append(
            Finding(Level.NOTE, "network", "several .pt files: it is undefined which one DeepDetect loads.")
        )
    note = (
        "The input and cost of a traced network are unknown until it runs; the service sets width, height and nclasses."
    )
    findings.append(Finding(Level.NOTE, "input", note))
    findings.append(check_labels(folder, None))
    return KindCheck(Kind.TORCH, tuple(findings))


def check_folder(path: Path, batch_sizes: Sequence[int] = (1,)) -> list[KindCheck]:
    """Check every network in the folder at a path; see `check`.

    Raises:
        ConfigurationError: the path is not a folder or cannot be read.
    """
    return check(model_folder.find_model_files(path), batch_sizes)


def resolve_service_facts(model: Network, mllib: str) -> Network:
    """Return a network with the width, height and number of classes with which its service is created.

    For a user's own network, settings that the user did not configure are read from its files, if they are on this
    machine: from those for the backend `mllib`, if it can read them.

    Raises:
        ConfigurationError: the network's folder cannot be read.
    """
    found = None
    if model.path is not None:
        folder = model_folder.find_model_files(Path(model.path))
        readable = model_folder.READERS.get(folder.backend(model.mllib or mllib), tuple(Kind))
        checks = {each.kind: each for each in check(folder, ())}
        found = next((checks[kind] for kind in readable if kind in checks), None)
    if found is None:
        return model
    return replace(
        model,
        width=model.width or found.width,
        height=model.height or found.height,
        nclasses=model.nclasses or found.classes,
    )
