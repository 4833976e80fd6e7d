"""DeepDetect's REST API over HTTP: routes, bodies and status codes. `services` carries the requests out."""

from __future__ import annotations

import gzip
import logging
import zlib
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

import msgspec
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from pytest_ddperf.embedded.api_errors import ApiError, internal, malformed
from pytest_ddperf.embedded.limits import DEFAULTS, MAX_SERVICE_BYTES, Limits
from pytest_ddperf.embedded.server.origin_check import SameSite
from pytest_ddperf.embedded.server.request_body import RequestBodyReader
from pytest_ddperf.embedded.wire import JsonObject, parse_predict, parse_service

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from starlette.requests import Request

    from pytest_ddperf.embedded.server.services import Services

    Handler = Callable[[Request], Awaitable[Response]]

_LOG = logging.getLogger(__name__)


def build_app(services: Services, *, threads: int, limits: Limits = DEFAULTS) -> Starlette:
    """Build the server's ASGI application."""
    routes = _Routes(services, _build_facts(threads), RequestBodyReader(limits))
    table: list[tuple[str, str, Handler]] = [
        ("GET", "/info", routes.info),
        ("PUT", "/services/{name}", routes.create),
        ("POST", "/services/{name}", routes.create),
        ("GET", "/services/{name}", routes.describe),
        ("DELETE", "/services/{name}", routes.delete),
        ("POST", "/predict", routes.predict),
        ("GET", "/train", routes.training),
    ]
    app = Starlette(
        middleware=[Middleware(SameSite)],
        routes=[_route(method, path + slash, handler) for method, path, handler in table for slash in ("", "/")],
        exception_handlers={
            404: _no_mapping,
            405: _no_mapping,  # DeepDetect answers 404 here, too
            ApiError: _refused,
            ClientDisconnect: _left,
            Exception: _failed,
        },
    )
    app.router.redirect_slashes = False
    return app


@dataclass(frozen=True, slots=True)
class _Routes:
    services: Services
    facts: JsonObject
    intake: RequestBodyReader

    async def info(self, request: Request) -> Response:
        """Describe the server and all its services, without waiting for running predictions."""
        jobs = _flag(request, "status", default=False)
        services = self.services.describe_all(jobs=jobs)
        return _answer(request, {"head": {"method": "/info", **self.facts, "services": services}})

    async def create(self, request: Request) -> Response:
        """Create a service."""
        name = request.path_params["name"]
        async with self.intake.document(request, MAX_SERVICE_BYTES) as document:
            self.services.require_absent(name)
            self.services.create(name, parse_service(document))
            await self.services.load_torch(name)
        return _answer(request, {"status": {"code": 201, "msg": "Created"}}, 201)

    async def describe(self, request: Request) -> Response:
        """Describe one service."""
        jobs = _flag(request, "status", default=True)
        body = self.services.get(request.path_params["name"]).describe(in_list=False, jobs=jobs)
        return _answer(request, {"status": {"code": 200, "msg": "OK"}, "body": body})

    async def delete(self, request: Request) -> Response:
        """Delete a service. `clear` is ignored: the server has written no files that it could delete."""
        await self.services.delete(request.path_params["name"])
        return _answer(request, {"status": {"code": 200, "msg": "OK"}})

    async def predict(self, request: Request) -> Response:
        """Run a prediction."""
        async with self.intake.document(request) as document:
            return _answer(request, await self.services.predict(parse_predict(document)))

    async def training(self, request: Request) -> Response:
        """Return "Job Not Found": this server has no training, and so no training jobs."""
        self.services.get(request.query_params.get("service", ""))
        try:
            job = int(request.query_params.get("job", ""))
        except ValueError:
            raise malformed() from None
        missing = ApiError(404, "NotFound", 1003, "Job Not Found")
        return _answer(request, {**missing.body(), "head": {"method": "/train", "job": job}}, 404)


def _route(method: str, path: str, handler: Handler) -> Route:
    route = Route(path, handler, methods=[method])
    route.methods = {method}  # Starlette adds HEAD to GET; DeepDetect has none
    return route


def _flag(request: Request, key: str, *, default: bool) -> bool:
    value = request.query_params.get(key)
    if value is None:
        return default
    if value not in ("true", "false"):
        raise ApiError(400, "Bad request", 400, f"{key} must be a boolean value")
    return value == "true"


def _answer(request: Request, document: JsonObject, status: int = 200) -> Response:
    """Build a response, compressed if the client accepts that. Like DeepDetect's, compressed responses are chunked."""
    content = msgspec.json.encode(document)
    taken = {part.partition(";")[0].strip() for part in request.headers.get("accept-encoding", "").split(",")}
    if "deflate" in taken:
        encoding, packed = "deflate", zlib.compress(content, 1)
    elif "gzip" in taken:
        encoding, packed = "gzip", gzip.compress(content, 1)
    else:
        return Response(content, status, media_type="application/json")
    headers = {"Content-Encoding": encoding}
    return StreamingResponse(_once(packed), status, headers, media_type="application/json")


async def _once(content: bytes) -> AsyncIterator[bytes]:
    yield content


async def _no_mapping(request: Request, _error: Exception) -> Response:
    text = f"Not Found: No mapping for HTTP-method: '{request.method}', URL: '{request.url.path}'"
    content = msgspec.json.encode({"status": {"code": 404, "msg": text}})
    return Response(content, 404, {"Connection": "close"}, media_type="application/json")


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)  # noqa: S101 - the handler is registered for this class only
    answer = _answer(request, error.body(), error.status)
    if error.status == 413:  # the rest of the body is not read
        answer.headers["Connection"] = "close"
    return answer


async def _left(_request: Request, _error: Exception) -> Response:
    """Return a response that nobody receives, because the client disconnected during its request."""
    return Response(status_code=400)


async def _failed(request: Request, error: Exception) -> Response:
    _LOG.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return _answer(request, internal(f"{type(error).__name__}: {error}").body(), 500)


def _build_facts(threads: int) -> JsonObject:
    """Return the part of `/info` that describes the build, with DeepDetect's keys."""
    own = _version("pytest-ddperf")
    return {
        "build-type": "release",
        "version": f"v{own}",
        "branch": "embedded",
        "commit": own,
        # "ON" only for backends that this server behaves as; it accepts the names of others, too
        "compile_flags": "USE_NCNN=OFF USE_TORCH=ON USE_TENSORRT=OFF USE_DLIB=OFF USE_ONNXRUNTIME=ON "
        f"THREADS={threads}",
        "deps_version": " ".join(
            f"{key}_VERSION={_version(distribution)}"
            for key, distribution in (
                ("ONNXRUNTIME", "onnxruntime"),
                ("ONNX", "onnx"),
                ("OPENCV", "opencv-python-headless"),
            )
        )
        + " CUDA_VERSION= CUDNN_VERSION= CUDA_ARCH= TENSORRT_VERSION=",
    }


def _version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return "unknown"
