"""`ddperf check-model` as a person runs it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from messages import assert_names
from model_folders import NCNN, caffe_folder, ncnn_folder, onnx_folder, tiny_prototxt
from prototxt_networks import prototxt

from pytest_ddperf.cli.main import main
from pytest_ddperf.config.load_catalog import load_catalog
from pytest_ddperf.models.caffe.cost import truncate_count
from pytest_ddperf.models.check import check_folder

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def _eighty_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


class Run:
    """What one call says."""

    def __init__(self, capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> None:
        try:
            self.status: object = main(["check-model", *(str(one) for one in arguments)])
        except SystemExit as ended:  # argparse
            self.status = ended.code
        printed = capsys.readouterr()
        self.lines = printed.out.splitlines()
        self.text = " ".join(printed.out.split())
        self.error = printed.err

    def missing(self) -> list[str]:
        """What the lines that say `missing` are about."""
        return [line.split()[1] for line in self.lines if line.startswith("  missing ")]


def test_a_whole_caffe_folder_can_be_used(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = Run(capsys, caffe_folder(tmp_path / "mine"), "--batch-sizes", "1,8")
    assert (run.status, run.missing(), run.error) == (0, [], "")
    assert run.lines[0] == "mine, Caffe: DeepDetect can use it as it is"
    assert "ok input data, 3x224x224" in run.text
    assert "ok output prob, Softmax, 5 classes" in run.text
    assert "ok labels corresp.txt, 5 classes" in run.text
    assert [line.split()[1] for line in run.lines if line.startswith("  batch ")] == ["1", "8"]


@pytest.mark.parametrize("network", ["resnet152", "shufflenet", "vgg19"])
def test_the_reports_networks_cost_what_the_report_prints(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], network: str
) -> None:
    (tmp_path / "deploy.prototxt").write_text(prototxt(network), encoding="utf-8")
    run = Run(capsys, tmp_path)
    known = load_catalog().networks[network]
    operations = re.search(r"multiply-adds, 10\^9 +(\S+)", run.text)
    parameters = re.search(r"parameters, 10\^6 +(\S+)", run.text)
    assert operations is not None
    assert parameters is not None
    assert operations[1].startswith(known.giga_flops_text)
    assert parameters[1].startswith(known.million_params_text)
    assert run.missing() == ["weights"]


def test_memory_is_weights_and_what_every_layer_gives(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "deploy.prototxt").write_text(prototxt("vgg16"), encoding="utf-8")
    run = Run(capsys, tmp_path, "--batch-sizes", "4,1,4")
    rows = [line.split()[1:] for line in run.lines if line.startswith("  batch ")]
    assert [row[0] for row in rows] == ["1", "4"]
    weights, one, total = (float(cell) for cell in rows[0][1:])
    assert weights == pytest.approx(138_357_544 * 4 / 2**20, abs=0.05)  # with biases
    assert total == pytest.approx(weights + one, abs=0.11)
    assert float(rows[1][2]) == pytest.approx(4 * one, abs=0.3)


@pytest.mark.parametrize(
    ("change", "about", "said"),
    [
        (
            ('type: "MemoryData"', 'type: "DummyData" dummy_data_param { num: 1 channels: 3 height: 224 width: 224 }'),
            ["input"],
            'Replace it with: layer { name: "data" type: "MemoryData" top: "data" top: "label" memory_data_param {',
        ),
        (
            ('type: "Softmax"', 'type: "SoftmaxWithLoss"'),
            ["output"],
            'Replace it with: layer { name: "prob" type: "Softmax" bottom: "fc" top: "prob" }',
        ),
        (
            ('type: "Softmax"', 'type: "ReLU"'),
            ["output"],
            'classification needs a softmax. Add: layer { name: "prob" type: "Softmax" bottom: "prob" top: "prob" }',
        ),
        ((' top: "label"', ""), ["input"], "MemoryData needs two tops, but 'data' has 1."),
        (("channels: 3", "channels: 4"), ["input"], "images have 3 channels, or 1 in black and white"),
        (("num_output: 5", "num_output: five"), ["network"], "num_output: 'five'; expected a whole number."),
        (('bottom: "pool"', 'bottom: "pol"'), ["network"], "the unknown bottom 'pol'; expected the name of an input"),
        (("layer {", "layer ["), ["network"], "line 2: "),
    ],
)
def test_what_is_missing_is_said_with_what_to_put_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], change: tuple[str, str], about: list[str], said: str
) -> None:
    folder = caffe_folder(tmp_path / "mine")
    (folder / "deploy.prototxt").write_text(tiny_prototxt().replace(*change, 1), encoding="utf-8")
    run = Run(capsys, folder)
    assert (run.status, run.missing()) == (1, about)
    assert run.lines[0] == "mine, Caffe: DeepDetect cannot use it yet"
    assert said in run.text


def test_an_input_of_another_size_is_a_note_with_what_the_service_needs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = Run(capsys, caffe_folder(tmp_path / "mine", side=227))
    assert run.status == 0
    assert "note input data, 3x227x227: create the service with width 227 and height 227, not 224." in run.text


def test_without_weights_it_says_what_the_server_would_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = caffe_folder(tmp_path / "mine")
    (folder / "model.caffemodel").unlink()
    run = Run(capsys, folder)
    assert (run.status, run.missing()) == (1, ["weights"])
    assert "rejects every prediction (400, dd_code 1006)" in run.text


def test_weights_too_small_for_the_network_are_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = caffe_folder(tmp_path / "mine")
    (folder / "model.caffemodel").write_bytes(b"version https://git-lfs")
    run = Run(capsys, folder)
    assert (run.status, run.missing()) == (1, ["weights"])
    assert "model.caffemodel, 23 bytes: too small for this network" in run.text


def test_a_prototxt_by_another_name_is_to_be_renamed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = caffe_folder(tmp_path / "mine")
    (folder / "deploy.prototxt").rename(folder / "net.prototxt")
    run = Run(capsys, folder)
    assert (run.status, run.missing()) == (1, ["network"])
    assert "ignored: net.prototxt" in run.text


def test_without_labels_classes_are_numbers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = caffe_folder(tmp_path / "mine")
    (folder / "corresp.txt").unlink()
    run = Run(capsys, folder)
    assert run.status == 0
    assert "note labels no label file: DeepDetect returns class numbers" in run.text


def test_labels_of_another_number_of_classes_are_noted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = caffe_folder(tmp_path / "mine", classes=5)
    (folder / "corresp.txt").write_text("0 a\n1 b\n", encoding="utf-8")
    assert "corresp.txt names 2 of the network's 5 classes" in Run(capsys, folder).text


def test_unknown_layers_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = caffe_folder(tmp_path / "mine")
    (folder / "deploy.prototxt").write_text(tiny_prototxt().replace('"ReLU"', '"Swoosh"'), encoding="utf-8")
    run = Run(capsys, folder)
    assert run.status == 0
    assert "note cost layers not counted: conv/relu (Swoosh): unknown layer type; fc (InnerProduct): " in run.text


def test_figures_of_a_network_with_unknown_layers_are_lower_bounds(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = caffe_folder(tmp_path / "mine")
    (folder / "deploy.prototxt").write_text(tiny_prototxt().replace('"ReLU"', '"Swoosh"'), encoding="utf-8")
    run = Run(capsys, folder, "--batch-sizes=1")
    assert run.text.count(" at least 0.") == 3
    assert "note weights model.caffemodel, 2 kB; size not checked" in run.text
    assert "batch 1 The sizes or weights of conv/relu (Swoosh) are unknown." in run.text
    assert "A lower bound" not in run.text
    assert "ok output prob, Softmax, 5 classes" in run.text


def test_without_num_output_the_classes_after_an_unknown_layer_are_unknown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = caffe_folder(tmp_path / "mine")
    text = tiny_prototxt().replace('"InnerProduct"', '"Swoosh"')
    (folder / "deploy.prototxt").write_text(text, encoding="utf-8")
    run = Run(capsys, folder)
    assert (run.status, run.missing()) == (0, [])
    assert "ok output prob, Softmax, an unknown number of classes" in run.text


def test_weights_too_small_for_the_layers_that_are_counted_are_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = caffe_folder(tmp_path / "mine")
    (folder / "deploy.prototxt").write_text(tiny_prototxt().replace('"ReLU"', '"Swoosh"'), encoding="utf-8")
    (folder / "model.caffemodel").write_bytes(b"version https://git-lfs")
    assert Run(capsys, folder).missing() == ["weights"]


def test_a_last_layer_of_an_unknown_type_is_a_note(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = caffe_folder(tmp_path / "mine")
    (folder / "deploy.prototxt").write_text(tiny_prototxt().replace('"Softmax"', '"RegionOutput"'), encoding="utf-8")
    run = Run(capsys, folder)
    assert (run.status, run.missing()) == (0, [])
    assert "note output prob, RegionOutput: unknown layer type." in run.text


MEMORY_DATA = """
name: "small"
layer { name: "data" type: "MemoryData" top: "data" top: "label"
  memory_data_param { batch_size: 1 channels: 3 height: SIDE width: SIDE } }
"""
TEXT = """
layer { name: "a" type: "Convolution" bottom: "data" top: "a" convolution_param { num_output: 8 kernel_size: 1 } }
layer { name: "t" type: "Permute" bottom: "a" top: "t" permute_param { order: 3 order: 0 order: 1 order: 2 } }
layer { name: "r" type: "Reshape" bottom: "t" top: "r" reshape_param { shape { dim: 0 dim: 0 dim: -1 } } }
layer { name: "cont" type: "ContinuationIndicator" top: "cont" continuation_indicator_param { time_step: 6 } }
layer { name: "l" type: "LSTM" bottom: "r" bottom: "cont" top: "l" recurrent_param { num_output: 16 } }
layer { name: "f" type: "InnerProduct" bottom: "l" top: "f" inner_product_param { num_output: 37 axis: 2 } }
layer { name: "prob" type: "Softmax" bottom: "f" top: "prob" softmax_param { axis: 2 } }
"""
SQUEEZE_AND_EXCITE = """
layer { name: "a" type: "Convolution" bottom: "data" top: "a"
  convolution_param { num_output: 8 kernel_size: 3 pad: 1 stride: 32 } }
layer { name: "g" type: "Pooling" bottom: "a" top: "g" pooling_param { pool: AVE global_pooling: true } }
layer { name: "s" type: "Sigmoid" bottom: "g" top: "s" }
layer { name: "x" type: "Axpy" bottom: "s" bottom: "a" bottom: "a" top: "x" }
layer { name: "p" type: "Pooling" bottom: "x" top: "p" pooling_param { pool: AVE kernel_size: 7 } }
layer { name: "f" type: "InnerProduct" bottom: "p" top: "f" inner_product_param { num_output: 10 } }
layer { name: "prob" type: "Softmax" bottom: "f" top: "prob" }
"""
PYRAMID = """
layer { name: "a" type: "Convolution" bottom: "data" top: "a"
  convolution_param { num_output: 8 kernel_size: 3 pad: 1 } }
layer { name: "p" type: "Pooling" bottom: "a" top: "p" pooling_param { pool: AVE kernel_size: 8 stride: 8 } }
layer { name: "i" type: "Interp" bottom: "p" top: "i" interp_param { height: 48 width: 48 } }
layer { name: "c" type: "Concat" bottom: "a" bottom: "i" top: "c" }
layer { name: "f" type: "Convolution" bottom: "c" top: "f" convolution_param { num_output: 5 kernel_size: 1 } }
layer { name: "prob" type: "Softmax" bottom: "f" top: "prob" }
"""


@pytest.mark.parametrize(
    ("layers", "side", "counted"),
    [
        (SQUEEZE_AND_EXCITE, 224, (8 * 27 * 7 * 7 + 8 * 10, 8 * 27 + 80, 10)),
        (TEXT, 6, (6 * (6 * 24 + 4 * 16 * (48 + 16) + 16 * 37), 24 + 4 * 16 * (48 + 16) + 16 * 37, 37)),
        (PYRAMID, 48, ((8 * 27 + 16 * 5) * 48 * 48, 8 * 27 + 16 * 5, 5)),
    ],
)
def test_layers_of_caffes_forks_have_their_sizes(
    tmp_path: Path, layers: str, side: int, counted: tuple[int, int, int]
) -> None:
    (tmp_path / "deploy.prototxt").write_text(MEMORY_DATA.replace("SIDE", str(side)) + layers, encoding="utf-8")
    (tmp_path / "w.caffemodel").write_bytes(bytes(100_000))
    (found,) = check_folder(tmp_path)
    assert (found.usable, found.incomplete) == (True, False)
    assert (found.operations, found.parameters, found.classes) == counted


def test_text_that_is_not_utf_8_is_accepted_and_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = caffe_folder(tmp_path / "mine", classes=2)
    content = b"# \xcb\xe4\xc8\xeb\xb2\xe3\n" + tiny_prototxt(classes=2).encode().replace(b'"conv', b'"th\xe9\x1b[2J')
    (folder / "deploy.prototxt").write_bytes(content.replace(b'"ReLU"', b'"Swoosh"'))
    (folder / "corresp.txt").write_bytes(b"0 th\xe9\n1 tea\n")
    run = Run(capsys, folder)
    assert (run.status, run.missing()) == (0, [])
    assert "th\\xe9" in run.text
    assert "\x1b" not in "".join(run.lines)
    assert "ok labels corresp.txt, 2 classes" in run.text


def test_an_empty_folder_says_what_deepdetect_takes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = Run(capsys, tmp_path)
    assert run.status == 1
    assert "no network found" in run.text
    assert all(name in run.text for name in ("deploy.prototxt", ".caffemodel", ".onnx", ".param", ".bin", ".pt"))


def test_an_onnx_file_is_reckoned_by_its_graph(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("onnx", reason="the extra `embedded` is not installed")
    run = Run(capsys, onnx_folder(tmp_path / "mine", side=2242), "--batch-sizes=1,2")
    assert (run.status, run.missing()) == (0, [])
    assert "note input images, Nx3x2242x2242: create the service with width 2242 and height 2242" in run.text
    assert "ok output prob, Softmax, 5 classes" in run.text
    assert f"multiply-adds, 10^9 {truncate_count(8 * 27 * 1120**2 + 5 * 8, 9)}" in run.text
    one, two = (line.split() for line in run.lines if line.startswith("  batch "))
    # images, and what the convolution makes of them, at the same time
    assert float(one[3]) == pytest.approx(4 * (3 * 2242**2 + 8 * 1120**2) / 2**20, abs=0.1)
    assert float(two[3]) == pytest.approx(2 * float(one[3]), abs=0.2)


def test_the_name_that_older_servers_want_is_a_note(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("onnx", reason="the extra `embedded` is not installed")
    folder = onnx_folder(tmp_path / "mine", side=224)
    assert "named net_tensorRT.onnx" in Run(capsys, folder).text
    (folder / "model.onnx").rename(folder / "net_tensorRT.onnx")
    assert "note name" not in Run(capsys, folder).text


def test_an_onnx_file_without_a_softmax_lacks_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("onnx", reason="the extra `embedded` is not installed")
    run = Run(capsys, onnx_folder(tmp_path / "mine", last="Relu"))
    assert (run.status, run.missing()) == (1, ["output"])
    assert "is the output of Relu. Classification needs a softmax" in run.text


def test_what_only_passes_the_answer_of_a_softmax_on_is_no_gap(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    onnx = pytest.importorskip("onnx", reason="the extra `embedded` is not installed")
    path = onnx_folder(tmp_path / "mine", side=224) / "model.onnx"
    model = onnx.load(path)
    model.graph.node[-1].output[0] = "soft"
    scales = [onnx.helper.make_tensor("s", 1, [], [0.1]), onnx.helper.make_tensor("z", 2, [], [0])]
    model.graph.initializer.extend(scales)
    model.graph.node.append(onnx.helper.make_node("QuantizeLinear", ["soft", "s", "z"], ["q"]))
    model.graph.node.append(onnx.helper.make_node("DequantizeLinear", ["q", "s", "z"], ["prob"]))
    onnx.save(model, path)
    run = Run(capsys, path.parent)
    assert run.missing() == []
    assert "ok output prob, Softmax, 5 classes" in run.text


def test_onnx_operators_that_are_not_counted_are_a_note(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    onnx = pytest.importorskip("onnx", reason="the extra `embedded` is not installed")
    path = onnx_folder(tmp_path / "mine", side=224) / "model.onnx"
    model = onnx.load(path)
    model.graph.node[1].op_type, model.graph.node[1].domain = "OwnPool", "own"
    model.opset_import.append(onnx.helper.make_opsetid("own", 1))
    onnx.save(model, path)
    run = Run(capsys, path.parent)
    assert (run.status, run.missing()) == (0, [])
    assert "note cost operators not counted: OwnPool: unknown operator; Gemm: unknown sizes." in run.text
    assert run.text.count(" at least 0.") == 3


def test_a_broken_onnx_file_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("onnx", reason="the extra `embedded` is not installed")
    (tmp_path / "net.onnx").write_bytes(b"no model")
    run = Run(capsys, tmp_path)
    assert (run.status, run.missing()) == (1, ["network"])
    assert "it cannot be read" in run.text


def test_without_the_extra_an_onnx_file_is_there_and_not_looked_at(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from pytest_ddperf.embedded import launch  # noqa: PLC0415 - imports nothing of the extra

    monkeypatch.setitem(launch._NEEDED, "no_such_module_at_all", "onnx-of-another-name")
    (tmp_path / "net.onnx").write_bytes(b"anything")
    run = Run(capsys, tmp_path)
    assert (run.status, run.missing()) == (0, [])
    assert "not checked" in run.text
    assert "pip install 'pytest-ddperf[embedded]'" in run.text


def test_an_ncnn_network_says_its_parameters_and_that_it_cannot_say_more(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = Run(capsys, ncnn_folder(tmp_path / "mine"))
    assert run.status == 0
    assert "parameters, 10^6 0.0002" in run.text
    assert "multiply-adds and memory cannot be computed" in run.text
    assert "ok input data, 3x224x224" in run.text


TRANSFORMER = """7767517
5 7
Input in 0 1 data 0=32 1=32 2=3
MultiHeadAttention att 1 1 data a 0=768 1=12 2=589824
LayerNorm ln 1 1 a b 0=768 1=0.00001 2=1
Gemm fc 1 1 b c 4=0 5=1 6=1 7=1 8=1000 9=768
Softmax prob 1 1 c d 0=0
"""


@pytest.mark.parametrize(("size", "about"), [(100, ["weights"]), (4 * 768 * 768 + 768 + 768_000, [])])
def test_every_layer_with_weights_of_an_ncnn_network_is_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], size: int, about: list[str]
) -> None:
    (tmp_path / "net.param").write_text(TRANSFORMER, encoding="utf-8")
    (tmp_path / "net.bin").write_bytes(bytes(size))
    run = Run(capsys, tmp_path)
    assert run.missing() == about
    assert f"parameters, 10^6 {truncate_count(4 * 768 * 768 + 768 + 768_000, 6)}" in run.text


@pytest.mark.parametrize(("size", "level"), [(4000, "note"), (100, "missing")])
def test_unknown_layers_of_an_ncnn_network_leave_the_weights_unchecked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], size: int, level: str
) -> None:
    folder = ncnn_folder(tmp_path / "mine")
    (folder / "net.param").write_text(NCNN.replace("InnerProduct", "MyDense"), encoding="utf-8")
    (folder / "net.bin").write_bytes(bytes(size))
    run = Run(capsys, folder)
    assert f"{level} weights net.bin" in run.text
    assert "layers not counted: fc (MyDense): unknown layer type" in run.text
    assert "parameters, 10^6 at least 0.0002" in run.text


def test_a_last_layer_of_an_unknown_ncnn_type_is_a_note(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = ncnn_folder(tmp_path / "mine")
    (folder / "net.param").write_text(NCNN.replace("Softmax", "MyOutput"), encoding="utf-8")
    run = Run(capsys, folder)
    assert (run.status, run.missing()) == (0, [])
    assert "note output prob, MyOutput" in run.text


@pytest.mark.parametrize(
    ("gone", "said"), [("net.bin", "no .bin (the weights) for net.param"), ("net.param", "no .param")]
)
def test_half_an_ncnn_network_is_refused_as_the_server_would(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], gone: str, said: str
) -> None:
    folder = ncnn_folder(tmp_path / "mine")
    (folder / gone).unlink()
    run = Run(capsys, folder)
    assert (run.status, run.missing()) == (1, ["network"])
    assert said in run.text


def test_of_a_torch_network_the_files_alone_are_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "net.pt").write_bytes(bytes(3_000_000))
    run = Run(capsys, tmp_path)
    assert run.status == 0
    assert "ok network net.pt (3 MB)" in run.text
    assert not any("multiply-adds" in line for line in run.lines)


def test_one_whole_network_in_the_folder_is_enough(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = ncnn_folder(tmp_path / "mine")
    (folder / "model.caffemodel").write_bytes(b"x")
    run = Run(capsys, folder)
    assert run.status == 0
    assert [line for line in run.lines if line.startswith("mine, ")] == [
        "mine, NCNN: DeepDetect can use it as it is",
        "mine, Caffe: DeepDetect cannot use it yet",
    ]


@pytest.mark.parametrize("kind", ["caffe", "ncnn", "broken", "empty"])
def test_it_is_readable_at_80_columns(tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str) -> None:
    folder = tmp_path / ("a_rather_long_name_of_a_folder_" * 2) if kind == "empty" else tmp_path / "mine"
    if kind in {"caffe", "broken"}:
        caffe_folder(folder)
    elif kind == "ncnn":
        ncnn_folder(folder)
    else:
        folder.mkdir()
    if kind == "broken":
        (folder / "deploy.prototxt").write_text("layer {\n  name: 'x'\n  type: 3..\n}\n", encoding="utf-8")
    run = Run(capsys, folder)
    assert run.lines
    assert [line for line in run.lines if len(line) > 80] == []


@pytest.mark.parametrize(
    ("arguments", "facts"),
    [
        (("nowhere",), ("nowhere", "No such file")),
        ((".", "--batch-sizes=0"), ("--batch-sizes", "'0'")),
        ((".", "--batch-sizes=1,two"), ("--batch-sizes", "'1,two'")),
        ((".", "--batch-sizes=10001"), ("--batch-sizes", "'10001'", "from 1 to 10000")),
        ((".", "--batch-sizes="), ("--batch-sizes", "''")),
    ],
)
def test_a_mistake_in_the_call_is_one_paragraph_and_status_2(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], facts: tuple[str, ...]
) -> None:
    run = Run(capsys, *arguments)
    assert run.status == 2
    assert_names(run.error, *facts)
    assert run.error.count("\n") == 1
    assert not run.lines
