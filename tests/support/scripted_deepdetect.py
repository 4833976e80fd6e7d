"""A DeepDetect server with scripted times: it answers like a real one, but at once, and reports the scripted time.

    with ScriptedDeepDetect(latency_ms=lambda service, batch: 20.0 * batch, services=["resnet50"]) as server:
        pytester.runpytest("benchmarks", "--platform=tk1", f"--ddperf-url={server.url}")

Whole runs against it are fast and exact: the time of a cell is the scripted one, on the predict clock and (truncated to
whole milliseconds) in `head.time`. Only the client's clock measures real time.
"""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from scripted_server import Reply, Request, ScriptedServer
from scripted_tasks import by_task

if TYPE_CHECKING:
    import ssl

Latency = Callable[[str, int], float]
_IMAGES = (".jpg", ".jpeg", ".png", ".bmp")
_TOTALS = ("total_predict_duration_ms", "total_transform_duration_ms")
BUILD_FLAGS = "USE_CAFFE=ON USE_NCNN=ON USE_TORCH=ON USE_TENSORRT=ON USE_ONNXRUNTIME=ON USE_DLIB=OFF "
"""Build flags of a server with every backend."""

_COUNTS = ("predict_count", "predict_success", "predict_failure", "inference_count")


@dataclass(frozen=True, slots=True)
class ServiceSetup:
    """A service that exists at the start.

    Args:
        name: its name, in lower case.
    """

    name: str
    mllib: str = "caffe"
    width: int = 224
    height: int = 224
    gpu: bool = True
    datatype: str = "fp32"
    repository: str = "/srv/models"
    max_batch_size: int | None = None


@dataclass(frozen=True, slots=True)
class Prediction:
    """A prediction, as passed to `fault` and `head_ms`.

    Args:
        service: name of the service.
        batch: number of images.
        number: number of the prediction on this server, from 1.
        latency_ms: its scripted time.
    """

    service: str
    batch: int
    number: int
    latency_ms: float


@dataclass(slots=True)
class _Service:
    setup: ServiceSetup
    totals: dict[str, float] = field(default_factory=lambda: dict.fromkeys(_TOTALS, 0.0))
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_COUNTS, 0))

    def count(self, images: int, predict_ms: float, transform_ms: float) -> None:
        for name, value in zip(_TOTALS, (predict_ms, transform_ms), strict=True):
            self.totals[name] += value
        for name, rise in zip(_COUNTS, (1, 1, 0, images), strict=True):
            self.counts[name] += rise

    def fail(self) -> None:
        self.counts["predict_count"] += 1
        self.counts["predict_failure"] += 1


def cut_to_whole_ms(prediction: Prediction) -> float | None:
    """Return `head.time` as real servers report it: whole milliseconds, written as a float."""
    return float(math.floor(prediction.latency_ms))


def never_ends(number: int) -> Callable[[Prediction], float]:
    """Return a `works_s` with which the server hangs forever at the prediction with this number."""
    return lambda prediction: math.inf if prediction.number == number else 0.0


class ScriptedDeepDetect(ScriptedServer):
    """DeepDetect's REST API with scripted times; see the module.

    Args:
        latency_ms: returns the time of a prediction for (service, batch size), in milliseconds for the whole batch. It
            is called once per prediction, in order, so that the time may vary from call to call.
        services: the services that exist at the start, by name or in full.
        transform_share: share of the latency for fetching, decoding and resizing.
        head_ms: returns `head.time` of a prediction; None omits it.
        totals: contents of `service_stats`: `all`, `counts` (no durations), `durations` (no counts), or `none` (no
            `service_stats` at all, as with older servers).
        version: version in `/info`.
        build_flags: `compile_flags` in `/info`; a service with a backend that they show as absent is refused as by
            v0.29 (Caffe) and earlier versions (others).
        deps: `deps_version` in `/info`.
        params: `model_stats.params` of a service; None for none.
        accepts: whether a service may be created from a model folder; otherwise rejected with 400/1006.
        readable: whether an image can be read; otherwise rejected with 400/1005.
        fault: returns a reply instead of a prediction (which counts as a failure and adds no time), or None.
        wrong: changes the predictions of an answer before it is sent.
        works_s: how long the server works on a prediction, even if its answer is not used. The answer is sent after
            that time, or at once if `fault` returns one; the prediction is counted after that time. Infinite: never.
        delay_s: how long a prediction really takes, in seconds.
        in_real_time: whether a prediction really takes its scripted time, so that `head.time` is credible.
        port: port to listen on; 0 for a free one.
        tls: certificate of the server; None for plain HTTP.

    Attributes:
        predictions: every requested prediction, in order, including failed ones.
    """

    def __init__(
        self,
        latency_ms: Latency = lambda _, batch: 10.0 * batch,
        services: Iterable[str | ServiceSetup] = (),
        *,
        transform_share: float = 0.25,
        head_ms: Callable[[Prediction], object] = cut_to_whole_ms,
        totals: str = "all",
        version: str = "v0.28.0",
        build_flags: str = BUILD_FLAGS,
        deps: str = "OPENCV_VERSION=4.6.0 CUDA_VERSION=12.6 TENSORRT_VERSION=10.3.0",
        params: Callable[[str], int | None] = lambda _: None,
        accepts: Callable[[str], bool] = bool,
        readable: Callable[[str], bool] = lambda _: True,
        fault: Callable[[Prediction], Reply | None] = lambda _: None,
        wrong: Callable[[Prediction, list[dict[str, Any]]], list[dict[str, Any]]] = lambda _, predictions: predictions,
        works_s: Callable[[Prediction], float] = lambda _: 0.0,
        delay_s: float = 0.0,
        in_real_time: bool = False,
        port: int = 0,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.in_real_time = in_real_time
        self.latency_ms = latency_ms
        self.fault = fault
        self.wrong = wrong
        self.works_s = works_s
        self.predictions: list[Prediction] = []
        self._transform_share = transform_share
        self.head_ms = head_ms
        self.tells = totals
        self._version = version
        self._build_flags = build_flags
        self._deps = deps
        self._params = params
        self._accepts = accepts
        self.readable = readable
        self._delay_s = delay_s
        self._state = threading.RLock()
        self._services: dict[str, _Service] = {}
        for one in services:
            setup = ServiceSetup(one) if isinstance(one, str) else one
            self._services[setup.name.lower()] = _Service(setup)
        super().__init__(self._respond, port=port, tls=tls)

    @property
    def services(self) -> list[str]:
        """Return the names of the current services."""
        with self._state:
            return list(self._services)

    def be_version(self, version: str) -> None:
        """Report another version in `/info` from now on."""
        self._version = version

    def use_elsewhere(self, service: str, *, images: int = 1, predict_ms: float = 10.0) -> None:
        """Run a prediction for another client."""
        with self._state:
            self._services[service].count(images, predict_ms, self._transform_share * predict_ms)

    def restart(self) -> None:
        """Restart: the services stay, their totals restart at 0, and the connections are cut."""
        self.forget_totals()
        self.hang_up()

    def forget_totals(self) -> None:
        """Reset the totals of the services, as after an unnoticed restart."""
        with self._state:
            self._services = {name: _Service(one.setup) for name, one in self._services.items()}

    def forget_service(self, name: str) -> None:
        """Delete a service, as another client might."""
        with self._state:
            del self._services[name]

    def replace_service(self, setup: ServiceSetup) -> None:
        """Delete a service and create another one of the same name, as another client might."""
        with self._state:
            self._services[setup.name] = _Service(setup)

    def die(self, seconds: float | None = None) -> Reply:
        """Die at a request; return after `seconds` with the same services, as if configured, or never (None)."""
        self.forget_totals()
        self.go_down(seconds)
        return Reply(drop=True)

    def _respond(self, request: Request) -> Reply:
        path = urlsplit(request.path).path.rstrip("/")
        with self._state:
            if (request.method, path) == ("GET", "/info"):
                return self._ok(self._info(), reason="OK")
            if (request.method, path) == ("POST", "/predict"):
                return self._predict(request)
            name = unquote(path.removeprefix("/services/")).lower()
            if path.startswith("/services/") and request.method in {"GET", "PUT", "POST", "DELETE"}:
                return self._service(request, name)
        missing = f"Not Found: No mapping for HTTP-method: '{request.method}', URL: '{request.path}'"
        return Reply(404, {"status": {"code": 404, "msg": missing}}, reason="Not Found", close=True)

    def _service(self, request: Request, name: str) -> Reply:
        if request.method == "GET":
            if name not in self._services:
                return service_not_found()
            return self._ok({"status": {"code": 200, "msg": "OK"}, "body": self._described(name)})
        if request.method == "DELETE":
            if self._services.pop(name, None) is None:
                return _error(404, "NotFound")
            return self._ok({"status": {"code": 200, "msg": "OK"}})
        return self._create(request, name)

    def _create(self, request: Request, name: str) -> Reply:  # noqa: PLR0911 - the reasons for which a server refuses
        try:
            body: Any = request.json()
            image, backend = body["parameters"]["input"], body["parameters"]["mllib"]
            mllib, repository = body["mllib"], body["model"].get("repository", "")
        except (ValueError, KeyError, TypeError, AttributeError):
            return _error(400, "BadRequest")
        if name in self._services:
            return _error(409, "Conflict", 1014, "Service already exists")
        if not self._has_backend(mllib):
            return _backend_removed() if mllib == "caffe" and self._version >= "v0.29" else _unknown_library()
        if image.get("connector") != "image":
            return _error(404, "NotFound", 1004, "Input Connector Not Found")
        if not isinstance(image.get("scale", 1.0), float):
            return _error(400, "BadRequest", 1005, "Service Input Error: scale must be a float")
        if not self._accepts(repository):
            what = f"destination model directory {repository} is not writable or does not exist."
            return _error(400, "BadRequest", 1006, f"Service Bad Request Error: {what}")
        self._services[name] = _Service(
            ServiceSetup(
                name,
                mllib=mllib,
                width=image.get("width", 224),
                height=image.get("height", 224),
                gpu=backend.get("gpu", False),
                datatype=backend.get("datatype", "fp32"),
                repository=repository,
            )
        )
        return self._ok({"status": {"code": 201, "msg": "Created"}}, status=201)

    def _has_backend(self, mllib: str) -> bool:
        """Return whether a service may be created with a backend: any, if the build flags name none."""
        flags = dict(word.split("=") for word in self._build_flags.split())
        return not flags or flags.get(f"USE_{mllib.upper()}", "OFF") not in {"OFF", "0", "FALSE"}

    def _predict(self, request: Request) -> Reply:
        try:
            body: Any = request.json()
            name, data = str(body["service"]).lower(), body.get("data")
        except (ValueError, KeyError, TypeError, AttributeError):
            return _error(400, "BadRequest")
        service = self._services.get(name)
        if service is None:
            return service_not_found()
        if not data:
            service.fail()
            return _error(400, "BadRequest", 1005, "Service Input Error: missing data")
        prediction = Prediction(name, len(data), len(self.predictions) + 1, self.latency_ms(name, len(data)))
        self.predictions.append(prediction)
        works_s = self.works_s(prediction)
        if (reply := self.fault(prediction)) is not None:
            self._after(works_s, service.fail)
            return reply
        uris = _uris(data)
        if unreadable := [uri for uri in uris if uri.startswith("data:") or not self.readable(uri)]:
            service.fail()
            what = "Service Input Error: Could not read image(s): image could not be read or does not exist: "
            return _error(400, "BadRequest", 1005, what + unreadable[0])
        took_ms = prediction.latency_ms, self._transform_share * prediction.latency_ms
        self._after(works_s, partial(service.count, len(data), *took_ms))
        parameters = body.get("parameters", {})
        best = parameters.get("output", {}).get("best", 1)
        answered = [by_task(uri, parameters, _predicted(uri, best)) for uri in reversed(uris)]
        predictions = self.wrong(prediction, answered)
        head: dict[str, object] = {"method": "/predict", "service": name}
        if (head_ms := self.head_ms(prediction)) is not None:
            head["time"] = head_ms
        answer = {"status": {"code": 200, "msg": "OK"}, "head": head, "body": {"predictions": predictions}}
        delay_s = prediction.latency_ms / 1000 if self.in_real_time else self._delay_s
        return replace(self._ok(answer), delay_s=max(delay_s, works_s))

    def _after(self, seconds: float, count: Callable[[], None]) -> None:
        """Count a prediction when it ends: at once, later while other requests are answered, or never."""

        def ended() -> None:
            with self._state:
                count()

        if not seconds:
            count()
        elif seconds < math.inf:
            ending = threading.Timer(seconds, ended)
            ending.daemon = True
            ending.start()

    def _info(self) -> dict[str, object]:
        return {
            "head": {
                "method": "/info",
                "build-type": "release",
                "version": self._version,
                "branch": "HEAD",
                "commit": "ab3b96ae4cda06e507920e90e0f9b0caa18fb86f",
                "compile_flags": self._build_flags,
                "deps_version": self._deps,
                "services": [self._described(name) for name in self._services],
            }
        }

    def _described(self, name: str) -> dict[str, object]:
        service = self._services[name]
        setup = service.setup
        described: dict[str, Any] = {
            "name": name,
            "description": "image classification service",
            "mllib": setup.mllib,
            "mltype": "classification",
            "parameters": {
                "input": {"connector": "image", "width": setup.width, "height": setup.height},
                "mllib": {"nclasses": 1000, "gpu": setup.gpu, "gpuid": [0], "datatype": setup.datatype},
                "output": {},
            },
            "repository": setup.repository,
            "width": setup.width,
            "height": setup.height,
        }
        if setup.max_batch_size is not None:
            described["parameters"]["mllib"]["maxBatchSize"] = setup.max_batch_size
        params = self._params(name)
        described["model_stats"] = {} if params is None else {"params": params}
        stats: dict[str, float] = {}
        if self.tells in {"all", "durations"}:
            stats |= service.totals
        if self.tells in {"all", "counts"}:
            stats |= service.counts
        if self.tells != "none":
            described["service_stats"] = stats
        return described

    @staticmethod
    def _ok(answer: object, *, status: int = 200, reason: str = "") -> Reply:
        return Reply(status, answer, reason=reason, compressible=True)


def out_of_memory() -> Reply:
    """Return the answer of a GPU server that has run out of memory."""
    return _error(
        500, "InternalError", 1007, "src/caffe/syncedmem.cpp:56 / Check failed (custom): (error) == (cudaSuccess)"
    )


def internal_error() -> Reply:
    """Return the answer of a server with an internal error."""
    return _error(500, "InternalError", 1007, "src/caffe/net.cpp:41 / Check failed (custom): shape is known")


def _backend_removed() -> Reply:
    what = "the requested backend was removed; migrate the service to Torch or ONNX/TensorRT"
    return _error(400, "BadRequest", 1006, f"Service Bad Request Error: {what}")


def _unknown_library() -> Reply:
    return _error(404, "NotFound", 1000, "Unknown Library")


def service_not_found() -> Reply:
    """Return the answer of a server without a service of that name."""
    return _error(404, "NotFound", 1002, "Service Not Found")


def _error(status: int, msg: str, dd_code: int | None = None, dd_msg: str = "") -> Reply:
    reported: dict[str, object] = {"code": status, "msg": msg}
    if dd_code is not None:
        reported |= {"dd_code": dd_code, "dd_msg": dd_msg}
    return Reply(status, {"status": reported}, compressible=True)


def _uris(data: list[str]) -> list[str]:
    """Return the uris of the images in an answer: paths and URLs unchanged, each once; inline images by number."""
    named = [
        one if one.startswith(("http://", "https://", "data:")) or one.lower().endswith(_IMAGES) else str(number)
        for number, one in enumerate(data)
    ]
    return list(dict.fromkeys(named))


def _predicted(uri: str, best: int) -> dict[str, Any]:
    """Return classes, best first; they are always the same for the same uri."""
    first = sum(json.dumps(uri).encode()) % 1000
    listed = min(best, 1000) if best >= 0 else 1000
    classes: list[dict[str, Any]] = [
        {"prob": 0.9 * 0.1**place, "cat": f"n{(first + place) % 1000:08d} class_{(first + place) % 1000}"}
        for place in range(listed)
    ]
    if classes:
        classes[-1] = {"last": True, **classes[-1]}
    return {"uri": uri, "classes": classes, "images": []}
