from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest
from every_row import every_row
from hypothesis import given
from hypothesis import strategies as st
from messages import assert_names

from pytest_ddperf.core.network_cost import compute_pooled_size
from pytest_ddperf.errors import ModelFileError
from pytest_ddperf.models.caffe.inputs import SOURCES
from pytest_ddperf.models.caffe.net import read_net
from pytest_ddperf.models.caffe.shapes import _RULES, _WITH_WEIGHTS, compute_layer_sizes

if TYPE_CHECKING:
    from pytest_ddperf.models.caffe.layer import LayerSizes, Shape

IMAGE: Shape = (2, 12, 8, 6)


def step_of(kind: str, settings: str = "", *bottoms: Shape | None, tops: int = 1) -> LayerSizes:
    names = " ".join(f'top: "t{number}"' for number in range(tops))
    (layer,) = read_net(f'layer {{ name: "one" type: "{kind}" {names} {settings} }}').layers
    return compute_layer_sizes(layer, bottoms or (IMAGE,))


@pytest.mark.parametrize(
    ("settings", "top", "blobs"),
    [
        ("num_output: 5 kernel_size: 3", (2, 5, 6, 4), (5 * 12 * 9, 5)),
        ("num_output: 5 kernel_size: 3 pad: 1 stride: 2", (2, 5, 4, 3), (5 * 12 * 9, 5)),
        ("num_output: 6 kernel_size: 3 group: 3 bias_term: false", (2, 6, 6, 4), (6 * 4 * 9,)),
        ("num_output: 5 kernel_size: 3 dilation: 2", (2, 5, 4, 2), (5 * 12 * 9, 5)),
        ("num_output: 5 kernel_h: 3 kernel_w: 1 pad_h: 1 stride_w: 2", (2, 5, 8, 3), (5 * 12 * 3, 5)),
        ("num_output: 5 kernel_size: 3 kernel_size: 1", (2, 5, 6, 6), (5 * 12 * 3, 5)),
    ],
)
def test_convolution(settings: str, top: Shape, blobs: Shape) -> None:
    found = step_of("Convolution", f"convolution_param {{ {settings} }}")
    assert (found.tops, found.blobs) == ((top,), blobs)
    assert found.multiply_adds == blobs[0] * top[0] * top[2] * top[3]
    assert not found.depthwise


@pytest.mark.parametrize("kind", ["ConvolutionDepthwise", "DepthwiseConvolution"])
def test_depthwise_convolution(kind: str) -> None:
    found = step_of(kind, "convolution_param { num_output: 12 kernel_size: 3 pad: 1 bias_term: false }")
    assert (found.tops, found.blobs, found.depthwise) == ((IMAGE,), (12 * 9,), True)
    assert found.multiply_adds == 12 * 9 * 2 * 8 * 6


def test_deconvolution_applies_its_weights_at_the_positions_of_what_it_takes() -> None:
    found = step_of("Deconvolution", "convolution_param { num_output: 5 kernel_size: 4 stride: 2 pad: 1 }")
    assert (found.tops, found.blobs) == (((2, 5, 16, 12),), (12 * 5 * 16, 5))
    assert found.multiply_adds == 12 * 5 * 16 * 2 * 8 * 6


def test_fully_connected() -> None:
    found = step_of("InnerProduct", "inner_product_param { num_output: 10 }")
    assert (found.tops, found.blobs) == (((2, 10),), (12 * 8 * 6 * 10, 10))
    assert found.multiply_adds == 2 * 12 * 8 * 6 * 10


@pytest.mark.parametrize(
    ("settings", "height", "width"),
    [
        ("kernel_size: 3 stride: 2", 4, 3),  # rounded up: (8 - 3) / 2 = 2.5
        ("kernel_size: 2 stride: 2 pad: 1", 5, 4),
        ("kernel_size: 2 stride: 3 pad: 1", 3, 3),
        ("kernel_size: 3 stride: 2 round_mode: FLOOR", 3, 2),
        ("kernel_size: 3 stride: 2 ceil_mode: false", 3, 2),
        ("global_pooling: true", 1, 1),
    ],
)
def test_pooling(settings: str, height: int, width: int) -> None:
    assert step_of("Pooling", f"pooling_param {{ {settings} }}").tops == ((2, 12, height, width),)


@given(st.integers(1, 60), st.integers(1, 9), st.integers(1, 5), st.integers(0, 4))
def test_pooling_leaves_no_pixel_out_and_starts_no_window_behind_the_image(
    size: int, kernel: int, stride: int, pad: int
) -> None:
    if pad >= kernel or kernel > size + 2 * pad or stride > kernel:
        return
    last = (compute_pooled_size(size, kernel, stride, pad) - 1) * stride - pad
    assert last < size
    assert last + kernel >= size or last + stride >= size


@pytest.mark.parametrize(
    ("kind", "settings", "blobs"),
    [
        ("BatchNorm", "", (12, 12, 1)),
        ("Scale", "", (12,)),
        ("Scale", "scale_param { bias_term: true }", (12, 12)),
        ("Scale", "scale_param { axis: 2 num_axes: -1 }", (48,)),
        ("PReLU", "", (12,)),
        ("PReLU", "prelu_param { channel_shared: true }", (1,)),
        ("Normalize", "norm_param { channel_shared: false }", (12,)),
        ("ReLU", "", ()),
        ("LRN", "", ()),
        ("Dropout", "", ()),
        ("Softmax", "", ()),
        ("ShuffleChannel", "shuffle_channel_param { group: 3 }", ()),
    ],
)
def test_layers_that_keep_the_size(kind: str, settings: str, blobs: Shape) -> None:
    found = step_of(kind, settings)
    assert (found.tops, found.blobs, found.multiply_adds) == ((IMAGE,), blobs, 0)


@pytest.mark.parametrize(
    ("kind", "settings", "top"),
    [
        ("Flatten", "", (2, 576)),
        ("Flatten", "flatten_param { axis: 1 end_axis: 2 }", (2, 96, 6)),
        ("Permute", "permute_param { order: 0 order: 2 order: 3 order: 1 }", (2, 8, 6, 12)),
        ("Reshape", "reshape_param { shape { dim: 0 dim: -1 dim: 3 } }", (2, 192, 3)),
        ("Reshape", "reshape_param { shape { dim: 4 dim: 3 } axis: 1 num_axes: 1 }", (2, 4, 3, 8, 6)),
        ("Tile", "tile_param { axis: 1 tiles: 3 }", (2, 36, 8, 6)),
        ("Reduction", "reduction_param { axis: 1 }", (2,)),
        ("ArgMax", "argmax_param { top_k: 3 }", (2, 1, 3, 1)),
        ("ArgMax", "argmax_param { axis: 1 }", (2, 1, 8, 6)),
        ("PriorBox", "prior_box_param { min_size: 3 max_size: 9 aspect_ratio: 2 }", (1, 2, 8 * 6 * 4 * 4)),
        ("Accuracy", "", ()),
        ("Interp", "interp_param { height: 33 width: 65 }", (2, 12, 33, 65)),
        ("Interp", "interp_param { zoom_factor: 8 }", (2, 12, 57, 41)),
        ("Interp", "interp_param { shrink_factor: 2 }", (2, 12, 4, 3)),
        ("Interp", "interp_param { zoom_factor: 2 pad_beg: -1 pad_end: -1 }", (2, 12, 11, 7)),
        ("Upsample", "upsample_param { scale: 2 }", (2, 12, 16, 12)),
        ("Upsample", "upsample_param { scale: 2 pad_out_h: true }", (2, 12, 15, 12)),
        ("Upsample", "upsample_param { upsample_h: 15 upsample_w: 11 }", (2, 12, 15, 11)),
        ("ContinuationIndicator", "continuation_indicator_param { time_step: 9 batch_size: 2 }", (9, 2)),
        ("SPP", "spp_param { pyramid_height: 3 }", (2, 12 * (1 + 4 + 16))),
        ("SPP", "spp_param { pyramid_height: 1 }", (2, 12, 1, 1)),
        ("Im2col", "convolution_param { kernel_size: 3 pad: 1 stride: 2 }", (2, 12 * 9, 4, 3)),
        ("Parameter", "parameter_param { shape { dim: 3 dim: 5 } }", (3, 5)),
        ("Embed", "embed_param { num_output: 5 input_dim: 7 }", (*IMAGE, 5)),
    ],
)
def test_layers_that_change_the_size(kind: str, settings: str, top: Shape) -> None:
    assert step_of(kind, settings).tops == (top,)


def test_concat_adds_up_one_axis() -> None:
    assert step_of("Concat", "", IMAGE, (2, 5, 8, 6)).tops == ((2, 17, 8, 6),)
    assert step_of("Concat", "concat_param { axis: -1 }", IMAGE, (2, 12, 8, 1)).tops == ((2, 12, 8, 7),)


def test_eltwise_takes_bottoms_of_one_size() -> None:
    assert step_of("Eltwise", "", IMAGE, IMAGE).tops == (IMAGE,)


def test_slice_cuts_at_its_points_or_into_equal_parts() -> None:
    assert step_of("Slice", "slice_param { slice_point: 5 }", tops=2).tops == ((2, 5, 8, 6), (2, 7, 8, 6))
    assert step_of("Slice", "", tops=3).tops == ((2, 4, 8, 6),) * 3


def test_crop_takes_the_size_of_its_second_bottom() -> None:
    assert step_of("Crop", "", IMAGE, (2, 3, 4, 5)).tops == ((2, 12, 4, 5),)


def test_lstm_has_weights_for_what_comes_in_and_for_what_it_gave_last() -> None:
    found = step_of("LSTM", "recurrent_param { num_output: 7 }", (5, 2, 3))
    assert (found.tops, found.blobs) == (((5, 2, 7),), (4 * 7 * 3, 4 * 7, 4 * 7 * 7))
    assert found.multiply_adds == (4 * 7 * 3 + 4 * 7 * 7) * 5 * 2


@pytest.mark.parametrize(
    ("kind", "settings", "tops"),
    [
        ("Input", "input_param { shape { dim: 2 dim: 12 dim: 8 dim: 6 } }", (IMAGE,)),
        ("MemoryData", "memory_data_param { batch_size: 2 channels: 12 height: 8 width: 6 }", (IMAGE, (2,))),
        ("DummyData", "dummy_data_param { num: 2 channels: 12 height: 8 width: 6 }", (IMAGE,)),
        ("Data", "transform_param { crop_size: 227 }", ((1, 3, 227, 227), (1,))),
    ],
)
def test_sources(kind: str, settings: str, tops: tuple[Shape, ...]) -> None:
    assert step_of(kind, settings, tops=len(tops)).tops == tops


def test_axpy_keeps_the_size_of_what_its_factors_multiply() -> None:
    assert step_of("Axpy", "", (2, 12, 1, 1), IMAGE, IMAGE).tops == (IMAGE,)


def test_regions_are_pooled_into_the_same_bins() -> None:
    settings = "roi_pooling_param { pooled_h: 6 pooled_w: 7 spatial_scale: 0.0625 }"
    assert step_of("ROIPooling", settings, IMAGE, (300, 5)).tops == ((300, 12, 6, 7),)


def test_rows_are_taken_by_their_indices() -> None:
    assert step_of("BatchReindex", "", IMAGE, (5,)).tops == ((5, 12, 8, 6),)


@pytest.mark.parametrize(
    ("kind", "settings", "bottom", "blobs", "weights"),
    [
        ("Embed", "embed_param { num_output: 5 input_dim: 7 }", (4,), (35, 5), 35),
        ("Bias", "", IMAGE, (12,), 0),
        ("Bias", "bias_param { axis: 1 num_axes: -1 }", IMAGE, (12 * 8 * 6,), 0),
        ("Parameter", "parameter_param { shape { dim: 3 dim: 5 } }", IMAGE, (15,), 15),
        ("LSTM", "recurrent_param { num_output: 5 }", (9, 2, 7), (4 * 5 * 7, 20, 4 * 25), 4 * 5 * 7 + 4 * 25),
        ("RNN", "recurrent_param { num_output: 5 }", (9, 2, 7), (5 * 7, 5, 25, 25, 5), 5 * 7 + 2 * 25),
    ],
)
def test_only_weights_count_and_no_biases(kind: str, settings: str, bottom: Shape, blobs: Shape, weights: int) -> None:
    found = step_of(kind, settings, bottom)
    assert found.blobs == blobs
    assert sum(found.blobs[at] for at in found.counted if found.blobs) == weights


@pytest.mark.parametrize(
    ("bottom", "settings", "top", "positions"),
    [
        ((2, 12, 7, 8, 6), "kernel_size: 3", (2, 5, 5, 6, 4), 5 * 6 * 4),
        ((2, 12, 7, 8, 6), "kernel_size: 3 kernel_size: 1 kernel_size: 1", (2, 5, 5, 8, 6), 5 * 8 * 6),
        ((2, 12, 9), "kernel_size: 3 stride: 2", (2, 5, 4), 4),
    ],
)
def test_convolutions_of_any_number_of_axes(bottom: Shape, settings: str, top: Shape, positions: int) -> None:
    found = step_of("Convolution", f"convolution_param {{ num_output: 5 {settings} }}", bottom)
    assert found.tops == (top,)
    assert found.multiply_adds == 2 * positions * found.blobs[0]


@every_row("kind", ["Swoosh", "BN", "Python", "Yolov3DetectionOutput", "conv"])
def test_the_sizes_of_a_layer_of_an_unknown_type_are_unknown(kind: str) -> None:
    found = step_of(kind, "swoosh_param { k: 3 }", tops=2)
    assert (found.tops, found.uncounted) == ((None, None), "unknown layer type")


@every_row(
    "kind, settings",
    [
        ("ContinuationIndicator", "continuation_indicator_param { time_step: 4 }"),
        ("Filter", ""),
        ("PriorBox", "prior_box_param { fixed_size: 32 density: 4 }"),
        ("Interp", ""),
        ("Upsample", ""),
        ("Input", ""),
        ("ImageData", ""),
        ("HDF5Data", "hdf5_data_param { batch_size: 3 }"),
    ],
)
def test_a_size_that_the_prototxt_does_not_determine_is_unknown(kind: str, settings: str) -> None:
    found = step_of(kind, settings)
    assert (found.tops, found.uncounted) == ((None,), "")


@every_row("kind", sorted(_RULES.keys() - SOURCES.keys() - {"Parameter"}))
def test_no_layer_with_an_unknown_bottom_is_refused(kind: str) -> None:
    bottoms = {"Axpy": 3, "BatchReindex": 2, "Crop": 2, "ROIPooling": 2}.get(kind, 1)
    found = step_of(kind, "", *[None] * bottoms, tops=0 if kind in {"Silence", "HDF5Output"} else 1)
    assert all(top is None or kind not in _WITH_WEIGHTS for top in found.tops)
    assert (found.uncounted == "unknown input size") is (kind in _WITH_WEIGHTS)


def test_every_type_with_weights_is_known_to_have_them() -> None:
    settings = " ".join(
        f"{name}_param {{ num_output: 12 kernel_size: 1 input_dim: 2 }}"
        for name in ("convolution", "inner_product", "embed", "recurrent")
    )
    fitting = {}
    for kind in _RULES.keys() - SOURCES.keys() - {"Parameter"}:
        with contextlib.suppress(ModelFileError):
            fitting[kind] = step_of(kind, settings).blobs
    assert {kind for kind, blobs in fitting.items() if blobs} == _WITH_WEIGHTS


def test_a_layer_that_needs_only_a_known_bottom_is_counted() -> None:
    found = step_of("LSTM", "recurrent_param { num_output: 5 }", (9, 2, 7), None)
    assert (found.tops, found.uncounted) == (((9, 2, 5),), "")


@pytest.mark.parametrize(
    ("kind", "settings", "found"),
    [
        ("Convolution", "convolution_param { num_output: 4 }", "kernel_size 0x0"),
        ("Convolution", "convolution_param { num_output: 4 kernel_size: 9 pad: 0 }", "2x4x0x-2"),
        ("Convolution", "convolution_param { kernel_size: 3 }", "2x0x6x4"),
        ("Convolution", "convolution_param { num_output: 5 kernel_size: 1 group: 5 }", "group 5 of 12 channels"),
        ("Convolution", "convolution_param { num_output: 4 kernel_size: 1 stride: 0 }", "stride 0x0"),
        ("Pooling", "", "kernel_size 0x0"),
        ("Concat", "concat_param { axis: 4 }", "axis 4"),
        ("Reshape", "reshape_param { shape { dim: 7 } }", "2x12x8x6 to [7]"),
        ("Permute", "permute_param { order: 1 order: 1 }", "order"),
        ("Slice", "slice_param { slice_point: 5 }", "12 on axis 1"),
        ("Input", "input_param { shape { } }", "1 sizes for 1 tops"),
        ("MemoryData", "memory_data_param { batch_size: 1 channels: 3 }", "1x3x0x0"),
        ("Axpy", "", "1 bottoms"),
        ("ROIPooling", "", "1 bottoms"),
        ("SPP", "", "pyramid_height 0"),
        ("Interp", "interp_param { zoom_factor: 0 }", "shrink_factor 1 and zoom_factor 0"),
        ("Embed", "", "2x12x8x6x0"),
        ("Crop", "", "1 bottoms"),
    ],
)
def test_what_cannot_be_is_named_with_layer_and_line(kind: str, settings: str, found: str) -> None:
    with pytest.raises(ModelFileError) as caught:
        step_of(kind, settings)
    assert_names(caught, "line 1", f"layer 'one' ({kind})", found)


def test_a_layer_with_nothing_to_work_on_is_refused() -> None:
    (layer,) = read_net('layer { name: "r" type: "ReLU" top: "r" }').layers
    with pytest.raises(ModelFileError) as caught:
        compute_layer_sizes(layer, ())
    assert_names(caught, "line 1", "layer 'r' (ReLU)", "no bottom")


KEYS = [
    "num_output",
    "kernel_size",
    "stride",
    "pad",
    "group",
    "dilation",
    "axis",
    "end_axis",
    "num_axes",
    "dim",
    "order",
    "slice_point",
    "top_k",
    "tiles",
    "min_size",
    "aspect_ratio",
    "concat_dim",
    "slice_dim",
    "height",
    "width",
    "pad_beg",
    "zoom_factor",
    "shrink_factor",
    "scale",
    "pyramid_height",
    "pooled_h",
    "pooled_w",
    "input_dim",
]
SETTINGS = st.lists(st.tuples(st.sampled_from(KEYS), st.integers(-3, 9)), max_size=5)


@given(
    st.sampled_from(sorted(_RULES)),
    SETTINGS,
    st.lists(st.lists(st.integers(1, 9), max_size=5).map(tuple), max_size=3),
    st.integers(0, 3),
)
def test_any_layer_on_any_sizes_is_a_step_or_the_projects_own_error(
    kind: str, settings: list[tuple[str, int]], bottoms: list[Shape], tops: int
) -> None:
    inner = " ".join(f"{key}: {value}" for key, value in settings)
    blocks = " ".join(
        f"{name}_param {{ {inner} shape {{ {inner} }} }}"
        for name in [
            "convolution",
            "inner_product",
            "pooling",
            "scale",
            "concat",
            "slice",
            "flatten",
            "permute",
            "reshape",
            "crop",
            "tile",
            "argmax",
            "reduction",
            "recurrent",
            "prior_box",
            "interp",
            "upsample",
            "embed",
            "parameter",
            "bias",
            "spp",
            "roi_pooling",
            "input",
            "dummy_data",
        ]
    )
    names = " ".join(f'top: "t{number}"' for number in range(tops))
    (layer,) = read_net(f'layer {{ name: "one" type: "{kind}" {names} {blocks} }}').layers
    with contextlib.suppress(ModelFileError):
        made = compute_layer_sizes(layer, tuple(bottoms))
        assert all(size > 0 for top in made.tops if top is not None for size in top)
        assert all(size > 0 for size in made.blobs)
