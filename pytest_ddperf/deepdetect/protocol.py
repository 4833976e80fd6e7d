"""DeepDetect's JSON, both ways: request bodies out, answers in. Pure, standard library only.

Shapes as real servers answer (v0.28, v0.29): what matters is checked strictly, what differs between servers (totals,
where the time stands, `gpuid` a number or a list) is taken as it comes. Whatever the answer is, a parse function gives
a value or raises `AnswerError`, never anything else.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_ddperf.core.tasks import Task, create_input, predict_input, predict_output
from pytest_ddperf.deepdetect.json_reader import JsonReader, as_mapping, as_text, as_whole
from pytest_ddperf.deepdetect.predictions import find_flaws, parse_one, shorten_list
from pytest_ddperf.errors import (
    LONGEST_TOLD,
    AnswerError,
    ConfigurationError,
)
from pytest_ddperf.text import quote_server_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pytest_ddperf.deepdetect.predictions import Prediction


@dataclass(frozen=True, slots=True)
class ServiceStats:
    """A service's running totals since it was created; None where the server (an older one) does not tell.

    Args:
        predict_count: predictions, failed ones included.
        predict_success: predictions that were answered.
        predict_failure: predictions that failed.
        inference_count: images.
        total_predict_duration_ms: milliseconds spent predicting, transform included.
        total_transform_duration_ms: milliseconds spent fetching, decoding and resizing.
    """

    predict_count: int | None = None
    predict_success: int | None = None
    predict_failure: int | None = None
    inference_count: int | None = None
    total_predict_duration_ms: float | None = None
    total_transform_duration_ms: float | None = None


@dataclass(frozen=True, slots=True)
class ServiceInfo:
    """A service as the server describes it; None (or "") where it does not tell.

    Args:
        name: in lower case, as the server keeps it.
        width: of its input, in pixels.
        height: of its input, in pixels.
        stats: None where the answer has no `service_stats`.
    """

    name: str
    mllib: str = ""
    width: int | None = None
    height: int | None = None
    gpu: bool | None = None
    datatype: str = ""
    repository: str = ""
    stats: ServiceStats | None = None


@dataclass(frozen=True, slots=True)
class Info:
    """`GET /info`: the server's build and its services."""

    version: str = "unknown"
    commit: str = "unknown"
    branch: str = "unknown"
    build_type: str = "unknown"
    compile_flags: str = ""
    deps_version: str = ""
    services: tuple[ServiceInfo, ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """`POST /predict`: the predictions, in the server's order (any), and `head.time`.

    Args:
        head_ms: milliseconds for the whole batch, cut to a whole number, 0 for a very fast one; None where not told.
    """

    head_ms: float | None
    predictions: tuple[Prediction, ...]


def build_service_body(
    *,
    mllib: str,
    repository: str,
    width: int = 224,
    height: int = 224,
    gpu: bool = False,
    gpuid: int = 0,
    datatype: str = "fp32",
    max_batch_size: int = 256,
    max_workspace_size: int = 1024,
    nclasses: int = 1000,
    bw: bool = False,
    rgb: bool = False,
    histogram_equalization: bool = False,
    scale: float = 1.0,
    dla: bool = False,
    description: str = "image classification service",
    task: Task = Task.CLASSIFICATION,
) -> dict[str, object]:
    """The body of `PUT /services/<name>` for images, as dd_bench sends it, description included.

    `repository` is the model's folder as the server sees it; `width` and `height` are in pixels; a TensorRT engine is
    built for `max_batch_size` images, with `max_workspace_size` MiB; `dla` runs it on a Jetson's first DLA core.
    `scale` is always sent as a JSON float: real servers refuse the integer 1 with 400/1005.
    """
    backend: dict[str, object] = {
        "nclasses": nclasses,
        "datatype": datatype,
        "readEngine": True,
        "writeEngine": True,
        "maxBatchSize": max_batch_size,
        "maxWorkspaceSize": max_workspace_size,
        "gpu": gpu,
        "gpuid": gpuid,
    }
    if dla:
        backend["dla"] = 0
    return {
        "description": description,
        "mllib": mllib,
        "type": "supervised",
        "parameters": {
            "input": {
                "connector": "image",
                "width": width,
                "height": height,
                "bw": bw,
                "rgb": rgb,
                "histogram_equalization": histogram_equalization,
                "scale": float(scale),
                **create_input(task),
            },
            "mllib": backend,
            "output": {},
        },
        "model": {"repository": repository},
    }


def build_predict_body(
    service: str,
    data: Sequence[str],
    *,
    width: int | None = 224,
    height: int | None = 224,
    gpu: bool = False,
    gpuid: int = 0,
    interp: str | None = None,
    cuda: bool = False,
    output: Mapping[str, object] | None = None,
    task: Task = Task.CLASSIFICATION,
) -> dict[str, object]:
    """The body of `POST /predict`, as dd_bench sends it; without the `interp: null` that it adds.

    `data` has one entry an image: a path or URL as the server sees it, or the image's bytes in base64. `width` and
    `height` (pixels) and `interp` (how images are resized) are left to the service where they are None; `cuda` resizes
    on the GPU. `output` is that of the task where it is None, which is empty for classification; `{"best": 1}` keeps
    NCNN from answering all 1,000 classes.
    """
    entry: dict[str, object] = {}
    if width is not None:
        entry["width"] = width
    if height is not None:
        entry["height"] = height
    if interp is not None:
        entry["interp"] = interp
    if cuda:
        entry["cuda"] = True
    entry |= predict_input(task)
    asked = predict_output(task) if output is None else dict(output)
    return {
        "service": service,
        "parameters": {"input": entry, "mllib": {"gpu": gpu, "gpuid": gpuid}, "output": asked},
        "data": list(data),
    }


def build_inline_uris(images: int) -> tuple[str, ...]:
    """The uris that images sent inline (base64) come back under: their numbers, "0" first."""
    return tuple(str(number) for number in range(images))


def parse_info(answer: object, *, url: str = "") -> Info:
    """`GET /info`, which has no `status` key.

    Raises:
        AnswerError: it is not DeepDetect's.
    """
    parser = JsonReader(url, "")
    head = parser.mapping(parser.mapping(answer, "the answer").get("head"), "head")
    listed = parser.sequence(head.get("services"), "head.services")
    services = tuple(
        _service(parser, parser.mapping(one, f"head.services[{number}]"), f"head.services[{number}]")
        for number, one in enumerate(listed)
    )
    return Info(
        version=_said(parser, head, "version", "head", "unknown"),
        commit=_said(parser, head, "commit", "head", "unknown"),
        branch=_said(parser, head, "branch", "head", "unknown"),
        build_type=_said(parser, head, "build-type", "head", "unknown"),
        compile_flags=_said(parser, head, "compile_flags", "head", ""),
        deps_version=_said(parser, head, "deps_version", "head", ""),
        services=services,
    )


def parse_service(answer: object, *, url: str = "", service: str = "") -> ServiceInfo:
    """`GET /services/<name>`.

    Raises:
        AnswerError: it is not DeepDetect's.
    """
    parser = JsonReader(url, service)
    return _service(parser, parser.mapping(parser.mapping(answer, "the answer").get("body"), "body"), "body")


def parse_prediction(answer: object, *, url: str = "", service: str = "") -> Answer:
    """`POST /predict`; the time may stand in `head` or, with a measure, in `body`.

    Raises:
        AnswerError: it is not DeepDetect's, or says nothing of an image.
    """
    parser = JsonReader(url, service)
    top = parser.mapping(answer, "the answer")
    body = parser.mapping(top.get("body"), "body")
    head_ms = parser.number(as_mapping(top.get("head")), "time", "head")
    if head_ms is None:
        head_ms = parser.number(body, "time", "body")
    listed = parser.sequence(body.get("predictions"), "body.predictions")
    return Answer(head_ms, tuple(parse_one(parser, one, number) for number, one in enumerate(listed)))


def check_predictions(
    answer: Answer,
    expected_uris: Iterable[str],
    *,
    url: str = "",
    service: str = "",
    task: Task = Task.CLASSIFICATION,
    input_size: tuple[int, int] | None = None,
) -> None:
    """One prediction per image, in any order, under its uri, and each such as the task has it.

    Args:
        answer: what the server said.
        expected_uris: the paths or URLs of the request; `build_inline_uris` for images sent inline.
        url: the server, without credentials, for the message.
        service: the service concerned, for the message.
        task: what was asked for.
        input_size: width and height of the network's input, in pixels; None where they are not known.

    Raises:
        AnswerError: a prediction is missing, too many, twice there, or not one of that task.
        ConfigurationError: an image was asked for twice: a server answers it once, and is paid for two.
    """
    asked = Counter(expected_uris)
    if twice := [uri for uri, times in asked.items() if times > 1]:
        raise ConfigurationError(
            f"The batch names {shorten_list(twice)} more than once; a server answers each image once. Give as many "
            "different images as the batch is large."
        )
    came = Counter(prediction.uri for prediction in answer.predictions)
    wrong: list[str] = []
    if missing := [uri for uri in asked if uri not in came]:
        wrong.append(f"{len(missing)} of {len(asked)} predictions are missing: {shorten_list(missing)}")
    if unasked := [uri for uri in came if uri not in asked]:
        wrong.append(f"{len(unasked)} were not asked for: {shorten_list(unasked)}")
    if repeated := [uri for uri, times in came.items() if times > 1]:
        wrong.append(f"{len(repeated)} came more than once: {shorten_list(repeated)}")
    wrong += find_flaws(answer.predictions, task, input_size)
    if wrong:
        raise AnswerError(f"The predictions are wrong: {'; '.join(wrong)}.", url=url, service=service)


def _service(parser: JsonReader, body: Mapping[str, object], where: str) -> ServiceInfo:
    name = body.get("name")
    if not isinstance(name, str) or not name:
        raise parser.error(f"{where}.name", "a name", name)
    parameters = as_mapping(body.get("parameters"))
    image, backend = as_mapping(parameters.get("input")), as_mapping(parameters.get("mllib"))
    gpu = backend.get("gpu")
    stats = body.get("service_stats")
    return ServiceInfo(
        name=name,
        mllib=_said(parser, body, "mllib", where, ""),
        width=as_whole(body.get("width")) or as_whole(image.get("width")),
        height=as_whole(body.get("height")) or as_whole(image.get("height")),
        gpu=gpu if isinstance(gpu, bool) else None,
        datatype=quote_server_text(as_text(backend.get("datatype")), LONGEST_TOLD),
        repository=_said(parser, body, "repository", where, ""),
        stats=None if stats is None else _stats(parser, stats, f"{where}.service_stats"),
    )


def _said(parser: JsonReader, mapping: Mapping[str, object], key: str, where: str, default: str) -> str:
    """A text that is shown and stored, and does nothing else: plain, and not longer than anybody reads."""
    return quote_server_text(parser.text(mapping, key, where, default), LONGEST_TOLD)


def _stats(parser: JsonReader, value: object, where: str) -> ServiceStats:
    stats = parser.mapping(value, where)
    return ServiceStats(
        predict_count=parser.count(stats, "predict_count", where),
        predict_success=parser.count(stats, "predict_success", where),
        predict_failure=parser.count(stats, "predict_failure", where),
        inference_count=parser.count(stats, "inference_count", where),
        total_predict_duration_ms=parser.number(stats, "total_predict_duration_ms", where),
        total_transform_duration_ms=parser.number(stats, "total_transform_duration_ms", where),
    )
