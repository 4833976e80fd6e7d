"""What each type of Caffe's layers makes of the sizes that it is given, and the weights that it holds. Pure.

Sizes are Caffe's: convolutions round down, pooling rounds up, and a last window that would start in the padding is
dropped.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from pytest_ddperf.caffe.sources import SOURCES
from pytest_ddperf.caffe.steps import LARGEST, Step, axis_of, bias_of, refused, shown
from pytest_ddperf.caffe.windows import convolution, image, pooling

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_ddperf.caffe.net import Layer
    from pytest_ddperf.caffe.steps import Rule, Shape


def step(layer: Layer, bottoms: Sequence[Shape]) -> Step:
    """What a layer makes of its bottoms.

    Args:
        layer: of any type.
        bottoms: sizes of what it takes, the batch first.

    Raises:
        ModelFileError: it cannot work on these; names the line.
    """
    rule = _RULES.get(layer.type)
    if rule is not None and not bottoms and layer.type not in SOURCES:
        raise refused(layer, "no bottom", "bottom: with the name of what it works on")
    made = _unchanged(layer, bottoms) if rule is None else rule(layer, bottoms)
    for shape in made.tops:
        if any(size < 1 for size in shape) or math.prod(shape) > LARGEST:
            raise refused(layer, f"a result of {shown(shape)}", "sizes of 1 or more; check kernel, stride and input")
    if any(not 0 < size <= LARGEST for size in made.blobs):
        raise refused(layer, f"weights of {shown(made.blobs)} numbers", "1 or more; check num_output and group")
    return made


def _unchanged(layer: Layer, bottoms: Sequence[Shape]) -> Step:
    """A layer of a type that is not known here."""
    return Step(tuple(bottoms[:1] or [()]) * len(layer.tops), known=False)


def _inner_product(layer: Layer, bottoms: Sequence[Shape]) -> Step:
    settings = layer.settings.message("inner_product_param")
    axis = axis_of(layer, settings, "axis", 1, bottoms[0])
    outputs = settings.whole("num_output", 0)
    weights = math.prod(bottoms[0][axis:]) * outputs
    rows = math.prod(bottoms[0][:axis])
    return Step(((*bottoms[0][:axis], outputs),), (weights, *bias_of(settings, outputs)), weights * rows)


def _channels(shape: Shape) -> int:
    return shape[1] if len(shape) > 1 else 1


def _batch_norm(_layer: Layer, bottoms: Sequence[Shape]) -> Step:
    channels = _channels(bottoms[0])
    return Step((bottoms[0],), (channels, channels, 1))


def _scale(layer: Layer, bottoms: Sequence[Shape]) -> Step:
    settings = layer.settings.message("scale_param")
    if len(bottoms) > 1:
        return Step((bottoms[0],))
    axis = axis_of(layer, settings, "axis", 1, bottoms[0])
    axes = settings.whole("num_axes", 1)
    factors = math.prod(bottoms[0][axis:] if axes < 0 else bottoms[0][axis : axis + axes])
    return Step((bottoms[0],), (factors, *bias_of(settings, factors, default=False)))


def _prelu(layer: Layer, bottoms: Sequence[Shape]) -> Step:
    shared = layer.settings.message("prelu_param").flag("channel_shared", default=False)
    return Step((bottoms[0],), (1 if shared else _channels(bottoms[0]),))


def _normalize(layer: Layer, bottoms: Sequence[Shape]) -> Step:
    shared = layer.settings.message("norm_param").flag("channel_shared", default=True)
    return Step((bottoms[0],), (1 if shared else _channels(bottoms[0]),))


def _same(layer: Layer, bottoms: Sequence[Shape]) -> Step:
    return Step((bottoms[0],) * len(layer.tops))


def _split(layer: Layer, bottoms: Sequence[Shape]) -> Step:
    return Step((bottoms[0],) * len(layer.tops), shares=True)


def _nothing(_layer: Layer, _bottoms: Sequence[Shape]) -> Step:
    return Step(())


def _number(layer: Layer, _bottoms: Sequence[Shape]) -> Step:
    return Step(((),) * len(layer.tops))


def _concat(layer: Layer, bottoms: Sequence[Shape]) -> Step:
    settings = layer.settings.message("concat_param")
    axis = axis_of(layer, settings, "concat_dim" if settings.has("concat_dim") else "axis", 1, bottoms[0])
    first = bottoms[0]
    for other in bottoms[1:]:
        if (*other[:axis], *other[axis + 1 :]) != (*first[:axis], *first[axis + 1 :]) or len(other) != len(first):
            raise refused(layer, f"bottoms of {shown(first)} and {shown(other)}", f"sizes alike but for axis {axis}")
    return Step(((*first[:axis], sum(one[axis] for one in bottoms), *first[axis + 1 :]),))


def _eltwise(layer: Layer, bottoms: Sequence[Shape]) -> Step:
    for other in bottoms[1:]:
        if other != bottoms[0]:
            raise refused(layer, f"bottoms of {shown(bottoms[0])} and {shown(other)}", "bottoms of one size")
    return Step((bottoms[0],))


def _slice(layer: Layer, bottoms: Sequence[Shape]) -> Step:
    settings = layer.settings.message("slice_param")
    axis = axis_of(layer, settings, "slice_dim" if settings.has("slice_dim") else "axis", 1, bottoms[0])
    size, parts = bottoms[0][axis], len(layer.tops)
    points = settings.wholes("slice_point") or [size * number // parts for number in range(1, parts)]
    ends = [*points, size]
    starts = [0, *points]
    if len(ends) != parts or (not settings.has("slice_point") and size % parts):
        raise refused(layer, f"{size} on axis {axis} into {parts} tops at {points}", "a slice_point between the tops")
    return Step(
        tuple(
            (*bottoms[0][:axis], end - start, *bottoms[0][axis + 1 :]) for start, end in zip(starts, ends, strict=True)
        )
    )


def _flatten(layer: Layer, bottoms: Sequence[Shape]) -> Step:
    settings = layer.settings.message("flatten_param")
    shape = bottoms[0]
    first, last = (axis_of(layer, settings, name, at, shape) for name, at in (("axis", 1), ("end_axis", -1)))
    return Step(((*shape[:first], math.prod(shape[first : last + 1]), *shape[last + 1 :]),), shares=True)


def _permute(layer: Layer, bottoms: Sequence[Shape]) -> Step:
    shape = bottoms[0]
    order = layer.settings.message("permute_param").wholes("order")
    order += [axis for axis in range(len(shape)) if axis not in order]
    if sorted(order) != list(range(len(shape))):
        raise refused(layer, f"order {order} of {shown(shape)}", "each axis once")
    return Step((tuple(shape[axis] for axis in order),))


def _reshape(layer: Layer, bottoms: Sequence[Shape]) -> Step:
    settings = layer.settings.message("reshape_param")
    shape = bottoms[0]
    start = settings.whole("axis", 0)
    start = start + len(shape) + 1 if start < 0 else start
    axes = settings.whole("num_axes", -1)
    end = len(shape) if axes < 0 else start + axes
    wanted = settings.message("shape").wholes("dim")
    expected = "shape { dim: ... } of as many numbers, 0 for one that stays, -1 once for what is left"
    if not 0 <= start <= end <= len(shape) or wanted.count(-1) > 1 or any(size < -1 for size in wanted):
        raise refused(layer, f"{shown(shape)} to {wanted}", expected)
    try:
        sizes = [shape[start + at] if size == 0 else size for at, size in enumerate(wanted)]
    except IndexError:
        raise refused(layer, f"{shown(shape)} to {wanted}", expected) from None
    held = math.prod(shape[start:end])
    rest = math.prod(size for size in sizes if size != -1)
    sizes = [held // rest if size == -1 else size for size in sizes]
    if math.prod(sizes) != held:
        raise refused(layer, f"{shown(shape)} to {wanted}", expected)
    return Step(((*shape[:start], *sizes, *shape[end:]),), shares=True)


def _crop(layer: Layer, bottoms: Sequence[Shape]) -> Step:
    if len(bottoms) != 2 or len(bottoms[0]) != len(bottoms[1]):
        raise refused(layer, f"{len(bottoms)} bottoms", "two of as many axes: what is cropped, and to whose size")
    axis = axis_of(layer, layer.settings.message("crop_param"), "axis", 2, bottoms[0])
    return Step(((*bottoms[0][:axis], *bottoms[1][axis:]),))


def _tile(layer: Layer, bottoms: Sequence[Shape]) -> Step:
    settings = layer.settings.message("tile_param")
    axis = axis_of(layer, settings, "axis", 1, bottoms[0])
    shape = bottoms[0]
    return Step(((*shape[:axis], shape[axis] * settings.whole("tiles", 1), *shape[axis + 1 :]),))


def _arg_max(layer: Layer, bottoms: Sequence[Shape]) -> Step:
    settings = layer.settings.message("argmax_param")
    shape, best = bottoms[0], settings.whole("top_k", 1)
    if settings.has("axis"):
        axis = axis_of(layer, settings, "axis", 0, shape)
        return Step(((*shape[:axis], best, *shape[axis + 1 :]),))
    return Step(((*shape[:1], 2 if settings.flag("out_max_val", default=False) else 1, best),))


def _reduction(layer: Layer, bottoms: Sequence[Shape]) -> Step:
    axis = axis_of(layer, layer.settings.message("reduction_param"), "axis", 0, bottoms[0])
    return Step((bottoms[0][:axis],))


def _lstm(layer: Layer, bottoms: Sequence[Shape]) -> Step:
    """Time and batch first; weights of the four gates for the input, their biases, and for what it gave last."""
    steps, batch, *features = bottoms[0] if len(bottoms[0]) > 2 else (0, 0)
    outputs = layer.settings.message("recurrent_param").whole("num_output", 0)
    from_input, from_last = 4 * outputs * math.prod(features), 4 * outputs * outputs
    made = Step(((steps, batch, outputs),), (from_input, 4 * outputs, from_last))
    return Step(made.tops, made.blobs, (from_input + from_last) * steps * batch)


def _prior_box(layer: Layer, bottoms: Sequence[Shape]) -> Step:
    settings = layer.settings.message("prior_box_param")
    ratios = [1.0]
    for ratio in settings.reals("aspect_ratio"):
        flipped = [1 / ratio] if ratio and settings.flag("flip", default=True) else []
        ratios += [one for one in (ratio, *flipped) if all(abs(one - known) > 1e-6 for known in ratios)]
    boxes = len(ratios) * len(settings.texts("min_size")) + len(settings.texts("max_size"))
    _, _, height, width = image(layer, bottoms[0])
    return Step(((1, 2, height * width * boxes * 4),))


def _detection_output(_layer: Layer, _bottoms: Sequence[Shape]) -> Step:
    return Step(((1, 1, 1, 7),))  # as many rows as there are boxes, one until they are known


_SAME = (
    "AbsVal ReLU ReLU6 Sigmoid TanH ELU Swish Clip BNLL Dropout LRN Power Exp Log Threshold MVN Softmax ShuffleChannel "
    "Noise Reverse"
)
_RULES: Mapping[str, Rule] = {
    **SOURCES,
    **dict.fromkeys(_SAME.split(), _same),
    **dict.fromkeys(
        ("ConvolutionDepthwise", "DepthwiseConvolution", "DepthwiseConv"),
        lambda layer, bottoms: convolution(layer, bottoms, depthwise=True),
    ),
    **dict.fromkeys(("Accuracy", "SoftmaxWithLoss", "EuclideanLoss", "SigmoidCrossEntropyLoss", "HingeLoss"), _number),
    "Convolution": convolution,
    "Deconvolution": lambda layer, bottoms: convolution(layer, bottoms, transposed=True),
    "InnerProduct": _inner_product,
    "Pooling": pooling,
    "BatchNorm": _batch_norm,
    "Scale": _scale,
    "PReLU": _prelu,
    "Normalize": _normalize,
    "Split": _split,
    "Silence": _nothing,
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
    "LSTM": _lstm,
    "PriorBox": _prior_box,
    "DetectionOutput": _detection_output,
}
