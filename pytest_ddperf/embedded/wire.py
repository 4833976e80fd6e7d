"""What the requests say, checked, and the errors that DeepDetect answers to what is wrong with them.

Texts and codes are those of recorded servers, v0.29 (NCNN) first, v0.28 (Caffe) where v0.29 dies.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pytest_ddperf.embedded.api_errors import ApiError, bad_input, bad_service, internal, malformed, missing

if TYPE_CHECKING:
    from collections.abc import Mapping


JsonObject = dict[str, Any]

MLLIBS = frozenset(
    {"caffe", "caffe2", "dlib", "ncnn", "onnxruntime", "pytorch", "tensorflow", "tensorrt", "tf", "torch"}
)
"""What may stand as `mllib`: DeepDetect's libraries for images, so that a request for a board works here unchanged."""

INTERPOLATIONS = ("nearest", "linear", "cubic", "area", "lanczos4")
"""The values of `interp`; as on DeepDetect, any other means `cubic`."""

MAX_SIDE = 2048
"""Widest and highest network input: 50 MB a picture in float32, and 3.6 GB in the first layers of VGG-16. Beyond it, a
typing error would take the memory."""

_LARGEST = 3.4e38
"""Largest number of a float32, which is what an image's values are."""


@dataclass(frozen=True, slots=True)
class ImageSettings:
    """What the image connector does with an image.

    Args:
        width: pixels; None where neither the service nor the request says it.
        height: pixels; likewise.
        bw: gray, repeated over the three channels.
        rgb: channels in the order red, green, blue; else blue, green, red, as OpenCV has them.
        histogram_equalization: spread the brightness over its whole range.
        interp: how it is resized, one of `INTERPOLATIONS`.
        scale: what every value is multiplied with, first.
        mean: what is then subtracted, one value a channel.
        std: what is then divided by, one value a channel.
    """

    width: int | None = None
    height: int | None = None
    bw: bool = False
    rgb: bool = False
    histogram_equalization: bool = False
    interp: str = "cubic"
    scale: float = 1.0
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()


_OUTPUT_FLAGS = ("bbox", "multibox_rois", "search", "index", "build_index", "regression", "ctc")


@dataclass(frozen=True, slots=True)
class OutputSettings:
    """What of a prediction is answered.

    Args:
        best: how many classes, the most probable first; negative for all.
        confidence_threshold: classes below it are left out.
        measure: whether measures were asked for; the time then stands in the body.
        bbox: objects with their boxes.
        best_bbox: how many objects at most; below 1 for no bound of the request's.
        nms_threshold: how much two boxes of a class may share.
        rois: objects with their features: the layer that these are taken from, "" for none.
        multibox_rois: the objects of an image are searched for together.
        search: the nearest neighbours in the index.
        search_nn: how many.
        index: the images are to be added to the index.
        build_index: the index is to be built.
        regression: values.
        ctc: a sequence of characters.
        blank_label: the class that stands for none; below 0 for the network's own.
    """

    best: int = -1
    confidence_threshold: float = 0.0
    measure: bool = False
    bbox: bool = False
    best_bbox: int = -1
    nms_threshold: float = 0.45
    rois: str = ""
    multibox_rois: bool = False
    search: bool = False
    search_nn: int = 10
    index: bool = False
    build_index: bool = False
    regression: bool = False
    ctc: bool = False
    blank_label: int = -1

    @property
    def asks_for(self) -> frozenset[str]:
        """What a network must be able to answer."""
        return frozenset(
            key for key in ("bbox", "rois", "multibox_rois", "search", "regression", "ctc") if getattr(self, key)
        )


@dataclass(frozen=True, slots=True)
class ServiceRequest:
    """A service to create.

    Args:
        parameters: as sent, `input`, `mllib` and `output` being objects.
    """

    description: str
    repository: str
    settings: ImageSettings
    parameters: JsonObject


@dataclass(frozen=True, slots=True)
class PredictRequest:
    """A prediction to make; its parameters are checked when its service is known, as they count as its failures.

    Args:
        data: what stands for the images; never empty strings only, possibly none.
        parameters: as sent; None where they were not.
    """

    service: str
    data: tuple[str, ...]
    parameters: Any


def parse_service(document: object) -> ServiceRequest:
    """A service to create, from its JSON.

    Raises:
        ApiError: it cannot be created so.
    """
    if not isinstance(document, dict):
        raise missing("the request is no JSON object")
    if not isinstance(mllib := document.get("mllib"), str):
        raise missing("mllib is missing")
    parameters = document.get("parameters")
    if not isinstance(parameters, dict):
        raise missing("parameters are missing")
    if mllib not in MLLIBS:
        raise ApiError(404, "NotFound", 1000, "Unknown Library")
    parts = {part: _object(parameters, part) for part in ("input", "mllib", "output")}
    connector = parts["input"].get("connector")
    if not isinstance(connector, str):
        raise missing("the input connector is missing")
    if connector != "image":
        raise ApiError(404, "NotFound", 1004, "Input Connector Not Found")
    if (_text(document, "type") or "supervised") != "supervised":
        raise bad_service()
    return ServiceRequest(
        description=_text(document, "description") or "",
        repository=_text(_object(document, "model"), "repository") or "",
        settings=parse_input(parts["input"], ImageSettings()),
        parameters=parts,
    )


def parse_predict(document: object) -> PredictRequest:
    """A prediction to make, from its JSON.

    Raises:
        ApiError: 400 without a service, 500/1007 where `data` is no list of strings.
    """
    if not isinstance(document, dict) or not isinstance(service := document.get("service"), str):
        raise malformed()
    data = document.get("data")
    if data is None:
        data = []
    if not isinstance(data, list) or not all(isinstance(entry, str) for entry in data):
        raise internal("in get<T>()")
    return PredictRequest(service=service.lower(), data=tuple(data), parameters=document.get("parameters"))


def parse_parameters(parameters: object, settings: ImageSettings) -> tuple[ImageSettings, OutputSettings]:
    """What a prediction's parameters make of its service's settings.

    Raises:
        ApiError: 500/1007 for a wrong JSON type, 400/1005 for a value that the connector refuses.
    """
    if parameters is None:
        return settings, OutputSettings()
    if not isinstance(parameters, dict):
        raise internal("in get<T>()")
    return parse_input(_object(parameters, "input"), settings), parse_output(_object(parameters, "output"))


def parse_output(given: Mapping[str, Any]) -> OutputSettings:
    """What the output parameters ask for; null asks for nothing.

    Raises:
        ApiError: 500/1007 for a wrong JSON type.
    """
    measure = given.get("measure")
    if measure is not None and not isinstance(measure, list):
        raise internal("in get<T>()")
    asked: JsonObject = {"measure": bool(measure)}
    for keys, take in (
        (("best", "best_bbox", "search_nn", "blank_label"), _integer),
        (("confidence_threshold", "nms_threshold"), _number),
        (("rois",), _text),
        (_OUTPUT_FLAGS, _flag),
    ):
        asked |= {key: value for key in keys if (value := take(given, key)) is not None}
    return OutputSettings(**asked)


def parse_input(given: Mapping[str, Any], settings: ImageSettings) -> ImageSettings:
    """`settings`, with what the parameters of the image connector change in them; null changes nothing.

    Raises:
        ApiError: 500/1007 for a wrong JSON type, 400/1005 for a value that the connector refuses.
    """
    changes: JsonObject = {}
    for key in ("width", "height"):
        if given.get(key) is not None:
            changes[key] = _side(given, key)
    for key in ("bw", "rgb", "histogram_equalization"):
        if given.get(key) is not None:
            changes[key] = _boolean(given, key)
    for key in ("mean", "std"):
        if given.get(key) is not None:
            changes[key] = _per_channel(given, key)
    if given.get("scale") is not None:
        changes["scale"] = _scale(given["scale"])
    if (interp := _text(given, "interp")) is not None:
        changes["interp"] = interp if interp in INTERPOLATIONS else "cubic"
    return replace(settings, **changes)


def _side(given: Mapping[str, Any], key: str) -> int:
    pixels = _integer(given, key) or 0
    if not 0 < pixels <= MAX_SIDE:
        raise bad_input(f"{key} must be between 1 and {MAX_SIDE}, not {pixels}")
    return pixels


def _scale(value: object) -> float:
    if not isinstance(value, float):  # the integer 1 too, which dd_bench sends by default
        raise bad_input("could not read double value for scale input parameter")
    if abs(value) > _LARGEST:
        raise bad_input("scale must be a number of float32")
    return value


def _boolean(given: Mapping[str, Any], key: str) -> bool:
    value = given[key]
    if not isinstance(value, bool):
        raise internal("ERROR_INVALID_BOOLEAN")
    return value


def _per_channel(given: Mapping[str, Any], key: str) -> tuple[float, ...]:
    values = given[key]
    if not isinstance(values, list) or not all(_is_number(value) for value in values):
        raise internal("in get<T>()")
    if len(values) not in (1, 3):
        raise bad_input(f"{key} must hold one value or one for each of the 3 channels, not {len(values)}")
    if key == "std" and 0 in values:
        raise bad_input("std must not hold 0")
    if not all(abs(value) <= _LARGEST for value in values):
        raise bad_input(f"{key} must hold numbers of float32")
    return tuple(float(value) for value in values)


def _flag(given: Mapping[str, Any], key: str) -> bool | None:
    return None if given.get(key) is None else _boolean(given, key)


def _object(parent: Mapping[str, Any], key: str) -> JsonObject:
    value = parent.get(key)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise internal("in get<T>()")
    return value


def _text(parent: Mapping[str, Any], key: str) -> str | None:
    value = parent.get(key)
    if value is not None and not isinstance(value, str):
        raise internal("ERROR_INVALID_STRING")
    return value


def _integer(parent: Mapping[str, Any], key: str) -> int | None:
    value = parent.get(key)
    if value is not None and (not isinstance(value, int) or isinstance(value, bool)):
        raise internal("ERROR_INVALID_INTEGER")
    return value


def _number(parent: Mapping[str, Any], key: str) -> float | None:
    value = parent.get(key)
    if value is None:
        return None
    if not _is_number(value):
        raise internal("ERROR_INVALID_FLOAT")
    if abs(value) <= _LARGEST:
        return float(value)
    return math.inf if value > 0 else -math.inf


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
