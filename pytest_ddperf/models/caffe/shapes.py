"""Output sizes and weights of each Caffe layer type, computed from its input sizes. Pure.

Sizes follow Caffe: convolutions round down, pooling rounds up, and a last window that would start in the padding is
dropped.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from pytest_ddperf.models.caffe.inputs import SOURCES
from pytest_ddperf.models.caffe.layer import (
    LARGEST,
    Bottoms,
    LayerSizes,
    UnknownSizeError,
    find_bias,
    format_size,
    layer_error,
    resolve_axis,
)
from pytest_ddperf.models.caffe.windows import convolution, im2col, image, pooling

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_ddperf.models.caffe.layer import Rule, Shape
    from pytest_ddperf.models.caffe.net import Layer
    from pytest_ddperf.models.caffe.prototxt import Message


UNKNOWN_TYPE = "unknown layer type"
"""Reason why a layer is not counted: there is no rule for its type."""

UNKNOWN_SIZE = "unknown input size"
"""Reason why a layer is not counted: its weights or multiply-adds depend on an unknown size."""


def compute_layer_sizes(layer: Layer, bottoms: Sequence[Shape | None]) -> LayerSizes:
    """Compute the output sizes, weights and multiply-adds of a layer.

    Raises:
        ModelFileError: the layer cannot work on inputs of these sizes; names the line.
    """
    rule = _RULES.get(layer.type)
    if rule is None:
        return LayerSizes((None,) * len(layer.tops), uncounted=UNKNOWN_TYPE)
    if not bottoms and layer.type not in _WITHOUT_BOTTOMS:
        raise layer_error(layer, "no bottom", "bottom: NAME, the layer's input")
    try:
        made = rule(layer, Bottoms(bottoms))
    except UnknownSizeError:
        return LayerSizes((None,) * len(layer.tops), uncounted=UNKNOWN_SIZE if layer.type in _WITH_WEIGHTS else "")
    for shape in (top for top in made.tops if top is not None):
        if any(size < 1 for size in shape) or math.prod(shape) > LARGEST:
            raise layer_error(
                layer, f"an output of {format_size(shape)}", "sizes of 1 or more; check kernel, stride and input"
            )
    if any(not 0 < size <= LARGEST for size in made.blobs):
        raise layer_error(
            layer, f"weights of {format_size(made.blobs)} numbers", "1 or more; check num_output and group"
        )
    return made


def _inner_product(layer: Layer, bottoms: Sequence[Shape]) -> LayerSizes:
    settings = layer.settings.message("inner_product_param")
    axis = resolve_axis(layer, settings, "axis", 1, bottoms[0])
    outputs = settings.whole("num_output", 0)
    weights = math.prod(bottoms[0][axis:]) * outputs
    rows = math.prod(bottoms[0][:axis])
    blobs = (weights, *find_bias(settings, outputs))
    return LayerSizes(((*bottoms[0][:axis], outputs),), blobs, multiply_adds=weights * rows)


def _channels(shape: Shape) -> int:
    return shape[1] if len(shape) > 1 else 1


def _batch_norm(_layer: Layer, bottoms: Sequence[Shape]) -> LayerSizes:
    channels = _channels(bottoms[0])
    return LayerSizes((bottoms[0],), (channels, channels, 1))


def _scale(layer: Layer, bottoms: Sequence[Shape]) -> LayerSizes:
    settings = layer.settings.message("scale_param")
    if len(bottoms) > 1:  # the factors are an input; the layer's own blob holds biases only
        return LayerSizes((bottoms[0],), find_bias(settings, math.prod(bottoms[1]), default=False), counted=())
    factors = _factors(layer, settings, bottoms[0])
    return LayerSizes((bottoms[0],), (factors, *find_bias(settings, factors, default=False)))


def _bias(layer: Layer, bottoms: Sequence[Shape]) -> LayerSizes:
    """Add a second input or the layer's own blob; caffe/src/caffe/layers/bias_layer.cpp."""
    own = () if len(bottoms) > 1 else (_factors(layer, layer.settings.message("bias_param"), bottoms[0]),)
    return LayerSizes((bottoms[0],), own, counted=())


def _factors(layer: Layer, settings: Message, shape: Shape) -> int:
    """Return how many numbers a Scale or Bias layer holds: the product of `num_axes` axes starting at `axis`."""
    axis = resolve_axis(layer, settings, "axis", 1, shape)
    axes = settings.whole("num_axes", 1)
    return math.prod(shape[axis:] if axes < 0 else shape[axis : axis + axes])


def _by_channel(layer: Layer, bottoms: Sequence[Shape], param: str, *, shared: bool) -> LayerSizes:
    """Scale by one weight per channel, or by one for all channels; `shared` is the type's default."""
    is_shared = layer.settings.message(param).flag("channel_shared", default=shared)
    return LayerSizes((bottoms[0],), (1 if is_shared else _channels(bottoms[0]),))


def _same(layer: Layer, bottoms: Sequence[Shape]) -> LayerSizes:
    return LayerSizes((bottoms[0],) * len(layer.tops))


def _split(layer: Layer, bottoms: Sequence[Shape]) -> LayerSizes:
    return LayerSizes((bottoms[0],) * len(layer.tops), shares=True)


def _nothing(_layer: Layer, _bottoms: Sequence[Shape]) -> LayerSizes:
    return LayerSizes(())


def _number(layer: Layer, _bottoms: Sequence[Shape]) -> LayerSizes:
    """Return a single number (a loss or an accuracy); the sizes of further outputs are unknown."""
    return LayerSizes((((),) + (None,) * len(layer.tops))[: len(layer.tops)])


def _unknown_size(_layer: Layer, _bottoms: Sequence[Shape]) -> LayerSizes:
    """Handle a layer without weights whose output size depends on its input values or on the fork of Caffe."""
    raise UnknownSizeError


def _axpy(layer: Layer, bottoms: Sequence[Shape]) -> LayerSizes:
    """Multiply the second input by factors per channel and add the third.

    Source: src/caffe/layers/axpy_layer.cpp of SENet's Caffe.
    """
    if len(bottoms) != 3:
        raise layer_error(
            layer, f"{len(bottoms)} bottoms", "three: the factors, the input that they multiply, and the input to add"
        )
    return LayerSizes((bottoms[1],))


def _interp(layer: Layer, bottoms: Sequence[Shape]) -> LayerSizes:
    """Resize bilinearly: src/caffe/layers/interp_layer.cpp of DeepLab's and PSPNet's Caffe.

    The padding is zero or negative, so it crops. With a second input the size is unknown, because forks differ.
    """
    if len(bottoms) > 1:
        raise UnknownSizeError
    settings = layer.settings.message("interp_param")
    batch, channels, *sizes = image(layer, bottoms[0])
    padding = settings.whole("pad_beg", 0) + settings.whole("pad_end", 0)
    shrink, zoom = settings.whole("shrink_factor", 1), settings.whole("zoom_factor", 1)
    if shrink < 1 or zoom < 1:
        raise layer_error(layer, f"shrink_factor {shrink} and zoom_factor {zoom}", "factors of 1 or more")
    if settings.has("shrink_factor") or settings.has("zoom_factor"):
        shrunk = [(size + padding - 1) // shrink + 1 for size in sizes]
        return LayerSizes(((batch, channels, *(size + (size - 1) * (zoom - 1) for size in shrunk)),))
    if not (settings.has("height") and settings.has("width")):
        raise UnknownSizeError
    return LayerSizes(((batch, channels, settings.whole("height", 0), settings.whole("width", 0)),))


def _upsample(layer: Layer, bottoms: Sequence[Shape]) -> LayerSizes:
    """Unpool or repeat nearest neighbours: src/caffe/layers/upsample_layer.cpp of SegNet's and YOLO's Caffe.

    Their defaults of `scale` differ, so the size is known only if the prototxt states it.
    """
    settings = layer.settings.message("upsample_param")
    batch, channels, height, width = image(layer, bottoms[0])
    if settings.has("upsample_h") and settings.has("upsample_w"):
        return LayerSizes(((batch, channels, settings.whole("upsample_h", 0), settings.whole("upsample_w", 0)),))
    if not settings.has("scale") and not (settings.has("scale_h") and settings.has("scale_w")):
        raise UnknownSizeError
    scale = settings.whole("scale", 1)
    less = [int(settings.flag(name, default=False)) for name in ("pad_out_h", "pad_out_w")]
    sizes = height * settings.whole("scale_h", scale) - less[0], width * settings.whole("scale_w", scale) - less[1]
    return LayerSizes(((batch, channels, *sizes),))


def _embed(layer: Layer, bottoms: Sequence[Shape]) -> LayerSizes:
    """Look up a row of weights for each index; caffe/src/caffe/layers/embed_layer.cpp."""
    settings = layer.settings.message("embed_param")
    outputs = settings.whole("num_output", 0)
    return LayerSizes(
        ((*bottoms[0], outputs),), (settings.whole("input_dim", 0) * outputs, *find_bias(settings, outputs))
    )


def _parameter(layer: Layer, _bottoms: Sequence[Shape]) -> LayerSizes:
    """Output the layer's own weights; caffe/include/caffe/layers/parameter_layer.hpp."""
    shape = tuple(layer.settings.message("parameter_param").message("shape").wholes("dim"))
    return LayerSizes((shape,), (math.prod(shape),))


def _spp(layer: Layer, bottoms: Sequence[Shape]) -> LayerSizes:
    """Pool into 1, 4, 16, ... bins; caffe/src/caffe/layers/spp_layer.cpp."""
    height = layer.settings.message("spp_param").whole("pyramid_height", 0)
    batch, channels, *_ = image(layer, bottoms[0])
    if not 0 < height < 20:
        raise layer_error(layer, f"pyramid_height {height}", "pyramid_height: a whole number of 1 or more")
    return LayerSizes(
        ((batch, channels, 1, 1) if height == 1 else (batch, channels * sum(4**at for at in range(height))),)
    )


def _roi_pooling(layer: Layer, bottoms: Sequence[Shape]) -> LayerSizes:
    """Pool each region of the second input into the same bins: src/caffe/layers/roi_pooling_layer.cpp of Fast R-CNN."""
    if len(bottoms) != 2:
        raise layer_error(layer, f"{len(bottoms)} bottoms", "two: the images and the regions")
    settings = layer.settings.message("roi_pooling_param")
    _, channels, *_ = image(layer, bottoms[0])
    return LayerSizes(((*bottoms[1][:1], channels, settings.whole("pooled_h", 0), settings.whole("pooled_w", 0)),))


def _continuation_indicator(layer: Layer, _bottoms: Sequence[Shape]) -> LayerSizes:
    """Mark where sequences begin, by time step and batch.

    Source: src/caffe/layers/continuation_indicator_layer.cpp of forks for OCR.
    """
    settings = layer.settings.message("continuation_indicator_param")
    if not (settings.has("time_step") and settings.has("batch_size")):
        raise UnknownSizeError
    return LayerSizes(((settings.whole("time_step", 0), settings.whole("batch_size", 0)),))


def _batch_reindex(layer: Layer, bottoms: Sequence[Shape]) -> LayerSizes:
    """Select rows of the first input by the indices in the second; caffe/src/caffe/layers/batch_reindex_layer.cpp."""
    if len(bottoms) != 2:
        raise layer_error(layer, f"{len(bottoms)} bottoms", "two: the rows and the indices")
    return LayerSizes(((*bottoms[1][:1], *bottoms[0][1:]),))


def _concat(layer: Layer, bottoms: Sequence[Shape]) -> LayerSizes:
    settings = layer.settings.message("concat_param")
    axis = resolve_axis(layer, settings, "concat_dim" if settings.has("concat_dim") else "axis", 1, bottoms[0])
    first = bottoms[0]
    for other in bottoms:
        if (*other[:axis], *other[axis + 1 :]) != (*first[:axis], *first[axis + 1 :]) or len(other) != len(first):
            raise layer_error(
                layer,
                f"bottoms of {format_size(first)} and {format_size(other)}",
                f"sizes that differ only in axis {axis}",
            )
    return LayerSizes(((*first[:axis], sum(one[axis] for one in bottoms), *first[axis + 1 :]),))


def _eltwise(layer: Layer, bottoms: Sequence[Shape]) -> LayerSizes:
    for other in bottoms:
        if other != bottoms[0]:
            raise layer_error(
                layer, f"bottoms of {format_size(bottoms[0])} and {format_size(other)}", "bottoms of the same size"
            )
    return LayerSizes((bottoms[0],))


def _slice(layer: Layer, bottoms: Sequence[Shape]) -> LayerSizes:
    settings = layer.settings.message("slice_param")
    axis = resolve_axis(layer, settings, "slice_dim" if settings.has("slice_dim") else "axis", 1, bottoms[0])
    size, parts = bottoms[0][axis], len(layer.tops)
    points = settings.wholes("slice_point") or [size * number // parts for number in range(1, parts)]
    ends = [*points, size]
    starts = [0, *points]
    if len(ends) != parts or (not settings.has("slice_point") and size % parts):
        raise layer_error(
            layer, f"{size} on axis {axis} split into {parts} tops at {points}", "one slice_point fewer than tops"
        )
    return LayerSizes(
        tuple(
            (*bottoms[0][:axis], end - start, *bottoms[0][axis + 1 :]) for start, end in zip(starts, ends, strict=True)
        )
    )


def _flatten(layer: Layer, bottoms: Sequence[Shape]) -> LayerSizes:
    settings = layer.settings.message("flatten_param")
    shape = bottoms[0]
    first, last = (resolve_axis(layer, settings, name, at, shape) for name, at in (("axis", 1), ("end_axis", -1)))
    return LayerSizes(((*shape[:first], math.prod(shape[first : last + 1]), *shape[last + 1 :]),), shares=True)


def _permute(layer: Layer, bottoms: Sequence[Shape]) -> LayerSizes:
    shape = bottoms[0]
    order = layer.settings.message("permute_param").wholes("order")
    order += [axis for axis in range(len(shape)) if axis not in order]
    if sorted(order) != list(range(len(shape))):
        raise layer_error(layer, f"order {order} of {format_size(shape)}", "each axis once")
    return LayerSizes((tuple(shape[axis] for axis in order),))


def _reshape(layer: Layer, bottoms: Sequence[Shape]) -> LayerSizes:
    settings = layer.settings.message("reshape_param")
    shape = bottoms[0]
    start = settings.whole("axis", 0)
    start = start + len(shape) + 1 if start < 0 else start
    axes = settings.whole("num_axes", -1)
    end = len(shape) if axes < 0 else start + axes
    wanted = settings.message("shape").wholes("dim")
    expected = "shape { dim: ... } of the same number of values; 0 keeps a size, and one -1 takes the rest"
    if not 0 <= start <= end <= len(shape) or wanted.count(-1) > 1 or any(size < -1 for size in wanted):
        raise layer_error(layer, f"a reshape of {format_size(shape)} to {wanted}", expected)
    try:
        sizes = [shape[start + at] if size == 0 else size for at, size in enumerate(wanted)]
    except IndexError:
        raise layer_error(layer, f"a reshape of {format_size(shape)} to {wanted}", expected) from None
    held = math.prod(shape[start:end])
    rest = math.prod(size for size in sizes if size != -1)
    sizes = [held // rest if size == -1 else size for size in sizes]
    if math.prod(sizes) != held:
        raise layer_error(layer, f"a reshape of {format_size(shape)} to {wanted}", expected)
    return LayerSizes(((*shape[:start], *sizes, *shape[end:]),), shares=True)


def _crop(layer: Layer, bottoms: Sequence[Shape]) -> LayerSizes:
    if len(bottoms) != 2 or len(bottoms[0]) != len(bottoms[1]):
        raise layer_error(
            layer,
            f"{len(bottoms)} bottoms",
            "two with the same number of axes: the input to crop, and one of the wanted size",
        )
    axis = resolve_axis(layer, layer.settings.message("crop_param"), "axis", 2, bottoms[0])
    return LayerSizes(((*bottoms[0][:axis], *bottoms[1][axis:]),))


def _tile(layer: Layer, bottoms: Sequence[Shape]) -> LayerSizes:
    settings = layer.settings.message("tile_param")
    axis = resolve_axis(layer, settings, "axis", 1, bottoms[0])
    shape = bottoms[0]
    return LayerSizes(((*shape[:axis], shape[axis] * settings.whole("tiles", 1), *shape[axis + 1 :]),))


def _arg_max(layer: Layer, bottoms: Sequence[Shape]) -> LayerSizes:
    settings = layer.settings.message("argmax_param")
    shape, best = bottoms[0], settings.whole("top_k", 1)
    if settings.has("axis"):
        axis = resolve_axis(layer, settings, "axis", 0, shape)
        return LayerSizes(((*shape[:axis], best, *shape[axis + 1 :]),))
    values = 2 if settings.flag("out_max_val", default=False) else 1
    return LayerSizes(((*shape[:1], values, best, *(1 for _ in shape[3:])),))


def _reduction(layer: Layer, bottoms: Sequence[Shape]) -> LayerSizes:
    axis = resolve_axis(layer, layer.settings.message("reduction_param"), "axis", 0, bottoms[0])
    return LayerSizes((bottoms[0][:axis],))


def _recurrent(layer: Layer, bottoms: Sequence[Shape], *, gates: int, own_output: bool) -> LayerSizes:
    """Compute an LSTM or RNN over inputs of shape time x batch x features.

    Blobs: caffe/src/caffe/layers/recurrent_layer.cpp, lstm_layer.cpp, rnn_layer.cpp. A static input, or hidden states
    as inputs and outputs, would add blobs; such layers are not counted. An RNN's output has its own weights and biases
    (`own_output`).
    """
    settings = layer.settings.message("recurrent_param")
    if len(bottoms) > 2 or settings.flag("expose_hidden", default=False):
        raise UnknownSizeError
    steps, batch, *features = bottoms[0] if len(bottoms[0]) > 2 else (0, 0)
    outputs = settings.whole("num_output", 0)
    from_input, from_last = gates * outputs * math.prod(features), gates * outputs * outputs
    blobs = (from_input, gates * outputs, from_last, *((outputs * outputs, outputs) if own_output else ()))
    counted = (0, 2, 3) if own_output else (0, 2)
    operations = sum(blobs[at] for at in counted) * steps * batch
    return LayerSizes(((steps, batch, outputs),), blobs, counted, operations)


def _prior_box(layer: Layer, bottoms: Sequence[Shape]) -> LayerSizes:
    settings = layer.settings.message("prior_box_param")
    if not settings.has("min_size") or settings.has("density"):  # forks count boxes differently
        raise UnknownSizeError
    ratios = [1.0]
    for ratio in settings.reals("aspect_ratio"):
        flipped = [1 / ratio] if ratio and settings.flag("flip", default=True) else []
        ratios += [one for one in (ratio, *flipped) if all(abs(one - known) > 1e-6 for known in ratios)]
    boxes = len(ratios) * len(settings.texts("min_size")) + len(settings.texts("max_size"))
    _, _, height, width = image(layer, bottoms[0])
    return LayerSizes(((1, 2, height * width * boxes * 4),))


def _detection_output(_layer: Layer, _bottoms: Sequence[Shape]) -> LayerSizes:
    return LayerSizes(((1, 1, 1, 7),))  # one row per box; one row while their number is unknown


_SAME = (
    "AbsVal ReLU ReLU6 Sigmoid TanH ELU SELU Mish Swish HSwish HSigmoid Clip BNLL Dropout LRN Power Exp Log Threshold "
    "MVN Softmax ShuffleChannel Noise Reverse"
)
_DEPTHWISE = "ConvolutionDepthwise DepthwiseConvolution DepthwiseConv"
_LOSSES = (
    "Accuracy SoftmaxWithLoss EuclideanLoss SigmoidCrossEntropyLoss HingeLoss ContrastiveLoss InfogainLoss "
    "MultinomialLogisticLoss SmoothL1Loss MultiBoxLoss"
)
_RULES: Mapping[str, Rule] = {
    **SOURCES,
    **dict.fromkeys(_SAME.split(), _same),
    **dict.fromkeys(_DEPTHWISE.split(), lambda layer, bottoms: convolution(layer, bottoms, depthwise=True)),
    **dict.fromkeys(_LOSSES.split(), _number),
    **dict.fromkeys(("Filter", "Proposal", "PSROIPooling"), _unknown_size),
    "Convolution": convolution,
    "Deconvolution": lambda layer, bottoms: convolution(layer, bottoms, transposed=True),
    "InnerProduct": _inner_product,
    "Pooling": pooling,
    "BatchNorm": _batch_norm,
    "Scale": _scale,
    "PReLU": lambda layer, bottoms: _by_channel(layer, bottoms, "prelu_param", shared=False),
    "Normalize": lambda layer, bottoms: _by_channel(layer, bottoms, "norm_param", shared=True),
    "Split": _split,
    "Silence": _nothing,
    "HDF5Output": _nothing,
    "Axpy": _axpy,
    "Interp": _interp,
    "Upsample": _upsample,
    "Bias": _bias,
    "Embed": _embed,
    "Parameter": _parameter,
    "SPP": _spp,
    "Im2col": im2col,
    "ROIPooling": _roi_pooling,
    "BatchReindex": _batch_reindex,
    "ContinuationIndicator": _continuation_indicator,
    "Concat": _concat,
    "Eltwise": _eltwise,
    "Slice": _slice,
    "Flatten": _flatten,
    "Permute": _permute,
    "Reshape": _reshape,
    "Crop": _crop,
    "Tile": _tile,
    "ArgMax": _arg_max,
    "Reduction": _reduction,
    "LSTM": lambda layer, bottoms: _recurrent(layer, bottoms, gates=4, own_output=False),
    "RNN": lambda layer, bottoms: _recurrent(layer, bottoms, gates=1, own_output=True),
    "PriorBox": _prior_box,
    "DetectionOutput": _detection_output,
}
KNOWN_TYPES = frozenset(_RULES)
"""All supported layer types."""

_WITHOUT_BOTTOMS = frozenset({*SOURCES, "Parameter", "ContinuationIndicator"})
_WITH_WEIGHTS = frozenset(
    f"{_DEPTHWISE} Convolution Deconvolution InnerProduct BatchNorm Scale Bias PReLU Normalize Embed LSTM RNN".split()
)
