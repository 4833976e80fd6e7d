"""DeepDetect's JSON: building request bodies and parsing answers. Pure.

The shapes are those of real servers (v0.28, v0.29). Values that are used are checked strictly; differences between
servers (totals, the place of the time, `gpuid` as a number or a list) are accepted. For any answer, a parse function
returns a value or raises `AnswerError`, nothing else.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from pytest_ddperf.core.records import ModelStats
from pytest_ddperf.core.service_parameters import DD_BENCH_DEFAULTS, TORCH, ServiceParameters
from pytest_ddperf.core.tasks import Task, create_input, predict_input, predict_output
from pytest_ddperf.deepdetect.build_flags import list_built
from pytest_ddperf.deepdetect.json_reader import Amount, Whole, decode_answer, find
from pytest_ddperf.deepdetect.predictions import Prediction, find_flaws, shorten_list
from pytest_ddperf.errors import AnswerError, ConfigurationError
from pytest_ddperf.text import quote_server_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


BUILD_FACTS = ("version", "commit", "branch", "build_type", "compile_flags", "deps_version")
"""The fields of `Info` and of `ServerFacts` that describe a server's build."""

_MOST_PARAMS, _MOST_GFLOPS = 10**15, 10**9


@dataclass(frozen=True, slots=True)
class ServiceStats:
    """A service's running totals since its creation; None for totals that an (older) server does not report.

    Args:
        predict_count: predictions, including failed ones.
        total_predict_duration_ms: milliseconds spent predicting, transform included.
        total_transform_duration_ms: milliseconds spent fetching, decoding and resizing.
    """

    predict_count: int | None = None
    total_predict_duration_ms: float | None = None
    total_transform_duration_ms: float | None = None


@dataclass(frozen=True, slots=True)
class ServiceInfo:
    """A service as described by the server; None (or "") for values it does not report.

    Args:
        name: in lower case, as stored by the server.
        stats: running totals; None if the answer has no `service_stats`.
        model_stats: facts about its network, which some backends report only after a prediction.
        max_batch_size: `maxBatchSize`: that of its creation, or the fixed batch size of its network.
        template: name of the template that created its network; "" for a network from files.
    """

    name: str
    mllib: str = ""
    width: int | None = None
    height: int | None = None
    gpu: bool | None = None
    datatype: str = ""
    repository: str = ""
    stats: ServiceStats | None = None
    model_stats: ModelStats = field(default=ModelStats(), compare=False)
    max_batch_size: int | None = None
    template: str = ""


@dataclass(frozen=True, slots=True)
class Info:
    """Answer to `GET /info`: the server's build and its services."""

    version: str = "unknown"
    commit: str = "unknown"
    branch: str = "unknown"
    build_type: str = "unknown"
    compile_flags: str = ""
    deps_version: str = ""
    services: tuple[ServiceInfo, ...] = ()

    @property
    def backends(self) -> list[str]:
        """The backends that the server was certainly built with, in the order of its build flags."""
        return list_built(self.compile_flags)

    def find_service(self, name: str) -> ServiceInfo | None:
        """Return the service of this name, which servers store in lower case; None if there is none."""
        return next((one for one in self.services if one.name.lower() == name.lower()), None)


@dataclass(frozen=True, slots=True)
class Answer:
    """Answer to `POST /predict`: the predictions, in the server's order (any), and `head.time`.

    Args:
        head_ms: milliseconds for the whole batch, truncated to a whole number (0 for a very fast one); None if not
            reported.
    """

    head_ms: float | None
    predictions: tuple[Prediction, ...]


def check_service_name(name: str) -> None:
    """Check that a server can create a service of this name.

    Raises:
        ConfigurationError: it is the name of DeepDetect's own log, for which every creation fails (500).
    """
    if name.lower() == "api":
        raise ConfigurationError(
            "DeepDetect cannot create a service named api, the name of its own log; choose another name."
        )


def build_service_body(
    repository: str,
    parameters: ServiceParameters = DD_BENCH_DEFAULTS,
    *,
    max_batch_size: int = 256,
    task: Task = Task.CLASSIFICATION,
    engine_file: str | None = None,
    backend: str = "",
) -> dict[str, object]:
    """Build the body of `PUT /services/<name>` for images as sent by dd_bench, including the description.

    Args:
        repository: the model's folder as the server sees it.
        parameters: parameters of the service.
        max_batch_size: number of images for which a TensorRT engine is built.
        task: task of the service.
        engine_file: beginning of the name of the TensorRT engine's file; None for the server's default.
        backend: backend whose own parameters are added to those that dd_bench sends; "" for none.
    """
    engine: dict[str, object] = {"readEngine": True, "writeEngine": True, "maxBatchSize": max_batch_size}
    if engine_file is not None:
        engine["tensorRTEngineFile"] = engine_file
    return {
        "description": "image classification service",
        "mllib": parameters.mllib,
        "type": "supervised",
        "parameters": {
            "input": {"connector": "image", **parameters.request_section("creation", "input"), **create_input(task)},
            "mllib": {**parameters.request_section("creation", "mllib", backend), **engine},
            "output": {},
        },
        "model": {"repository": repository},
    }


def build_predict_body(
    service: str,
    data: Sequence[str],
    parameters: ServiceParameters = DD_BENCH_DEFAULTS,
    *,
    output: Mapping[str, object] | None = None,
    task: Task = Task.CLASSIFICATION,
    backend: str = "",
) -> dict[str, object]:
    """Build the body of `POST /predict` as sent by dd_bench, without the `interp: null` that dd_bench adds.

    Args:
        service: name of the service.
        data: an entry per image: a path or URL as the server sees it, or the image's bytes in base64.
        parameters: parameters of the request; the service's defaults apply to those that are None.
        output: the output section; None for that of the task, which is empty for classification. With `{"best": 1}`
            NCNN and Torch do not return all 1,000 classes.
        task: task of the service.
        backend: backend of the service, whose own parameters are added to those that dd_bench sends; "" for none.
            Torch runs N images as N batches of one, in fp32, unless each prediction requests something else.
    """
    net = {"net": {"test_batch_size": len(data)}} if backend == TORCH else {}
    return {
        "service": service,
        "parameters": {
            "input": {**parameters.request_section("prediction", "input"), **predict_input(task)},
            "mllib": {**parameters.request_section("prediction", "mllib", backend), **net},
            "output": predict_output(task) if output is None else dict(output),
        },
        "data": list(data),
    }


class _Stats(msgspec.Struct):
    predict_count: Whole | msgspec.UnsetType = msgspec.UNSET
    total_predict_duration_ms: Amount | msgspec.UnsetType = msgspec.UNSET
    total_transform_duration_ms: Amount | msgspec.UnsetType = msgspec.UNSET

    def to_stats(self) -> ServiceStats:
        reported = msgspec.to_builtins(self)  # without the unset ones
        return ServiceStats(**{key: one if key.endswith("_ms") else int(one) for key, one in reported.items()})


class _ServiceEntry(msgspec.Struct):
    name: Annotated[str, msgspec.Meta(min_length=1)]
    mllib: str = ""
    repository: str = ""
    service_stats: _Stats | None = None
    model_stats: Any = None
    width: Any = None
    height: Any = None
    parameters: Any = None


class _ServiceAnswer(msgspec.Struct):
    body: _ServiceEntry


class _InfoHead(msgspec.Struct):
    services: list[_ServiceEntry]
    version: str = "unknown"
    commit: str = "unknown"
    branch: str = "unknown"
    build_type: str = msgspec.field(default="unknown", name="build-type")
    compile_flags: str = ""
    deps_version: str = ""


class _InfoAnswer(msgspec.Struct):
    head: _InfoHead


class _PredictHead(msgspec.Struct):
    time: Amount | msgspec.UnsetType = msgspec.UNSET


class _PredictBody(msgspec.Struct):
    predictions: tuple[Prediction, ...]
    time: Amount | msgspec.UnsetType = msgspec.UNSET


class _PredictAnswer(msgspec.Struct):
    body: _PredictBody
    head: _PredictHead | list[Any] | str | float | bool | None = None  # anything but an object has no time


def parse_info(answer: object, *, url: str = "") -> Info:
    """Parse the answer to `GET /info`, which has no `status` key."""
    head = decode_answer(answer, _InfoAnswer, url=url).head
    build = {key: quote_server_text(getattr(head, key)) for key in BUILD_FACTS}
    return Info(**build, services=tuple(map(_describe_service, head.services)))


def parse_service(answer: object, *, url: str = "", service: str = "") -> ServiceInfo:
    """Parse the answer to `GET /services/<name>`."""
    return _describe_service(decode_answer(answer, _ServiceAnswer, url=url, service=service).body)


def parse_prediction(answer: object, *, url: str = "", service: str = "") -> Answer:
    """Parse the answer to `POST /predict`; the time may be in `head` or, with a measure, in `body`."""
    decoded = decode_answer(answer, _PredictAnswer, url=url, service=service)
    head_ms = decoded.head.time if isinstance(decoded.head, _PredictHead) else msgspec.UNSET
    head_ms = decoded.body.time if head_ms is msgspec.UNSET else head_ms
    return Answer(None if head_ms is msgspec.UNSET else head_ms, decoded.body.predictions)


def check_predictions(
    answer: Answer,
    expected_uris: Iterable[str],
    *,
    url: str = "",
    service: str = "",
    task: Task = Task.CLASSIFICATION,
    input_size: tuple[int, int] | None = None,
) -> None:
    """Check that there is one prediction per image, under its uri and in any order, and that each fits the task.

    Raises:
        AnswerError: a prediction is missing, unexpected, duplicated, or not one of that task.
    """
    asked = dict.fromkeys(expected_uris)
    came = Counter(prediction.uri for prediction in answer.predictions)
    wrong: list[str] = []
    if missing := [uri for uri in asked if uri not in came]:
        wrong.append(f"{len(missing)} of {len(asked)} predictions are missing: {shorten_list(missing)}")
    if unasked := [uri for uri in came if uri not in asked]:
        wrong.append(f"{len(unasked)} were not requested: {shorten_list(unasked)}")
    if repeated := [uri for uri, times in came.items() if times > 1]:
        wrong.append(f"{len(repeated)} were returned more than once: {shorten_list(repeated)}")
    wrong += find_flaws(answer.predictions, task, input_size)
    if wrong:
        raise AnswerError(f"The predictions are wrong: {'; '.join(wrong)}.", url=url, service=service)


def _describe_service(entry: _ServiceEntry) -> ServiceInfo:
    image = find(entry.parameters, dict, "input")
    return ServiceInfo(
        name=entry.name,
        mllib=quote_server_text(entry.mllib),
        width=find(entry.width, int) or find(image, int, "width"),
        height=find(entry.height, int) or find(image, int, "height"),
        gpu=find(entry.parameters, bool, "mllib", "gpu"),
        datatype=quote_server_text(find(entry.parameters, str, "mllib", "datatype") or ""),
        repository=quote_server_text(entry.repository),
        stats=None if entry.service_stats is None else entry.service_stats.to_stats(),
        model_stats=_read_model_stats(entry.model_stats),
        max_batch_size=find(entry.parameters, int, "mllib", "maxBatchSize"),
        template=quote_server_text(find(entry.parameters, str, "mllib", "template") or ""),
    )


def _read_model_stats(reported: object) -> ModelStats:
    params, gflops = find(reported, int, "params"), find(reported, float, "gflops") or find(reported, int, "gflops")
    return ModelStats(
        params if params is not None and 0 < params < _MOST_PARAMS else None,
        float(gflops) if gflops is not None and 0 < gflops < _MOST_GFLOPS else None,
    )
