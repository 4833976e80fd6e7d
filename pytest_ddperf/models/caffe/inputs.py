"""Sizes of Caffe's input layers. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_ddperf.models.caffe.layer import LARGEST, LayerSizes, UnknownSizeError, format_size, layer_error

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_ddperf.models.caffe.layer import Rule, Shape
    from pytest_ddperf.models.caffe.net import Layer


def _input(layer: Layer, _bottoms: Sequence[Shape]) -> LayerSizes:
    """Return the stated size of an Input layer; without one, the application sets it at run time."""
    shapes = [tuple(one.wholes("dim")) for one in layer.settings.message("input_param").messages("shape")]
    if not shapes:
        raise UnknownSizeError
    return LayerSizes(_for_tops(layer, shapes, "input_param { shape { dim: 1 dim: 3 dim: 224 dim: 224 } }"))


def _memory_data(layer: Layer, _bottoms: Sequence[Shape]) -> LayerSizes:
    settings = layer.settings.message("memory_data_param")
    dims = tuple(settings.whole(name, 0) for name in ("batch_size", "channels", "height", "width"))
    if not all(0 < size <= LARGEST for size in dims):
        expected = "memory_data_param { batch_size: 1 channels: 3 height: 224 width: 224 }"
        raise layer_error(layer, f"an input of {format_size(dims)}", expected)
    return LayerSizes((dims, (dims[0],)) if len(layer.tops) > 1 else (dims,))


def _dummy_data(layer: Layer, _bottoms: Sequence[Shape]) -> LayerSizes:
    settings = layer.settings.message("dummy_data_param")
    flat = [settings.wholes(name) for name in ("num", "channels", "height", "width")]
    shapes = [tuple(one.wholes("dim")) for one in settings.messages("shape")] or list(zip(*flat, strict=False))
    return LayerSizes(_for_tops(layer, shapes, "dummy_data_param { shape { dim: 1 dim: 3 dim: 224 dim: 224 } }"))


def _file_data(layer: Layer, _bottoms: Sequence[Shape]) -> LayerSizes:
    """Return the size of a layer that reads files, which is known only if the images are cropped."""
    side = layer.settings.message("transform_param").whole("crop_size", 0)
    if side < 1:
        raise UnknownSizeError
    return LayerSizes(((1, 3, side, side), (1,))[: len(layer.tops)])


def _for_tops(layer: Layer, shapes: Sequence[Shape], expected: str) -> tuple[Shape, ...]:
    if len(shapes) not in {1, len(layer.tops)} or not all(shapes):
        raise layer_error(layer, f"{len(shapes)} sizes for {len(layer.tops)} tops", expected)
    return tuple(shapes) if len(shapes) == len(layer.tops) else tuple(shapes) * len(layer.tops)


SOURCES: Mapping[str, Rule] = {
    "Input": _input,
    "MemoryData": _memory_data,
    "DummyData": _dummy_data,
    "Data": _file_data,
    "ImageData": _file_data,
    "AnnotatedData": _file_data,
    "WindowData": _file_data,
    "HDF5Data": _file_data,
}
"""The types of input layers, with their rules."""
