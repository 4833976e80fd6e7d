"""Folders with a user's own network, in the form that DeepDetect accepts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prototxt_networks import NetWriter

if TYPE_CHECKING:
    from pathlib import Path

NCNN = """7767517
4 4
Input data 0 1 data 0=224 1=224 2=3
Convolution conv 1 1 data conv 0=8 1=3 5=1 6=216
InnerProduct fc 1 1 conv fc 0=5 1=1 2=40
Softmax prob 1 1 fc prob 0=0
"""


def tiny_prototxt(side: int = 224, classes: int = 5) -> str:
    """Return the prototxt of a Caffe network of a few layers."""
    net = NetWriter("tiny", side)
    x = net.relu(net.norm(net.conv("data", "conv", 4, 3, stride=4, bias=False)))
    net.softmax(net.dense(net.global_pool(x, "pool"), "fc", classes))
    return net.text()


def caffe_folder(folder: Path, side: int = 224, classes: int = 5) -> Path:
    """Create a complete Caffe network; its weights are never read."""
    folder.mkdir(parents=True)
    (folder / "deploy.prototxt").write_text(tiny_prototxt(side, classes), encoding="utf-8")
    (folder / "model.caffemodel").write_bytes(bytes(2000))
    (folder / "corresp.txt").write_text("".join(f"{each} class {each}\n" for each in range(classes)), encoding="utf-8")
    return folder


def ncnn_folder(folder: Path) -> Path:
    """Create a complete NCNN network; its weights are never read."""
    folder.mkdir(parents=True)
    (folder / "net.param").write_text(NCNN, encoding="utf-8")
    (folder / "net.bin").write_bytes(bytes(4 * 270))
    return folder


def onnx_folder(
    folder: Path, side: int = 96, classes: int = 5, last: str = "Softmax", *, batch: int | str = "N"
) -> Path:
    """Create a complete ONNX network that runs; a number of images is a fixed batch."""
    import numpy as np  # noqa: PLC0415 - with the extra `embedded` only
    from onnx import TensorProto, helper, numpy_helper, save  # noqa: PLC0415 - the same

    draw = np.random.default_rng(1).standard_normal
    filters = numpy_helper.from_array(draw((8, 3, 3, 3)).astype(np.float32) / 1000, "filters")
    weights = numpy_helper.from_array(draw((classes, 8)).astype(np.float32), "weights")
    nodes = [
        helper.make_node("Conv", ["images", "filters"], ["conv"], strides=[2, 2]),
        helper.make_node("GlobalAveragePool", ["conv"], ["pool"]),
        helper.make_node("Flatten", ["pool"], ["flat"]),
        helper.make_node("Gemm", ["flat", "weights"], ["fc"], transB=1),
        helper.make_node(last, ["fc"], ["prob"]),
    ]
    images = helper.make_tensor_value_info("images", TensorProto.FLOAT, [batch, 3, side, side])
    answer = helper.make_tensor_value_info("prob", TensorProto.FLOAT, [batch, classes])
    graph = helper.make_graph(nodes, "tiny", [images], [answer], [filters, weights])
    folder.mkdir(parents=True)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    save(model, folder / "model.onnx")
    return folder
