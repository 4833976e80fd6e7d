from __future__ import annotations

import contextlib

import pytest
from every_row import every_row
from hypothesis import given
from hypothesis import strategies as st
from model_folders import NCNN

from pytest_ddperf.errors import ModelFileError
from pytest_ddperf.models.ncnn import read_param


def test_layers_with_what_they_take_and_give() -> None:
    net = read_param(NCNN)
    assert [(one.type, one.name, one.bottoms, one.tops) for one in net.layers[:2]] == [
        ("Input", "data", (), ("data",)),
        ("Convolution", "conv", ("data",), ("conv",)),
    ]
    assert [one.name for one in net.outputs] == ["prob"]


def test_parameters_are_counted_without_biases() -> None:
    assert read_param(NCNN).parameters == 216 + 40


@every_row(
    "text",
    [
        NCNN + "Noop out 1 1 prob output\n",
        NCNN + "what comes after the last layer is not read",
        NCNN.replace("\n", "\r\n"),
        NCNN.replace("\n", "  \t\n\n"),
        NCNN.replace("\n", " "),
        NCNN.replace(" 0=", "\n0="),
        NCNN.replace("5=1", "5= 1 -23330=4,3,8,222,222"),
        NCNN.replace("4 4\n", "4 40\n"),
        "\n" + NCNN,
    ],
)
def test_a_file_is_read_as_ncnn_reads_it(text: str) -> None:
    read, plain = read_param(text), read_param(NCNN)
    assert [(one.type, one.name, one.tops) for one in read.layers] == [
        (one.type, one.name, one.tops) for one in plain.layers
    ]
    assert (read.parameters, read.inputs) == (plain.parameters, plain.inputs)


def test_only_ascii_blanks_end_a_word() -> None:
    text = "7767517\n1 1\nInput th\u00e9\u00a0au\u3000lait 0 1 b\u2028c\n"
    (layer,) = read_param(text).layers
    assert (layer.name, layer.tops) == ("th\u00e9\u00a0au\u3000lait", ("b\u2028c",))


@pytest.mark.parametrize(
    ("layer", "weights"),
    [
        ("ConvolutionDepthWise x 1 1 d x 0=8 1=3 6=72 7=8", 72),
        ("Convolution x 2 1 d e x 0=8 1=3 6=72 19=1", 0),
        ("Convolution1D x 1 1 d x 0=8 1=3 6=72", 72),
        ("Convolution3D x 1 1 d x 0=8 1=3 6=72", 72),
        ("Deconvolution x 1 1 d x 0=8 1=3 6=72", 72),
        ("DeconvolutionDepthWise x 1 1 d x 0=8 1=3 6=72 7=8", 72),
        ("DeformableConv2D x 2 1 d e x 0=8 1=3 6=72", 72),
        ("InnerProduct x 1 1 d x 0=5 1=1 2=40", 40),
        ("Embed x 1 1 d x 0=5 1=7 3=35", 35),
        ("LSTM x 1 1 d x 0=5 1=140 2=0", 140 + 4 * 25),
        ("LSTM x 1 1 d x 0=5 1=280 2=2", 280 + 2 * 4 * 25),
        ("LSTM x 1 1 d x 0=5 1=280 2=0 3=10", 280 + 4 * 10 * 5 + 10 * 5),
        ("GRU x 1 1 d x 0=5 1=105 2=1", 105 + 3 * 25),
        ("RNN x 1 1 d x 0=5 1=70 2=2", 70 + 2 * 25),
        ("MultiHeadAttention x 1 1 d x 0=8 1=2 2=64", 4 * 64),
        ("MultiHeadAttention x 2 1 d e x 0=8 1=2 2=64 3=4 4=6", 2 * 64 + 8 * (4 + 6)),
        ("LayerNorm x 1 1 d x 0=8 1=0.001 2=1", 8),
        ("LayerNorm x 1 1 d x 0=8 2=0", 0),
        ("RMSNorm x 1 1 d x 0=8", 8),
        ("GroupNorm x 1 1 d x 0=2 1=8", 8),
        ("GroupNorm x 1 1 d x 0=2 1=8 3=0", 0),
        ("InstanceNorm x 1 1 d x 0=8", 8),
        ("PReLU x 1 1 d x 0=8", 8),
        ("Normalize x 1 1 d x 1=0 3=8", 8),
        ("Scale x 1 1 d x 0=8 1=1", 8),
        ("Bias x 1 1 d x 0=8", 0),
        ("MemoryData x 0 1 x 0=7 1=5", 35),
        ("Gemm x 1 1 d x 5=1 8=10 9=8", 80),
        ("Gemm x 1 1 d x 4=1 7=3 9=8", 24),
        ("Gemm x 2 1 d e x", 0),
        ("MatMul x 2 1 d e x", 0),
        ("Softmax x 1 1 d x 0=0", 0),
    ],
)
def test_layers_with_weights_are_counted_by_their_settings(layer: str, weights: int) -> None:
    found = read_param(f"7767517\n2 3\nInput d 0 2 d e\n{layer}\n")
    assert (found.parameters, found.uncounted) == (weights, ())


def test_weights_take_a_byte_each_at_least_or_half_of_one_in_blocks() -> None:
    head = "7767517\n2 2\nInput d 0 1 d\nGemm x 1 1 d x 5=1 8=10 9=8"
    assert read_param(head).least_bytes == 80
    assert read_param(head + " 18=1").least_bytes == 80
    assert read_param(head + " 18=400").least_bytes == 40


def test_a_setting_that_is_a_number_with_decimals_elsewhere_is_no_mistake() -> None:
    assert read_param(NCNN.replace("5=1", "5=1 18=0.000000e+00")).least_bytes == 216 + 40


@pytest.mark.parametrize(
    ("layer", "reason"),
    [
        ("MyLayer x 1 1 d x 0=8", "unknown layer type"),
        ("Convolution x 1 1 d x 0=8 1=3", "unknown number of weights"),
        ("Gemm x 1 1 d x 5=1", "unknown number of weights"),
        ("MultiHeadAttention x 1 1 d x 0=8", "unknown number of weights"),
        ("InnerProduct x 1 1 d x 2=-40", "unknown number of weights"),
    ],
)
def test_layers_whose_weights_are_not_known_are_named(layer: str, reason: str) -> None:
    found = read_param(f"7767517\n2 2\nInput d 0 1 d\n{layer}\n")
    assert found.uncounted == (("x", layer.partition(" ")[0], reason),)
    assert found.parameters == 0


def test_batch_normalisation_and_scale_count_one_a_channel_each() -> None:
    text = "7767517\n3 3\nInput d 0 1 d\nBatchNorm b 1 1 d b 0=8\nScale s 1 1 b s 0=8 1=1\n"
    assert read_param(text).parameters == 16


def test_a_scale_whose_factors_are_given_has_none_of_its_own() -> None:
    assert read_param("7767517\n2 3\nInput d 0 2 d e\nScale s 2 1 d e s 0=-233\n").parameters == 0


@pytest.mark.parametrize(
    ("settings", "size"), [("0=320 1=240 2=3", (320, 240, 3)), ("", None), ("0=224", None), ("0=-1 1=-1 2=3", None)]
)
def test_the_input_tells_its_size_or_leaves_it_open(settings: str, size: tuple[int, int, int] | None) -> None:
    assert read_param(f"7767517\n1 1\nInput data 0 1 data {settings}\n").inputs == {"data": size}


def test_arrays_among_the_settings_are_no_mistake() -> None:
    assert read_param("7767517\n1 1\nReshape r 0 1 r -23303=2,2,3\n").layers[0].settings == {-23303: "2,2,3"}


@pytest.mark.parametrize(
    ("text", "line", "found"),
    [
        ("", 1, "an empty file"),
        ("\nhello\n", 2, "'hello'"),
        ("7767517\n", 1, "no counts"),
        ("7767517\n0 0\n", 2, "no counts"),
        ("7767517\n2 2\nInput d 0 1 d\n", 3, "1 layers; expected 2 layers"),
        ("7767517\n1 1\nInput d 0\n", 3, "'Input d 0'"),
        ("7767517\n1 1\nInput d 0 3 d\n", 3, "0 input and 3 output blobs of 'd'"),
        ("7767517\n2 1\nInput d 0 1 d 0:3\nInput e 0 1 e", 3, "'0:3 Input e 0'"),
        ("7767517\n1 1\nConvolution c 0 1 c 6=many\n", 3, "6=many of 'c'"),
    ],
)
def test_a_broken_file_is_named_with_its_line(text: str, line: int, found: str) -> None:
    with pytest.raises(ModelFileError) as caught:
        read_param(text, "net.param")
    assert caught.value.line == line
    assert str(caught.value).startswith(f"net.param, line {line}: {found}")


@given(st.lists(st.text(alphabet="7165 \nConvolutonIpd=-,.", max_size=30), max_size=4))
def test_garbage_is_a_network_or_the_projects_own_error(parts: list[str]) -> None:
    with contextlib.suppress(ModelFileError):
        assert read_param("7767517\n" + "\n".join(parts)).parameters >= 0
