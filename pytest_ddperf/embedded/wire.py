"""Parsing and validation of requests, with the errors that DeepDetect returns for invalid ones.

Messages and codes are those of recorded servers: v0.29 (NCNN), or v0.28 (Caffe) where v0.29 crashes; for services of
the Torch backend, v0.29 (Torch). Every function that parses raises `ApiError`: 500/1007 for a wrong JSON type, 400/1005
or 400/1006 for a value that the image connector or the backend rejects.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

from pytest_ddperf.embedded.api_errors import ApiError, bad_input, bad_service, internal, malformed, missing

if TYPE_CHECKING:
    from collections.abc import Mapping


T = TypeVar("T")
JsonObject = dict[str, Any]

_WRONG_TYPE = {bool: "ERROR_INVALID_BOOLEAN", int: "ERROR_INVALID_INTEGER", str: "ERROR_INVALID_STRING"}
"""DeepDetect's messages for a value of another type; for lists and objects it has a common one."""

MLLIBS = frozenset(
    {"caffe", "caffe2", "dlib", "ncnn", "onnxruntime", "pytorch", "tensorflow", "tensorrt", "tf", "torch"}
)
"""Accepted values of `mllib`: DeepDetect's libraries for images, so that a request for a board works here unchanged.
Only `torch` changes how a service behaves."""

MAX_SIDE = 2048
"""Largest width and height of a network's input, in pixels: 50 MB per image in float32, and 3.6 GB in the first layers
of VGG-16. Without this limit, a typing error could exhaust the memory."""

MAX_CLASSES = 65_536
"""Most classes of a template: 540 MB of weights in the last layer of a ResNet-50."""

_TORCH_DATATYPES = ("fp16", "fp32", "fp64")

_LARGEST = 3.4e38
"""Largest float32 number (the values of an image are float32)."""


@dataclass(frozen=True, slots=True)
class ImageSettings:
    """How the image connector preprocesses an image.

    Args:
        width: width in pixels; None if neither the service nor the request gives it.
        height: height in pixels; None if neither the service nor the request gives it.
        bw: convert to gray, repeated over the three channels.
        rgb: order the channels red, green, blue; otherwise blue, green, red, OpenCV's order.
        histogram_equalization: equalize the histogram of the brightness.
        interp: interpolation for resizing (nearest, linear, area, lanczos4); as on DeepDetect, any other means cubic.
        scale: factor applied to every value, before `mean` and `std`.
        mean: values to subtract after scaling, one per channel or one for all.
        std: values to divide by after subtracting the mean, one per channel or one for all.
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
    """What the response to a prediction contains.

    Args:
        best: number of classes, most probable first; negative for all.
        confidence_threshold: least probability of a class to return.
        measure: whether measures were requested; the time is then in the body instead of the head.
        best_bbox: most objects to return; below 1 if the request sets no limit.
        nms_threshold: largest overlap (intersection over union) of two boxes of a class.
        rois: layer whose features are returned for each object; "" for no features.
        multibox_rois: search with all objects of an image together.
        blank_label: class that stands for no character; below 0 for the network's own.
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
        """The requested outputs that only networks of certain tasks support."""
        return frozenset(
            key for key in ("bbox", "rois", "multibox_rois", "search", "regression", "ctc") if getattr(self, key)
        )


@dataclass(frozen=True, slots=True)
class TorchService:
    """What DeepDetect's Torch backend reads at the creation of a service.

    Args:
        template: name of the network to create; "" to use a model in the folder.
        classes: number of classes of the template; 0 for its own default.
    """

    template: str = ""
    classes: int = 0


@dataclass(frozen=True, slots=True)
class ServiceRequest:
    """A request to create a service.

    Args:
        repository: `model.repository`, which names the network.
        parameters: as sent; `input`, `mllib` and `output` are objects.
        torch: parameters of a Torch service; None for a service of another backend.
    """

    description: str
    repository: str
    settings: ImageSettings
    parameters: JsonObject
    torch: TorchService | None = None


@dataclass(frozen=True, slots=True)
class PredictRequest:
    """A request for a prediction.

    Its parameters are checked only once the service is found, because invalid ones count as a failure of that service.

    Args:
        service: the service's name, in lower case.
        data: one string per image or folder (path, URL or base64); may be empty.
        parameters: as sent; None if absent.
    """

    service: str
    data: tuple[str, ...]
    parameters: Any


def parse_service(document: object) -> ServiceRequest:
    """Parse a request to create a service."""
    if not isinstance(document, dict):
        raise missing("the request is not a JSON object")
    if not isinstance(mllib := document.get("mllib"), str):
        raise missing("mllib is missing")
    parameters = document.get("parameters")
    if not isinstance(parameters, dict):
        raise missing("parameters are missing")
    if mllib not in MLLIBS:
        raise ApiError(404, "NotFound", 1000, "Unknown Library")
    parts = {part: _get(parameters, part, dict) or {} for part in ("input", "mllib", "output")}
    connector = parts["input"].get("connector")
    if not isinstance(connector, str):
        raise missing("the input connector is missing")
    if connector != "image":
        raise ApiError(404, "NotFound", 1004, "Input Connector Not Found")
    if (_get(document, "type", str) or "supervised") != "supervised":
        raise bad_service()
    return ServiceRequest(
        description=_get(document, "description", str) or "",
        repository=_get(_get(document, "model", dict) or {}, "repository", str) or "",
        settings=parse_input(parts["input"], ImageSettings()),
        parameters=parts,
        torch=_parse_torch_service(parts["mllib"]) if mllib == "torch" else None,
    )


def parse_predict(document: object) -> PredictRequest:
    """Parse a request for a prediction.

    Raises:
        ApiError: 400 if it names no service, 500/1007 if `data` is not a list of strings.
    """
    if not isinstance(document, dict) or not isinstance(service := document.get("service"), str):
        raise malformed()
    data: list[Any] = _get(document, "data", list) or []
    if not all(isinstance(entry, str) for entry in data):
        raise internal("in get<T>()")
    return PredictRequest(service=service.lower(), data=tuple(data), parameters=document.get("parameters"))


def parse_parameters(parameters: object, settings: ImageSettings) -> tuple[ImageSettings, OutputSettings]:
    """Return a service's settings changed by a prediction's parameters, and what the response contains."""
    if parameters is None:
        return settings, OutputSettings()
    if not isinstance(parameters, dict):
        raise internal("in get<T>()")
    image, output = (_get(parameters, part, dict) or {} for part in ("input", "output"))
    return parse_input(image, settings), parse_output(output)


def _parse_torch_service(given: Mapping[str, Any]) -> TorchService:
    _require_torch_datatype(given)
    classes = _get(given, "nclasses", int) or 0
    if classes < 0:
        raise internal(f"Trying to create tensor with negative dimension {classes}")
    if classes > MAX_CLASSES:
        raise bad_service(f"nclasses must be at most {MAX_CLASSES}, not {classes}")
    if _get(given, "ntargets", int):
        raise bad_service("this server has no templates for regression (ntargets)")
    gpuid = given.get("gpuid")
    for number in gpuid if isinstance(gpuid, list) else [gpuid]:
        _get({"gpuid": number}, "gpuid", int)
    if _get(given, "gpu", bool):
        raise bad_service("GPU is not available, service could not be created")
    return TorchService(_get(given, "template", str) or "", classes)


def parse_test_batch_size(parameters: Mapping[str, Any] | None) -> int:
    """Return how many images of a prediction DeepDetect's Torch backend runs at a time.

    It reads this and the datatype from each prediction, and ignores those given at creation.

    Returns:
        `mllib.net.test_batch_size`, 1 by default; 0 for no images, negative for all.
    """
    given: JsonObject = _get(parameters or {}, "mllib", dict) or {}
    if _require_torch_datatype(given) == "fp16":
        raise bad_service("fp16 inference can be done only on GPU")
    if layer := _get(given, "extract_layer", str):
        raise bad_service(f"unknown extract layer {layer}")
    size = _get(_get(given, "net", dict) or {}, "test_batch_size", int)
    return 1 if size is None else size


def _require_torch_datatype(given: Mapping[str, Any]) -> str:
    datatype = _get(given, "datatype", str)
    if datatype is None:
        return "fp32"
    if datatype not in _TORCH_DATATYPES:
        raise bad_service(f"unknown datatype {datatype}")
    return datatype


def parse_output(given: Mapping[str, Any]) -> OutputSettings:
    """Parse the output parameters; a value of null counts as absent."""
    asked: JsonObject = {"measure": bool(_get(given, "measure", list))}
    for keys, kind in (
        (("best", "best_bbox", "search_nn", "blank_label"), int),
        (("rois",), str),
        (_OUTPUT_FLAGS, bool),
    ):
        asked |= {key: value for key in keys if (value := _get(given, key, kind)) is not None}
    numbers = {key: _number(given, key) for key in ("confidence_threshold", "nms_threshold")}
    asked |= {key: value for key, value in numbers.items() if value is not None}
    return OutputSettings(**asked)


def parse_input(given: Mapping[str, Any], settings: ImageSettings) -> ImageSettings:
    """Return `settings` with the changes that the image connector's parameters make; null changes nothing."""
    changes: JsonObject = {}
    for key in ("width", "height"):
        if given.get(key) is not None:
            changes[key] = _side(given, key)
    for key in ("bw", "rgb", "histogram_equalization"):
        if (value := _get(given, key, bool)) is not None:
            changes[key] = value
    for key in ("mean", "std"):
        if given.get(key) is not None:
            changes[key] = _per_channel(given, key)
    if given.get("scale") is not None:
        changes["scale"] = _scale(given["scale"])
    if (interp := _get(given, "interp", str)) is not None:
        changes["interp"] = interp
    return replace(settings, **changes)


def _side(given: Mapping[str, Any], key: str) -> int:
    pixels = _get(given, key, int) or 0
    if not 0 < pixels <= MAX_SIDE:
        raise bad_input(f"{key} must be between 1 and {MAX_SIDE}, not {pixels}")
    return pixels


def _scale(value: object) -> float:
    if not isinstance(value, float):  # integers too are rejected, even the 1 that dd_bench sends by default
        raise bad_input("could not read double value for scale input parameter")
    if abs(value) > _LARGEST:
        raise bad_input("scale must be in the range of float32")
    return value


def _per_channel(given: Mapping[str, Any], key: str) -> tuple[float, ...]:
    values: list[Any] = _get(given, key, list) or []
    if not all(_is_number(value) for value in values):
        raise internal("in get<T>()")
    if len(values) not in (1, 3):
        raise bad_input(f"{key} must contain one value or one for each of the 3 channels, not {len(values)}")
    if key == "std" and 0 in values:
        raise bad_input("std must not contain 0")
    if not all(abs(value) <= _LARGEST for value in values):
        raise bad_input(f"{key} must contain numbers in the range of float32")
    return tuple(float(value) for value in values)


def _get(parent: Mapping[str, Any], key: str, kind: type[T]) -> T | None:
    """Return the value of that type; None if it is absent or null."""
    value = parent.get(key)
    if value is not None and type(value) is not kind:
        raise internal(_WRONG_TYPE.get(kind, "in get<T>()"))
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
