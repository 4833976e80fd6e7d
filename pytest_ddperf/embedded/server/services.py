"""Services as in DeepDetect, independent of HTTP: create, describe, use and delete them."""

from __future__ import annotations

import asyncio
import functools
import logging
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from pytest_ddperf.embedded.api_errors import ApiError, bad_input, bad_service, internal
from pytest_ddperf.embedded.heads.heads import ClassHead, convert_to_torch
from pytest_ddperf.embedded.images.fetch import ImageReadError
from pytest_ddperf.embedded.limits import DEFAULTS, MAX_NAME
from pytest_ddperf.embedded.networks.task_models import TASK_MODELS
from pytest_ddperf.embedded.server.descriptions import describe_parameters
from pytest_ddperf.embedded.server.service_stats import ServiceStatistics
from pytest_ddperf.embedded.wire import (
    JsonObject,
    OutputSettings,
    PredictRequest,
    ServiceRequest,
    parse_parameters,
    parse_test_batch_size,
)
from pytest_ddperf.errors import DdperfError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from pytest_ddperf.embedded.images.images import ImageReader
    from pytest_ddperf.embedded.server.repository import Engine
    from pytest_ddperf.embedded.wire import ImageSettings, TorchService

_LOG = logging.getLogger(__name__)

_T = TypeVar("_T")

_AT_ONCE = 8
"""Most predictions that run at the same time, each of a different service. Predictions of one service queue."""

_DEFAULT_SIZE = (224, 224)
"""DeepDetect's default width and height, in pixels."""


class Service:
    """One service: its network, which is loaded on first use, and its statistics.

    Args:
        name: the name in responses, in lower case.
        with_stats: whether the description contains `service_stats`, which older servers do not have.
    """

    def __init__(
        self,
        name: str,
        request: ServiceRequest,
        load: Callable[[], Engine],
        *,
        reader: ImageReader,
        threads: int,
        with_stats: bool,
    ) -> None:
        self.name = name
        self.lock = asyncio.Lock()  # fair: first come, first served
        self._request = request
        self._load = load
        self._reader = reader
        self._threads = threads
        self._with_stats = with_stats
        self._statistics = ServiceStatistics()
        self._engine: Engine | None = None
        self._buffer: NDArray[np.float32] | None = None

    @property
    def is_torch(self) -> bool:
        """Whether the service behaves as one of DeepDetect's Torch backend."""
        return self._request.torch is not None

    def load(self) -> Engine:
        """Load the network unless it is loaded. Must not be called concurrently.

        Raises:
            ApiError: the network cannot be loaded.
        """
        if self._engine is None:
            try:
                self._engine = self._load()
            except DdperfError as error:
                raise (internal if self.is_torch else bad_service)(str(error)) from error
            if self._engine.fixed_batch:
                _LOG.warning(
                    "service %s: its network was exported with a fixed batch of %d images, so every request runs in "
                    "pieces of %d, and one image takes as long as %d",
                    self.name,
                    *[self._engine.fixed_batch] * 3,
                )
        return self._engine

    def close(self) -> None:
        """Free the memory of the network and its input."""
        engine, self._engine, self._buffer = self._engine, None, None
        if engine is not None:
            engine.close()

    def predict(self, request: PredictRequest, arrived_s: float) -> JsonObject:
        """Run one prediction and return the response. Must not be called concurrently.

        `arrived_s` is when it arrived, before it waited for this service, by `time.perf_counter`, in seconds.

        Raises:
            ApiError: the request is invalid, or the network cannot be loaded or fails. It counts as a failure.
        """
        work = _Work()
        answer: JsonObject | None = None
        try:
            predictions, output = self._predictions(request, work)
            answer = {
                "status": {"code": 200, "msg": "OK"},
                "head": {"method": "/predict", "service": self.name},
                "body": {"predictions": predictions},
            }
        finally:
            predict_ms = (time.perf_counter() - arrived_s) * 1000
            self._statistics.add(
                success=answer is not None,
                images=work.images,
                predict_ms=predict_ms,
                transform_ms=work.transform_ms,
            )
        # truncated to whole milliseconds but written as a float, as in DeepDetect
        answer["body" if output.measure else "head"]["time"] = float(int(predict_ms))
        return answer

    def describe(self, *, in_list: bool, jobs: bool) -> JsonObject:
        """Return the service's JSON; in the list of `/info`, `gpuid` is a number instead of a list."""
        torch = self._request.torch
        task = None if torch and torch.template else TASK_MODELS.get(self._request.repository)
        width, height = self._size(self._request.settings)
        parameters = describe_parameters(self._request.parameters, width, height, self._threads)
        if not in_list:
            parameters["mllib"]["gpuid"] = [0]
        engine = self._engine
        parameters["mllib"].pop("maxBatchSize", None)  # of TensorRT; here it would look like that of the network
        if engine is not None and engine.fixed_batch:
            parameters["mllib"]["maxBatchSize"] = engine.fixed_batch
        model_stats = {} if engine is None else {"params": engine.parameters}
        return {
            "name": self.name,
            "description": self._request.description,
            "mllib": "torch" if self.is_torch else "onnxruntime",
            "mltype": task.mltype if task else "classification",
            "parameters": parameters,
            "type": "supervised",
            "predict": True,
            "training": False,
            "stats": model_stats,
            "model_stats": model_stats,
            **({"jobs": []} if jobs else {}),
            "repository": self._request.repository,
            "width": width,
            "height": height,
            **({"service_stats": self._statistics.to_json()} if self._with_stats else {}),
        }

    def _size(self, settings: ImageSettings) -> tuple[int, int]:
        fallback = (self._engine.input_size if self._engine is not None else None) or _DEFAULT_SIZE
        return settings.width or fallback[0], settings.height or fallback[1]

    def _predictions(self, request: PredictRequest, work: _Work) -> tuple[list[JsonObject], OutputSettings]:
        settings, output = parse_parameters(request.parameters, self._request.settings)
        if not request.data:
            raise bad_input("missing data")
        at_once = parse_test_batch_size(request.parameters) if self.is_torch else -1
        if self.is_torch and output.measure:
            raise bad_service("Missing label on data while testing")
        engine = self.load()
        size = self._size(settings)
        started_s = time.perf_counter()
        try:
            batch = self._reader.read(request.data, settings, size, self._buffer)
        except ImageReadError as error:
            raise bad_input(f"Could not read image(s): {error}") from error
        finally:
            work.transform_ms = (time.perf_counter() - started_s) * 1000
        if not batch.uris:
            raise bad_input("missing data")
        if not self.is_torch:
            work.images = len(batch.uris)  # the Torch backend counts only images that ran
        self._buffer = batch.pixels
        wanted = engine.input_size
        if wanted is not None and wanted != size:
            raise internal(f"the network takes images of {wanted[0]}x{wanted[1]}, not {size[0]}x{size[1]}")
        if not at_once:  # as in DeepDetect's Torch backend, which then reports success
            return [], output
        rows = _run_in_pieces(engine, batch.pixels, at_once)
        work.images = len(rows)
        predictions = engine.head.predictions(batch.uris, rows, batch.sizes, output)
        if self.is_torch and isinstance(engine.head, ClassHead):
            convert_to_torch(predictions, rows.shape[1], output.best)
        return predictions, output


def _run_in_pieces(engine: Engine, pixels: NDArray[np.float32], at_once: int) -> NDArray[np.float32]:
    """Run a network on images, `at_once` at a time; all of them together if negative.

    Raises:
        ApiError: the network failed, or its output is not finite.
    """
    step = at_once if at_once > 0 else len(pixels)
    try:
        rows = np.concatenate([engine.run(pixels[start : start + step]) for start in range(0, len(pixels), step)])
    except MemoryError:
        raise internal("out of memory") from None
    except Exception as error:
        raise internal(f"the network failed: {error}") from error
    if not np.isfinite(rows).all():
        raise internal("the output of the network is NaN or infinite; check scale, mean and std")
    return rows


class _Work:
    """The work done for a prediction, recorded whether or not the prediction succeeds."""

    def __init__(self) -> None:
        self.images = 0
        self.transform_ms = 0.0


class Services:
    """All services of the server. Everything except the predictions themselves runs on one event loop.

    Args:
        find: returns, for a `model.repository` and the parameters of a Torch service (None for other services), the
            function that loads the network.
    """

    def __init__(
        self,
        find: Callable[[str, TorchService | None], Callable[[], Engine]],
        reader: ImageReader,
        *,
        threads: int = 1,
        with_stats: bool = True,
        most: int = DEFAULTS.services,
    ) -> None:
        self._most = most
        self._find = find
        self._reader = reader
        self._build = functools.partial(Service, reader=reader, threads=threads, with_stats=with_stats)
        self._services: dict[str, Service] = {}
        self._workers = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="predict")
        self._running = 0

    @property
    def busy(self) -> bool:
        """Whether a prediction is running."""
        return self._running > 0

    def require_absent(self, name: str) -> None:
        """Raise 409/1014 if a service of that name exists."""
        if name.lower() in self._services:
            raise ApiError(409, "Conflict", 1014, "Service already exists")

    def create(self, name: str, request: ServiceRequest) -> None:
        """Create a service. Its network is loaded on first use.

        Raises:
            ApiError: 409/1014 if the service exists; 400/1006 if its repository contains no network, its name is too
                long or there are too many services.
        """
        self.require_absent(name)
        if len(name) > MAX_NAME:
            raise bad_service(f"a service's name may have at most {MAX_NAME} characters")
        if len(self._services) >= self._most:
            raise bad_service(f"{self._most} services exist already; delete one first")
        load = self._find(request.repository, request.torch)
        self._services[name.lower()] = self._build(name.lower(), request, load)

    async def load_torch(self, name: str) -> None:
        """Load the network of a new Torch service, as DeepDetect does at creation. Others are loaded on first use.

        Raises:
            ApiError: the network cannot be loaded; the service is then removed.
        """
        service = self.get(name)
        if not service.is_torch:
            return
        try:
            await self._run(service, service.load)
        except ApiError:
            if self._services.get(service.name) is service:
                del self._services[service.name]
            raise

    def get(self, name: str) -> Service:
        """Return a service by its name, ignoring case.

        Raises:
            ApiError: 404/1002 if there is no such service.
        """
        try:
            return self._services[name.lower()]
        except KeyError:
            raise ApiError(404, "NotFound", 1002, "Service Not Found") from None

    def describe_all(self, *, jobs: bool) -> list[JsonObject]:
        """Return the value of `services` in `/info`."""
        return [service.describe(in_list=True, jobs=jobs) for service in self._services.values()]

    async def predict(self, request: PredictRequest) -> JsonObject:
        """Run a prediction after the earlier ones of its service. Its reported time includes this wait.

        Raises:
            ApiError: the service does not exist, the request is invalid, or the network cannot be loaded or fails.
        """
        arrived_s = time.perf_counter()
        service = self.get(request.service)
        return await self._run(service, functools.partial(service.predict, request, arrived_s))

    async def _run(self, service: Service, work: Callable[[], _T]) -> _T:
        async with service.lock:
            self._running += 1
            try:
                return await asyncio.get_running_loop().run_in_executor(self._workers, work)
            finally:
                self._running -= 1

    async def delete(self, name: str) -> None:
        """Delete a service. Requests no longer find it; its memory is freed after its pending predictions have ended.

        Raises:
            ApiError: 404, without dd_code, if there is no such service.
        """
        service = self._services.pop(name.lower(), None)
        if service is None:
            raise ApiError(404, "NotFound")
        async with service.lock:
            service.close()

    def close(self) -> None:
        """Let the threads end. Memory is freed only when the process ends."""
        self._workers.shutdown(wait=False, cancel_futures=True)
        self._reader.close()
